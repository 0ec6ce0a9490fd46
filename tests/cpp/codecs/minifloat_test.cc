#include "codecs/minifloat.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/half.h"
#include "codecs/weight_sets.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::minifloat {
namespace {

using testing::Random;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Floats of every exponent, next to all that a type of few bits can tell apart, of both signs.
std::vector<float> many_floats() {
  std::vector<float> all = {0.0F, kInfinity, 0x1p-149F, 65504.0F, 65519.99F, 65520.0F, 448.0F, 464.0F, 465.0F};
  for (uint32_t exponent = 0; exponent < 255; ++exponent) {
    for (uint32_t mantissa = 0; mantissa < 64; ++mantissa) {
      const uint32_t bits = exponent << 23 | mantissa << 17;
      for (const uint32_t near : {bits, bits + 1, bits - 1, bits + 0x1000, bits + 0x8000}) {
        if (near < 0x7F800000) all.push_back(std::bit_cast<float>(near));
      }
    }
  }
  Random random(3);
  for (int i = 0; i < 4000; ++i) all.push_back(random.any_finite());
  const size_t count = all.size();
  for (size_t i = 0; i < count; ++i) all.push_back(-all[i]);
  while (all.size() % WasmLanes::kWidth != 0) all.push_back(0);
  return all;
}

/// Applies an operation on lanes to numbers, four at a time and one at a time, and expects the same bits.
template <typename ToBits>
std::vector<int32_t> both(const std::vector<float>& values, ToBits to_bits) {
  std::vector<int32_t> wide(values.size());
  for (size_t i = 0; i < values.size(); i += WasmLanes::kWidth) {
    WasmLanes::store(&wide[i], to_bits.template operator()<WasmLanes>(WasmLanes::load(&values[i])));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(wide[i], to_bits.template operator()<ScalarLanes>(values[i])) << values[i];
  }
  return wide;
}

template <typename Type>
std::vector<int32_t> rounded(const std::vector<float>& values) {
  return both(values,
              []<typename L>(typename L::F32 value) noexcept { return L::bits(Type::template round<L>(value)); });
}

TEST(Minifloat, RoundsAsStoringAndLoadingDoes) {
  const std::vector<float> values = many_floats();
  const auto halves = rounded<InF16>(values);
  const auto brains = rounded<InBF16>(values);
  const auto same = rounded<InF32>(values);
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(halves[i], std::bit_cast<int32_t>(half_to_float(float_to_half(values[i])))) << values[i];
    ASSERT_EQ(brains[i], std::bit_cast<int32_t>(bfloat16_to_float(float_to_bfloat16(values[i])))) << values[i];
    ASSERT_EQ(same[i], std::bit_cast<int32_t>(values[i]));
  }
}

TEST(Minifloat, RoundingKeepsNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(InF16::round<ScalarLanes>(nan)));
  EXPECT_TRUE(std::isnan(InBF16::round<ScalarLanes>(nan)));
  EXPECT_TRUE(std::isnan(InBF16::round<ScalarLanes>(-nan)));
}

constexpr std::array kE2m1Values = {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0};

/// By trying all values; of two that are as near, the smaller or the even one.
int32_t nearest_e2m1(double magnitude, Ties ties) {
  int32_t best = 0;
  for (int32_t code = 1; code < 8; ++code) {
    const double gain = std::fabs(magnitude - kE2m1Values[static_cast<size_t>(best)]) -
                        std::fabs(magnitude - kE2m1Values[static_cast<size_t>(code)]);
    if (gain > 0 || (gain == 0 && ties == Ties::kToEven && code % 2 == 0)) best = code;
  }
  return best;
}

template <Ties kTies>
void expect_nearest_e2m1(const std::vector<float>& values) {
  const auto codes =
      both(values, []<typename L>(typename L::F32 value) noexcept { return float_to_e2m1<L, kTies>(value); });
  const auto unsigned_zeros = both(
      values, []<typename L>(typename L::F32 value) noexcept { return float_to_e2m1_unsigned_zero<L, kTies>(value); });
  for (size_t i = 0; i < values.size(); ++i) {
    const int32_t magnitude = nearest_e2m1(std::min(std::fabs(double{values[i]}), 7.0), kTies);
    const int32_t sign = std::signbit(values[i]) ? 8 : 0;
    ASSERT_EQ(codes[i], magnitude | sign) << values[i];
    ASSERT_EQ(unsigned_zeros[i], magnitude == 0 ? 0 : magnitude | sign) << values[i];
  }
}

TEST(Minifloat, E2m1IsTheNearest) {
  std::vector<float> values = many_floats();
  for (const float halfway : kE2m1Halfways) {
    for (const float sign : {1.0F, -1.0F}) {
      values.insert(values.end(), {sign * halfway, sign * std::nextafter(halfway, 9.0F),
                                   sign * std::nextafter(halfway, 0.0F), sign * (halfway + 0.1F)});
    }
  }
  expect_nearest_e2m1<Ties::kToSmaller>(values);
  expect_nearest_e2m1<Ties::kToEven>(values);
}

TEST(Minifloat, E2m1OfNanIsAZeroOrSaturates) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ((float_to_e2m1<ScalarLanes, Ties::kToSmaller>(nan)) & 7, 0);
  EXPECT_EQ((float_to_e2m1<ScalarLanes, Ties::kToEven>(nan)) & 7, 7);
  EXPECT_EQ((float_to_e2m1_unsigned_zero<ScalarLanes, Ties::kToSmaller>(nan)), 0);
}

TEST(Minifloat, E2m1ComesBack) {
  for (int32_t code = 0; code < 16; ++code) {
    const float value = e2m1_to_float<ScalarLanes>(code);
    EXPECT_EQ(std::fabs(value), kE2m1Values[static_cast<size_t>(code & 7)]);
    EXPECT_EQ(std::signbit(value), code >= 8);
    std::array<float, WasmLanes::kWidth> wide;
    WasmLanes::store(wide.data(), e2m1_to_float<WasmLanes>(WasmLanes::splat(code)));
    for (const float lane : wide) EXPECT_EQ(std::bit_cast<uint32_t>(lane), std::bit_cast<uint32_t>(value));
  }
}

/// By trying all values; half to even.
int32_t nearest_e4m3(double magnitude) {
  int32_t best = 0;
  for (int32_t code = 1; code < 0x7F; ++code) {
    const double gain = std::fabs(magnitude - double{e4m3_to_float<ScalarLanes>(best)}) -
                        std::fabs(magnitude - double{e4m3_to_float<ScalarLanes>(code)});
    if (gain > 0 || (gain == 0 && code % 2 == 0)) best = code;
  }
  return best;
}

TEST(Minifloat, E4m3IsTheNearest) {
  std::vector<float> values = many_floats();
  for (int32_t code = 0; code < 0x7E; ++code) {
    const float halfway = (e4m3_to_float<ScalarLanes>(code) + e4m3_to_float<ScalarLanes>(code + 1)) / 2;
    values.insert(values.end(), {halfway, -halfway, std::nextafter(halfway, 0.0F), std::nextafter(halfway, 500.0F)});
  }
  const auto codes = both(values, []<typename L>(typename L::F32 value) noexcept { return float_to_e4m3<L>(value); });
  for (size_t i = 0; i < values.size(); ++i) {
    // What is far outside is as good as at the ends, and trying all values is slow.
    const double magnitude = std::fabs(double{values[i]});
    const int32_t expected = magnitude < 0x1p-12 ? 0 : magnitude > 448 ? 0x7E : nearest_e4m3(magnitude);
    ASSERT_EQ(codes[i], expected | (std::signbit(values[i]) ? 0x80 : 0)) << values[i];
  }
  EXPECT_EQ(float_to_e4m3<ScalarLanes>(std::numeric_limits<float>::quiet_NaN()) & 0x7F, 0x7E);
}

TEST(Minifloat, E8m0IsTheLeastPowerThatIsNotBelow) {
  std::vector<float> values;
  for (const float value : many_floats()) {
    if (value >= 0 && value <= 0x1p127F) values.push_back(value);
  }
  while (values.size() % WasmLanes::kWidth != 0) values.push_back(1);
  const auto codes = both(values, []<typename L>(typename L::F32 value) noexcept { return e8m0_not_below<L>(value); });
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_GE(std::ldexp(1.0, codes[i] - 127), double{values[i]});
    EXPECT_TRUE(codes[i] == 0 || std::ldexp(1.0, codes[i] - 128) < double{values[i]}) << values[i];
  }
}

TEST(Minifloat, E8m0ComesBack) {
  for (int32_t code = 0; code < 255; ++code) {
    EXPECT_EQ(e8m0_to_float<ScalarLanes>(code), std::ldexp(1.0F, code - 127));
    EXPECT_EQ(e8m0_inverse<ScalarLanes>(code), std::ldexp(1.0F, 127 - code));
    std::array<float, WasmLanes::kWidth> wide;
    WasmLanes::store(wide.data(), e8m0_to_float<WasmLanes>(WasmLanes::splat(code)));
    for (const float lane : wide) EXPECT_EQ(lane, std::ldexp(1.0F, code - 127));
  }
}

}  // namespace
}  // namespace arrowquant::minifloat
