#include "simd/half_arrays.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "base/half.h"

namespace arrowquant {
namespace {

using Widen = void (*)(const uint8_t*, std::span<float>) noexcept;
using Narrow = void (*)(std::span<const float>, uint8_t*) noexcept;

/// fp8 by its definition: sign, exponent and fraction as numbers.
struct Fp8 {
  int exponent_bits;
  int bias;

  [[nodiscard]] bool is_negative(uint32_t code) const { return (code & 0x80) != 0; }
  [[nodiscard]] int fraction_bits() const { return 7 - exponent_bits; }
  [[nodiscard]] int exponent(uint32_t code) const { return static_cast<int>((code & 0x7F) >> fraction_bits()); }
  [[nodiscard]] int fraction(uint32_t code) const { return static_cast<int>(code & ((1U << fraction_bits()) - 1)); }
  [[nodiscard]] double number(uint32_t code) const {
    const int one = exponent(code) == 0 ? 0 : 1;
    const double significand = fraction(code) + std::ldexp(one, fraction_bits());
    const double magnitude = std::ldexp(significand, std::max(exponent(code), 1) - bias - fraction_bits());
    return is_negative(code) ? -magnitude : magnitude;
  }
};

constexpr Fp8 kE4M3 = {4, 7};
constexpr Fp8 kE5M2 = {5, 15};

void expect_value(float value, const Fp8& format, uint32_t code) {
  EXPECT_EQ(double{value}, format.number(code)) << code;
  EXPECT_EQ(std::signbit(value), format.is_negative(code)) << code;
}

std::vector<float> widen_every_byte(Widen widen) {
  std::vector<uint8_t> codes(256);
  for (uint32_t code = 0; code < 256; ++code) codes[code] = static_cast<uint8_t>(code);
  std::vector<float> floats(256);
  widen(codes.data(), floats);
  return floats;
}

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
}

std::vector<uint8_t> all_sixteen_bits() {
  std::vector<uint8_t> bytes;
  for (uint32_t value = 0; value < 0x10000; ++value) {
    bytes.push_back(static_cast<uint8_t>(value));
    bytes.push_back(static_cast<uint8_t>(value >> 8));
  }
  return bytes;
}

void expect_widens_every_value(Widen widen, float (*one)(uint16_t) noexcept) {
  const std::vector<uint8_t> bytes = all_sixteen_bits();
  std::vector<float> floats(0x10000);
  widen(bytes.data(), floats);
  for (uint32_t value = 0; value < 0x10000; ++value) {
    ASSERT_EQ(std::bit_cast<uint32_t>(floats[value]), std::bit_cast<uint32_t>(one(static_cast<uint16_t>(value))))
        << value;
  }
}

/// Floats over all exponents, signs and NaN, thick around the roundings of both formats.
std::vector<float> many_floats() {
  std::vector<float> floats;
  for (uint64_t bits = 0; bits < 0x100000000; bits += 30011)
    floats.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  for (uint32_t high = 0; high < 0x10000; high += 3) {
    for (const uint32_t low :
         {0U, 1U, 0xFFFU, 0x1000U, 0x1001U, 0x2FFFU, 0x3000U, 0x7FFFU, 0x8000U, 0x8001U, 0xFFFFU}) {
      floats.push_back(std::bit_cast<float>(high << 16 | low));
    }
  }
  return floats;
}

void expect_narrows_like(Narrow narrow, uint16_t (*one)(float) noexcept) {
  const std::vector<float> floats = many_floats();
  std::vector<uint8_t> bytes(2 * floats.size());
  narrow(floats, bytes.data());
  for (size_t i = 0; i < floats.size(); ++i) {
    ASSERT_EQ(bytes[2 * i] | bytes[2 * i + 1] << 8, one(floats[i])) << std::bit_cast<uint32_t>(floats[i]);
  }
}

TEST(HalfArrays, HalfToFloat) {
  expect_widens_every_value(half_to_float, half_to_float);
  expect_widens_every_value(half_to_float_reference, half_to_float);
}

TEST(HalfArrays, BFloat16ToFloat) {
  expect_widens_every_value(bfloat16_to_float, bfloat16_to_float);
  expect_widens_every_value(bfloat16_to_float_reference, bfloat16_to_float);
}

TEST(HalfArrays, FloatToHalf) {
  expect_narrows_like(float_to_half, float_to_half);
  expect_narrows_like(float_to_half_reference, float_to_half);
}

TEST(HalfArrays, FloatToBFloat16) {
  expect_narrows_like(float_to_bfloat16, float_to_bfloat16);
  expect_narrows_like(float_to_bfloat16_reference, float_to_bfloat16);
}

TEST(HalfArrays, E4M3ToFloat) {
  const std::vector<float> floats = widen_every_byte(e4m3_to_float);
  for (uint32_t code = 0; code < 256; ++code) {
    if ((code & 0x7F) == 0x7F) {
      EXPECT_EQ(std::bit_cast<uint32_t>(floats[code]), (code & 0x80) << 24 | 0x7FC00000);
    } else {
      expect_value(floats[code], kE4M3, code);
    }
  }
  EXPECT_EQ(floats[0x7E], 448.0F);
  EXPECT_EQ(floats[0x01], 0x1p-9F);
  expect_same_bits(floats, widen_every_byte(e4m3_to_float_reference));
}

TEST(HalfArrays, E5M2ToFloat) {
  const std::vector<float> floats = widen_every_byte(e5m2_to_float);
  for (uint32_t code = 0; code < 256; ++code) {
    if (kE5M2.exponent(code) < 31) {
      expect_value(floats[code], kE5M2, code);
    } else if (kE5M2.fraction(code) != 0) {
      EXPECT_TRUE(std::isnan(floats[code])) << code;
    } else {
      EXPECT_TRUE(std::isinf(floats[code])) << code;
      EXPECT_EQ(std::signbit(floats[code]), kE5M2.is_negative(code));
    }
  }
  EXPECT_EQ(floats[0x7B], 57344.0F);
  EXPECT_EQ(floats[0x01], 0x1p-16F);
  expect_same_bits(floats, widen_every_byte(e5m2_to_float_reference));
}

TEST(HalfArrays, Fp8OfAnyLengthWithinItsBounds) {
  for (const Widen widen : {e4m3_to_float, e5m2_to_float}) {
    const std::vector<float> expected = widen_every_byte(widen);
    for (size_t size = 0; size < 20; ++size) {
      const std::unique_ptr<uint8_t[]> codes(new uint8_t[size]);
      for (size_t i = 0; i < size; ++i) codes[i] = static_cast<uint8_t>(i * 37);
      std::vector<float> floats(size);
      widen(codes.get(), floats);
      for (size_t i = 0; i < size; ++i) {
        EXPECT_EQ(std::bit_cast<uint32_t>(floats[i]), std::bit_cast<uint32_t>(expected[codes[i]]));
      }
    }
  }
}

TEST(HalfArrays, AnyLengthAtAnyAlignmentWithinItsBounds) {
  for (size_t size = 0; size < 70; ++size) {
    // Odd addresses, and allocations that end where the numbers end.
    const std::unique_ptr<uint8_t[]> halves(new uint8_t[2 * size + 1]);
    for (size_t i = 0; i < size; ++i) {
      const uint16_t value = static_cast<uint16_t>(i % 5 == 0 ? 0x7C00 : i * 911 % 0x7C00);
      std::memcpy(halves.get() + 1 + 2 * i, &value, 2);
    }
    const std::unique_ptr<float[]> floats(new float[size]);
    const std::unique_ptr<uint8_t[]> back(new uint8_t[2 * size + 1]);
    half_to_float(halves.get() + 1, {floats.get(), size});
    float_to_half({floats.get(), size}, back.get() + 1);
    ASSERT_EQ(std::memcmp(back.get() + 1, halves.get() + 1, 2 * size), 0) << size;
    bfloat16_to_float(halves.get() + 1, {floats.get(), size});
    float_to_bfloat16({floats.get(), size}, back.get() + 1);
    ASSERT_EQ(std::memcmp(back.get() + 1, halves.get() + 1, 2 * size), 0) << size;
  }
}

}  // namespace
}  // namespace arrowquant
