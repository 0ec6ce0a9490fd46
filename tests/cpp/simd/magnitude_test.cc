#include "simd/magnitude.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <vector>

namespace arrowquant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void expect_largest(std::span<const float> weights, float largest) {
  EXPECT_EQ(largest_magnitude(weights), std::bit_cast<uint32_t>(largest));
  EXPECT_EQ(largest_magnitude_reference(weights), std::bit_cast<uint32_t>(largest));
}

TEST(Magnitude, IsFoundWhereverItLies) {
  for (size_t size = 1; size < 40; ++size) {
    for (size_t at = 0; at < size; ++at) {
      const std::unique_ptr<float[]> weights(new float[size]);
      std::fill_n(weights.get(), size, at % 2 == 0 ? -0.5F : 0.25F);
      for (const float largest : {0.75F, -3.0F, kInfinity, -kInfinity}) {
        weights[at] = largest;
        expect_largest({weights.get(), size}, std::fabs(largest));
      }
    }
  }
}

TEST(Magnitude, NothingIsZero) { expect_largest({}, 0.0F); }

TEST(Magnitude, ZerosOfBothSigns) {
  const std::vector<float> zeros(21, -0.0F);
  expect_largest(zeros, 0.0F);
}

TEST(Magnitude, NanIsAboveInfinity) {
  std::vector<float> weights(21, -kInfinity);
  for (size_t at = 0; at < weights.size(); ++at) {
    for (const uint32_t bits : {0x7F800001U, 0xFF800001U, 0x7FC00000U, 0xFFFFFFFFU}) {
      weights[at] = std::bit_cast<float>(bits);
      EXPECT_EQ(largest_magnitude(weights), bits & 0x7FFFFFFF);
      EXPECT_EQ(largest_magnitude_reference(weights), bits & 0x7FFFFFFF);
    }
    weights[at] = 0;
  }
}

}  // namespace
}  // namespace arrowquant
