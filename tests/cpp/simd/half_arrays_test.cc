#include "simd/half_arrays.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "base/half.h"

namespace arrowquant {
namespace {

using Widen = void (*)(const uint8_t*, std::span<float>) noexcept;
using Narrow = void (*)(std::span<const float>, uint8_t*) noexcept;

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
