#include "codecs/k_quants/k_quant_min_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "codecs/weight_sets.h"
#include "simd/lanes_pair.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::k_quant {
namespace {

struct Rule {
  static constexpr size_t kWeights = 16;
  static constexpr int32_t kMaxLevel = 15;
  static constexpr float kFirstStep = -1.0F;
  static constexpr int kSteps = 20;
  static constexpr bool kAbsoluteError = false;
  static constexpr bool kRootMeanSquare = false;
};

template <typename Lanes>
class MinSearch : public ::testing::Test {};

using LaneTypes = ::testing::Types<ScalarLanes, WasmLanes, PairLanes<WasmLanes>>;
TYPED_TEST_SUITE(MinSearch, LaneTypes);

/// Whatever the spread, in one lane or in all, the levels are nearest_integer's, clamped.
TYPED_TEST(MinSearch, SpreadsRoundRightWhereTheMantissaWraps) {
  using L = TypeParam;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  testing::Random random(31);
  MinRows<L, Rule> rows;
  for (auto& row : rows) {
    for (float& value : row.value) value = random.normal();
  }
  weigh<L, Rule>(rows);
  const auto values = sum_values<L, Rule>(rows);
  for (const float special : {5.0F, 0.0F, -3.0F, 4e6F, 5e6F, 9e6F, 1e9F, 1e38F, kInfinity, -kInfinity}) {
    for (const float least : {-4.0F, 0.0F, 0.3F, rows[3].value[0]}) {
      for (size_t lane = 0; lane < L::kWidth; ++lane) {
        std::array<float, L::kWidth> level_scale;
        level_scale.fill(4.0F);
        level_scale[lane] = special;
        spread_levels<L, Rule>(rows, values, L::load(level_scale.data()), L::splat(least));
        for (const auto& row : rows) {
          for (size_t s = 0; s < L::kWidth; ++s) {
            const int32_t level = std::clamp(nearest_integer(level_scale[s] * (row.value[s] - least)), 0, 15);
            ASSERT_EQ(row.level[s], static_cast<float>(level)) << special << ' ' << least << ' ' << row.value[s];
          }
        }
      }
    }
  }
}

/// Lanes with nothing to search leave the others alone, and get a scale of 0.
TYPED_TEST(MinSearch, FlatSubBlocksHaveScaleZero) {
  using L = TypeParam;
  testing::Random random(32);
  MinRows<L, Rule> rows;
  for (auto& row : rows) {
    for (size_t s = 0; s < L::kWidth; ++s) row.value[s] = s % 3 == 0 ? -0.75F : s % 3 == 1 ? 0.0F : random.normal();
  }
  weigh<L, Rule>(rows);
  MinFits<L::kWidth> fits;
  search_scale_and_min<L, Rule>(rows, fits, 0);
  for (size_t s = 0; s < L::kWidth; ++s) {
    if (s % 3 == 2) {
      EXPECT_GT(fits.scale[s], 0.0F) << s;
    } else {
      EXPECT_EQ(fits.scale[s], 0.0F) << s;
      EXPECT_EQ(fits.min[s], s % 3 == 0 ? 0.75F : 0.0F) << s;
      EXPECT_EQ(fits.level_scale[s], 0.0F) << s;
    }
  }
}

}  // namespace
}  // namespace arrowquant::k_quant
