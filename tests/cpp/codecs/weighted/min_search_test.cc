#include "codecs/weighted/min_search.h"

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

namespace arrowquant::weighted {
namespace {

constexpr MinSearch kSearch{15.0F, -1.0F, 0.1F, 20};

template <typename Lanes>
using Rows = std::array<MinRow<Lanes>, 16>;

/// The more the larger they are.
template <typename Lanes>
void count_values(Rows<Lanes>& rows) {
  for (auto& row : rows) {
    for (size_t s = 0; s < Lanes::kWidth; ++s) row.count[s] = std::fabs(row.value[s]);
  }
}

template <typename Lanes>
class MinSearches : public ::testing::Test {};

using LaneTypes = ::testing::Types<ScalarLanes, WasmLanes, PairLanes<WasmLanes>>;
TYPED_TEST_SUITE(MinSearches, LaneTypes);

/// Whatever the spread, in one lane or in all, the levels are nearest_integer's, clamped.
TYPED_TEST(MinSearches, SpreadsRoundRightWhereTheMantissaWraps) {
  using L = TypeParam;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  testing::Random random(31);
  Rows<L> rows;
  for (auto& row : rows) {
    for (float& value : row.value) value = random.normal();
  }
  count_values<L>(rows);
  const auto values = sum_values<L>(rows);
  for (const float special : {5.0F, 0.0F, -3.0F, 4e6F, 5e6F, 9e6F, 1e9F, 1e38F, kInfinity, -kInfinity}) {
    for (const float least : {-4.0F, 0.0F, 0.3F, rows[3].value[0]}) {
      for (size_t lane = 0; lane < L::kWidth; ++lane) {
        std::array<float, L::kWidth> level_scale;
        level_scale.fill(4.0F);
        level_scale[lane] = special;
        spread_levels<L>(rows, values, L::splat(15.0F), L::load(level_scale.data()), L::splat(least));
        for (const auto& row : rows) {
          for (size_t s = 0; s < L::kWidth; ++s) {
            const int32_t level = std::clamp(k_quant::nearest_integer(level_scale[s] * (row.value[s] - least)), 0, 15);
            ASSERT_EQ(row.level[s], static_cast<float>(level)) << special << ' ' << least << ' ' << row.value[s];
          }
        }
      }
    }
  }
}

/// Lanes with nothing to search leave the others alone, and get a scale of 0.
TYPED_TEST(MinSearches, FlatSubBlocksHaveScaleZero) {
  using L = TypeParam;
  testing::Random random(32);
  Rows<L> rows;
  for (auto& row : rows) {
    for (size_t s = 0; s < L::kWidth; ++s) row.value[s] = s % 3 == 0 ? -0.75F : s % 3 == 1 ? 0.0F : random.normal();
  }
  count_values<L>(rows);
  const auto fit = search_scale_and_min<L, false>(rows, kSearch);
  std::array<float, L::kWidth> scale;
  std::array<float, L::kWidth> min;
  std::array<float, L::kWidth> level_scale;
  L::store(scale.data(), fit.scale);
  L::store(min.data(), fit.min);
  L::store(level_scale.data(), fit.level_scale);
  for (size_t s = 0; s < L::kWidth; ++s) {
    if (s % 3 == 2) {
      EXPECT_GT(scale[s], 0.0F) << s;
    } else {
      EXPECT_EQ(scale[s], 0.0F) << s;
      EXPECT_EQ(min[s], s % 3 == 0 ? 0.75F : 0.0F) << s;
      EXPECT_EQ(level_scale[s], 0.0F) << s;
    }
  }
}

}  // namespace
}  // namespace arrowquant::weighted
