#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "codecs/foreign/foreign_plain.h"

namespace arrowquant::testing {
namespace {

constexpr size_t kGroupSize = 32;

Encoding encoding_in(const PlainType& type) {
  return encoding_of(type.element == ElementType::kF16 ? "mlc_q4f16" : "mlc_q4f32", {0, kGroupSize, false});
}

/// The formula from its text. Rounds with the C library.
int level_of(const PlainType& type, float weight, float scale) {
  const float steps = type.round(weight / scale);
  const float shifted = std::rint(type.round(steps + 7));
  return std::isnan(shifted) ? 0 : static_cast<int>(std::clamp(shifted, 0.0F, 14.0F));
}

void expect_formula(const PlainType& type, std::span<const float> weights) {
  Tensor tensor = encode_both(encoding_in(type), weights);
  ASSERT_TRUE(tensor.status().ok());
  const std::vector<float> restored = tensor.decoded();
  std::vector<float> typed(weights.begin(), weights.end());
  for (float& weight : typed) weight = type.round(weight);
  for (size_t at = 0, index = 0; at < typed.size(); at += kGroupSize, ++index) {
    const auto group = std::span(typed).subspan(at, std::min(kGroupSize, typed.size() - at));
    float largest = 0;
    for (const float weight : group) largest = std::max(largest, std::fabs(weight));
    const float scale = type.round(largest / 7);
    ASSERT_EQ(type.at(tensor.plane(1), index), scale) << at;
    for (size_t i = 0; i < group.size(); ++i) {
      const int level = level_at(tensor.plane(0), 4, at + i);
      ASSERT_EQ(level, level_of(type, group[i], scale)) << at + i << ' ' << group[i];
      ASSERT_EQ(restored[at + i], type.round(static_cast<float>(level - 7) * scale)) << at + i;
    }
  }
}

TEST(Mlc, FollowsTheFormula) {
  const auto is_finite = [](std::span<const float> weights) {
    return std::all_of(weights.begin(), weights.end(), [](float weight) { return std::isfinite(weight); });
  };
  for (const PlainType& type : {kPlainF16, kPlainF32}) {
    for (const auto& [name, weights] : sets_that_fit(type, 653, 5, is_finite)) {
      SCOPED_TRACE(std::string(type.name) + ' ' + name);
      expect_formula(type, weights);
    }
  }
}

TEST(Mlc, TakesAnyNumberOfWeights) {
  Random random(4);
  for (const size_t count : {0U, 1U, 31U, 33U, 128U, 1023U, 1025U, 4097U}) {
    std::vector<float> weights(count);
    for (float& weight : weights) weight = random.normal();
    expect_formula(kPlainF16, weights);
    expect_formula(kPlainF32, weights);
  }
}

TEST(Mlc, AScaleThatF16LosesMakesTheLevelsExtreme) {
  std::vector<float> weights(32, 0.0F);
  weights[1] = 0x1p-24F;
  weights[2] = -0x1p-24F;
  expect_formula(kPlainF16, weights);
  Tensor tensor = Tensor::encoded(encoding_in(kPlainF16), weights);
  EXPECT_EQ(level_at(tensor.plane(0), 4, 1), 14);
  EXPECT_EQ(tensor.decoded(), std::vector<float>(32, 0.0F));
}

TEST(Mlc, RefusesWhatIsNotFinite) {
  for (const PlainType& type : {kPlainF16, kPlainF32}) expect_refusals(encoding_in(type), type);
}

TEST(Mlc, ChecksScales) {
  for (const PlainType& type : {kPlainF16, kPlainF32}) {
    const Encoding encoding = encoding_in(type);
    Tensor tensor = Tensor::encoded(encoding, std::vector<float>(320, 0.25F));
    EXPECT_TRUE(check_planes(encoding, tensor).ok());
    const size_t bytes = tensor.plane(1).size() / 10;
    std::fill_n(tensor.plane(1).begin() + static_cast<ptrdiff_t>(4 * bytes), bytes, uint8_t{0xFF});
    EXPECT_EQ(check_planes(encoding, tensor).code, StatusCode::kInvalidPlanes);
    EXPECT_EQ(check_planes(encoding, tensor).position, 4U * 32);
  }
}

}  // namespace
}  // namespace arrowquant::testing
