#include "base/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace arrowquant {
namespace {

uint32_t bits_of(float value) { return std::bit_cast<uint32_t>(value); }
float from_bits(uint32_t bits) { return std::bit_cast<float>(bits); }

/// binary16 by its definition: sign, exponent and fraction as numbers.
double half_value(uint32_t half) {
  const int exponent = static_cast<int>(half >> 10 & 31);
  const int fraction = static_cast<int>(half & 1023);
  const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return (half >> 15) != 0 ? -magnitude : magnitude;
}

/// The nearest half of a finite value, from the grid that it lies on: ties go to the even fraction.
uint16_t nearest_half(float value) {
  const uint32_t sign = bits_of(value) >> 31 << 15;
  const double magnitude = std::fabs(double{value});
  if (magnitude >= 65520) return static_cast<uint16_t>(sign | 0x7C00);
  const int exponent = magnitude < 0x1p-14 ? -14 : std::ilogb(magnitude);
  const double steps = std::nearbyint(std::ldexp(magnitude, 10 - exponent));
  // Steps of 1024 and more carry into the exponent by themselves.
  const int bits = (exponent + 14) * 1024 + static_cast<int>(steps);
  return static_cast<uint16_t>(sign | static_cast<uint32_t>(bits));
}

TEST(Half, EveryHalfHasItsValue) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float value = half_to_float(static_cast<uint16_t>(half));
    const uint32_t magnitude = half & 0x7FFF;
    if (magnitude > 0x7C00) {
      ASSERT_EQ(bits_of(value), (half >> 15) << 31 | 0x7FC00000 | (half & 1023) << 13) << half;
    } else if (magnitude == 0x7C00) {
      ASSERT_EQ(bits_of(value), (half >> 15) << 31 | 0x7F800000) << half;
    } else {
      ASSERT_EQ(double{value}, half_value(half)) << half;
      ASSERT_EQ(std::signbit(value), (half >> 15) != 0) << half;
    }
  }
}

TEST(Half, EveryHalfComesBack) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const uint16_t back = float_to_half(half_to_float(static_cast<uint16_t>(half)));
    const bool is_nan = (half & 0x7FFF) > 0x7C00;
    ASSERT_EQ(back, is_nan ? (half & 0x8000) | 0x7E00 : half);
  }
}

TEST(Half, RoundsToTheNearestAroundEveryHalfAndEveryMidpoint) {
  for (uint32_t half = 0; half < 0x7C00; ++half) {
    const uint32_t here = bits_of(half_to_float(static_cast<uint16_t>(half)));
    const uint32_t midpoint =
        bits_of(static_cast<float>((half_value(half) + (half + 1 == 0x7C00 ? 65536.0 : half_value(half + 1))) / 2));
    for (const uint32_t center : {here, midpoint}) {
      for (const int32_t step : {-2, -1, 0, 1, 2}) {
        const uint32_t bits = center + static_cast<uint32_t>(step);
        if (bits > 0x7F800000) continue;
        ASSERT_EQ(float_to_half(from_bits(bits)), nearest_half(from_bits(bits))) << std::hex << bits;
        ASSERT_EQ(float_to_half(from_bits(bits | 0x80000000)), nearest_half(from_bits(bits | 0x80000000)));
      }
    }
  }
}

TEST(Half, RoundsToTheNearestOverAllMagnitudes) {
  for (uint64_t bits = 0; bits < 0x7F800000; bits += 9973) {
    const float value = from_bits(static_cast<uint32_t>(bits));
    ASSERT_EQ(float_to_half(value), nearest_half(value)) << std::hex << bits;
  }
}

TEST(Half, OverflowBecomesInfinity) {
  EXPECT_EQ(float_to_half(65519.996F), 0x7BFF);
  EXPECT_EQ(float_to_half(65520.0F), 0x7C00);
  EXPECT_EQ(float_to_half(-1e30F), 0xFC00);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::infinity()), 0x7C00);
}

TEST(Half, UnderflowIsRoundedToo) {
  EXPECT_EQ(float_to_half(0x1p-25F), 0x0000);
  EXPECT_EQ(float_to_half(from_bits(bits_of(0x1p-25F) + 1)), 0x0001);
  EXPECT_EQ(float_to_half(-std::numeric_limits<float>::denorm_min()), 0x8000);
}

TEST(Half, NanKeepsOnlyItsSign) {
  for (const uint32_t nan : {0x7F800001U, 0x7FC00000U, 0x7FFFFFFFU}) {
    EXPECT_EQ(float_to_half(from_bits(nan)), 0x7E00);
    EXPECT_EQ(float_to_half(from_bits(nan | 0x80000000)), 0xFE00);
  }
}

TEST(BFloat16, EveryOneIsTheUpperHalfOfItsFloat) {
  for (uint32_t value = 0; value < 0x10000; ++value) {
    ASSERT_EQ(bits_of(bfloat16_to_float(static_cast<uint16_t>(value))), value << 16);
    const uint16_t back = float_to_bfloat16(from_bits(value << 16));
    const bool is_nan = (value & 0x7FFF) > 0x7F80;
    ASSERT_EQ(back, is_nan ? value | 0x40 : value);
  }
}

TEST(BFloat16, RoundsHalfToEvenBetweenEveryPair) {
  for (uint32_t low = 0; low < 0x7F80; ++low) {
    const uint32_t even = low + (low & 1);
    for (const uint32_t sign : {0U, 0x8000U}) {
      const uint32_t bits = (sign | low) << 16;
      ASSERT_EQ(float_to_bfloat16(from_bits(bits | 1)), sign | low);
      ASSERT_EQ(float_to_bfloat16(from_bits(bits | 0x7FFF)), sign | low);
      ASSERT_EQ(float_to_bfloat16(from_bits(bits | 0x8000)), sign | even);
      ASSERT_EQ(float_to_bfloat16(from_bits(bits | 0x8001)), sign | (low + 1));
    }
  }
}

TEST(BFloat16, NanStaysNan) {
  EXPECT_EQ(float_to_bfloat16(from_bits(0x7F800001)), 0x7FC0);
  EXPECT_EQ(float_to_bfloat16(from_bits(0xFFFFFFFF)), 0xFFFF);
  EXPECT_EQ(float_to_bfloat16(std::numeric_limits<float>::infinity()), 0x7F80);
}

}  // namespace
}  // namespace arrowquant
