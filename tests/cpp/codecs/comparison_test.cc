#include "codecs/comparison.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <vector>

#include "codecs/weight_sets.h"

namespace arrowquant::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

void expect_comparison(const std::vector<float>& a, const std::vector<float>& b, bool equal, bool finite) {
  for (const auto compare : {compare_values, compare_values_reference}) {
    for (const auto& [left, right] : {std::pair(a, b), std::pair(b, a)}) {
      const Comparison comparison = compare(left, right);
      EXPECT_EQ(comparison.equal, equal);
      EXPECT_EQ(comparison.finite, finite);
    }
  }
}

TEST(Comparison, OneDifferenceIsSeenAtEveryPlaceOfEverySize) {
  for (size_t size = 0; size < 20; ++size) {
    const std::vector<float> weights(size, 0.5F);
    expect_comparison(weights, weights, true, true);
    for (size_t at = 0; at < size; ++at) {
      for (const float other : {std::nextafter(0.5F, 1.0F), -0.5F, kNan, kInfinity}) {
        std::vector<float> changed = weights;
        changed[at] = other;
        expect_comparison(weights, changed, false, std::isfinite(other));
        expect_comparison(changed, changed, true, std::isfinite(other));
      }
    }
  }
}

TEST(Comparison, ZerosOfBothSignsAreEqualAndSoIsEveryNan) {
  expect_comparison({0.0F, -0.0F, 1.0F}, {-0.0F, 0.0F, 1.0F}, true, true);
  expect_comparison({kNan, std::bit_cast<float>(0xFF800001U)}, {std::bit_cast<float>(0x7FC01234U), kNan}, true, false);
  expect_comparison({kInfinity}, {-kInfinity}, false, false);
}

TEST(Comparison, MergesInAnyOrder) {
  for (const bool equal : {false, true}) {
    for (const bool finite : {false, true}) {
      Comparison all;
      all.merge({equal, true});
      all.merge({true, finite});
      EXPECT_EQ(all.equal, equal);
      EXPECT_EQ(all.finite, finite);
    }
  }
}

}  // namespace
}  // namespace arrowquant::testing
