#include "codecs/k_quants/k_quant_levels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "codecs/k_quants/k_quant_packing.h"
#include "codecs/weight_sets.h"
#include "simd/lanes_pair.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::k_quant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(NearestInteger, RoundsHalfToEvenUpToTheLimit) {
  EXPECT_EQ(nearest_integer(0.5F), 0);
  EXPECT_EQ(nearest_integer(1.5F), 2);
  EXPECT_EQ(nearest_integer(-2.5F), -2);
  EXPECT_EQ(nearest_integer(-0.0F), 0);
  EXPECT_EQ(nearest_integer(kSteadyLimit), 4194303);
  EXPECT_EQ(nearest_integer(-kSteadyLimit), -4194303);
  testing::Random random(1);
  for (int i = 0; i < 10000; ++i) {
    const float value = random.uniform() * std::ldexp(1.0F, static_cast<int>(random.below(44)) - 22);
    EXPECT_EQ(static_cast<float>(nearest_integer(value)), std::nearbyint(value) + 0.0F) << value;
  }
}

TEST(NearestInteger, WrapsBeyondTheLimit) {
  EXPECT_EQ(nearest_integer(4194304.0F), -4194304);
  EXPECT_EQ(nearest_integer(kInfinity), -4194304);
  EXPECT_EQ(nearest_integer(-kInfinity), -4194304);
  EXPECT_EQ(nearest_integer(std::numeric_limits<float>::quiet_NaN()), 0);
}

template <typename Lanes>
class KQuantLevels : public ::testing::Test {};

using LaneTypes = ::testing::Types<ScalarLanes, WasmLanes>;
TYPED_TEST_SUITE(KQuantLevels, LaneTypes);

/// Nearest levels of one value, from both ways of rounding.
template <typename Lanes>
std::array<float, 2> both_levels(float value) {
  std::array<float, Lanes::kWidth> steady;
  std::array<float, Lanes::kWidth> wrapped;
  const auto low = Lanes::splat(-32.0F);
  const auto high = Lanes::splat(31.0F);
  Lanes::store(steady.data(), nearest_level<Lanes, false>(Lanes::splat(value), low, high));
  Lanes::store(wrapped.data(), nearest_level<Lanes, true>(Lanes::splat(value), low, high));
  return {steady[0], wrapped[0]};
}

TYPED_TEST(KQuantLevels, BothRoundingsAgreeUpToTheLimit) {
  testing::Random random(2);
  for (int i = 0; i < 10000; ++i) {
    const float value = random.uniform() * std::ldexp(1.0F, static_cast<int>(random.below(30)) - 8);
    const auto level = static_cast<float>(std::clamp(nearest_integer(value), -32, 31));
    const auto [steady, wrapped] = both_levels<TypeParam>(value);
    EXPECT_EQ(steady, level) << value;
    EXPECT_EQ(wrapped, level) << value;
  }
}

TYPED_TEST(KQuantLevels, WrappingRoundingIsNearestIntegerEverywhere) {
  testing::Random random(3);
  std::vector<float> values = {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN(), 4194304.0F, 1e38F};
  for (int i = 0; i < 10000; ++i) values.push_back(random.any_finite());
  for (const float value : values) {
    const auto level = static_cast<float>(std::clamp(nearest_integer(value), -32, 31));
    EXPECT_EQ(both_levels<TypeParam>(value)[1], level) << value;
  }
}

TYPED_TEST(KQuantLevels, SubBlocksRoundToStepsAboveTheLowest) {
  testing::Random random(4);
  for (int round = 0; round < 200; ++round) {
    std::array<float, 32> weights;
    for (float& weight : weights) weight = round % 2 == 0 ? random.normal() : random.any_finite();
    const float scale = random.uniform() + 2.0F;
    std::array<uint8_t, 32> levels;
    round_sub_block<TypeParam, -4, 3>(weights, scale / 8.0F, 0.25F, levels.data());
    for (size_t i = 0; i < weights.size(); ++i) {
      const int level = std::clamp(nearest_integer((weights[i] + 0.25F) / (scale / 8.0F)), -4, 3);
      EXPECT_EQ(levels[i], level + 4) << weights[i];
    }
  }
}

TYPED_TEST(KQuantLevels, ExpandingIsOneProductAndOneDifference) {
  std::array<uint8_t, 64> levels;
  for (size_t i = 0; i < levels.size(); ++i) levels[i] = static_cast<uint8_t>(i);
  std::array<float, 64> weights;
  expand_sub_block<TypeParam, -32>(levels.data(), 0.1F, 0.7F, weights);
  for (size_t i = 0; i < levels.size(); ++i) {
    const float product = 0.1F * (static_cast<float>(i) - 32.0F);
    EXPECT_EQ(weights[i], product - 0.7F) << i;
  }
}

TYPED_TEST(KQuantLevels, FirstNotFiniteIsFoundAnywhere) {
  std::array<float, kSuperBlock> weights;
  weights.fill(std::numeric_limits<float>::max());
  EXPECT_EQ(first_not_finite<TypeParam>(weights.data()), kSuperBlock);
  for (size_t i = kSuperBlock; i-- > 0;) {
    weights[i] = i % 3 == 0 ? kInfinity : i % 3 == 1 ? -kInfinity : std::bit_cast<float>(0xFF800001U);
    EXPECT_EQ(first_not_finite<TypeParam>(weights.data()), i);
  }
}

TYPED_TEST(KQuantLevels, InterleavedRowsHoldOneWeightOfEachSubBlock) {
  using Wide = PairLanes<TypeParam>;
  struct Row {
    std::array<float, Wide::kWidth> value;
  };
  std::array<float, 16 * Wide::kWidth> weights;
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i);
  std::array<Row, 16> rows;
  interleave<TypeParam>(weights.data(), rows, &Row::value);
  for (size_t i = 0; i < 16; ++i) {
    for (size_t s = 0; s < Wide::kWidth; ++s) EXPECT_EQ(rows[i].value[s], weights[s * 16 + i]);
  }
}

Levels random_levels(uint32_t end, uint64_t seed) {
  testing::Random random(seed);
  Levels levels;
  for (uint8_t& level : levels) level = static_cast<uint8_t>(random.below(end));
  return levels;
}

TYPED_TEST(KQuantLevels, NibblesLieWhereTheFormatsWantThem) {
  const Levels levels = random_levels(64, 5);
  std::array<uint8_t, 128> near_apart;
  std::array<uint8_t, 128> far_apart;
  pack_nibbles<TypeParam, 32>(levels, near_apart.data());
  pack_nibbles<TypeParam, 64>(levels, far_apart.data());
  Levels near_back;
  Levels far_back;
  unpack_nibbles<TypeParam, 32>(near_apart.data(), near_back);
  unpack_nibbles<TypeParam, 64>(far_apart.data(), far_back);
  for (size_t i = 0; i < kSuperBlock; ++i) {
    EXPECT_EQ(near_apart[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15, levels[i] & 15) << i;
    EXPECT_EQ(far_apart[i / 128 * 64 + i % 64] >> (i / 64 % 2 * 4) & 15, levels[i] & 15) << i;
    EXPECT_EQ(near_back[i], levels[i] & 15) << i;
    EXPECT_EQ(far_back[i], levels[i] & 15) << i;
  }
}

TYPED_TEST(KQuantLevels, TwoBitsLieWhereTheFormatsWantThem) {
  const Levels levels = random_levels(64, 6);
  std::array<uint8_t, 64> low;
  std::array<uint8_t, 64> high;
  pack_two_bits<TypeParam, 0>(levels, low.data());
  pack_two_bits<TypeParam, 4>(levels, high.data());
  Levels back{};
  unpack_two_bits<TypeParam, 0>(low.data(), back);
  unpack_two_bits<TypeParam, 4>(high.data(), back);
  for (size_t i = 0; i < kSuperBlock; ++i) {
    const size_t byte = i / 128 * 32 + i % 32;
    const size_t shift = i / 32 % 4 * 2;
    EXPECT_EQ(low[byte] >> shift & 3, levels[i] & 3) << i;
    EXPECT_EQ(high[byte] >> shift & 3, levels[i] >> 4) << i;
    EXPECT_EQ(back[i], levels[i] & 0x33) << i;
  }
}

TYPED_TEST(KQuantLevels, HighBitsLieWhereTheFormatsWantThem) {
  const Levels levels = random_levels(32, 7);
  std::array<uint8_t, 32> high;
  pack_high_bit<TypeParam, 4>(levels, high.data());
  Levels back{};
  unpack_high_bit<TypeParam, 4>(high.data(), back);
  for (size_t i = 0; i < kSuperBlock; ++i) {
    EXPECT_EQ(high[i % 32] >> (i / 32) & 1, levels[i] >> 4) << i;
    EXPECT_EQ(back[i], levels[i] & 16) << i;
  }
}

}  // namespace
}  // namespace arrowquant::k_quant
