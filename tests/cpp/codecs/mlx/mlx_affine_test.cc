#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "codecs/foreign/foreign_plain.h"

namespace arrowquant::testing {
namespace {

constexpr std::array kBits = {2U, 3U, 4U, 5U, 6U, 8U};
constexpr std::array kGroupSizes = {32U, 64U, 128U};

Encoding encoding_in(const PlainType& type, uint32_t bits, uint32_t group_size) {
  return encoding_of("mlx_" + std::string(type.name), {bits, group_size, false});
}

struct PlainGroup {
  float scale;
  float bias;
};

/// The formula from its text, without regard to speed. Rounds with the C library.
PlainGroup group_of(std::span<const float> group, uint32_t bits) {
  const float lo = *std::min_element(group.begin(), group.end());
  const float hi = *std::max_element(group.begin(), group.end());
  const bool at_lo = std::fabs(lo) > std::fabs(hi);
  float step = (hi - lo) / static_cast<float>((1U << bits) - 1);
  if (step < 1e-7F) step = 1e-7F;
  if (!at_lo) step = -step;
  const float edge = at_lo ? lo : hi;
  const float steps = std::rint(edge / step);
  return steps == 0 ? PlainGroup{step, 0} : PlainGroup{edge / steps, edge};
}

int level_of(float weight, const PlainGroup& group, uint32_t bits) {
  const float steps = std::rint((weight - group.bias) / group.scale);
  if (std::isnan(steps)) return 0;
  return static_cast<int>(std::clamp(steps, 0.0F, static_cast<float>((1U << bits) - 1)));
}

/// The extent of a group that f32 cannot hold.
bool overflows(std::span<const float> weights, size_t group_size) {
  for (size_t at = 0; at < weights.size(); at += group_size) {
    const auto group = weights.subspan(at, std::min(group_size, weights.size() - at));
    const auto [lo, hi] = std::minmax_element(group.begin(), group.end());
    if (std::isinf(*hi - *lo)) return true;
  }
  return std::any_of(weights.begin(), weights.end(), [](float weight) { return std::isinf(weight); });
}

void expect_formula(const PlainType& type, const Encoding& encoding, std::span<const float> weights) {
  Tensor tensor = encode_both(encoding, weights);
  ASSERT_TRUE(tensor.status().ok());
  const auto [bits, group_size, symmetric] = encoding.parameters;
  std::vector<float> typed(weights.begin(), weights.end());
  for (float& weight : typed) weight = type.round(weight);
  const std::vector<float> restored = tensor.decoded();
  for (size_t at = 0, index = 0; at < typed.size(); at += group_size, ++index) {
    const auto group = std::span(typed).subspan(at, std::min<size_t>(group_size, typed.size() - at));
    const PlainGroup expected = group_of(group, bits);
    ASSERT_EQ(type.at(tensor.plane(1), index), type.round(expected.scale)) << index;
    ASSERT_EQ(type.at(tensor.plane(2), index), type.round(expected.bias)) << index;
    for (size_t i = 0; i < group.size(); ++i) {
      const int level = level_at(tensor.plane(0), bits, at + i);
      ASSERT_EQ(level, level_of(group[i], expected, bits)) << at + i << ' ' << group[i];
      const float product = type.round(static_cast<float>(level) * type.round(expected.scale));
      ASSERT_EQ(restored[at + i], type.round(product + type.round(expected.bias))) << at + i;
    }
  }
}

TEST(MlxAffine, FollowsTheFormula) {
  for (const PlainType& type : kPlainTypes) {
    for (const uint32_t bits : kBits) {
      for (const uint32_t group_size : kGroupSizes) {
        const auto fits = [&](std::span<const float> weights) { return !overflows(weights, group_size); };
        for (const auto& [name, weights] : sets_that_fit(type, 653, bits, fits)) {
          SCOPED_TRACE(std::string(type.name) + ' ' + std::to_string(bits) + ' ' + std::to_string(group_size) + ' ' +
                       name);
          expect_formula(type, encoding_in(type, bits, group_size), weights);
        }
      }
    }
  }
}

TEST(MlxAffine, TakesAnyNumberOfWeights) {
  Random random(4);
  for (const uint32_t bits : {3U, 4U, 8U}) {
    for (const size_t count : {0U, 1U, 7U, 31U, 33U, 128U, 1023U, 1024U, 1025U, 4097U}) {
      std::vector<float> weights(count);
      for (float& weight : weights) weight = random.normal();
      expect_formula(kPlainF32, encoding_in(kPlainF32, bits, 64), weights);
      expect_formula(kPlainBf16, encoding_in(kPlainBf16, bits, 64), weights);
    }
  }
}

TEST(MlxAffine, TiesGoToEven) {
  // The edge 15 is 15 steps of −1 away from zero; all others lie halfway between two levels.
  std::vector<float> weights(64, 0.5F);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i % 15) + 0.5F;
  weights[0] = weights[32] = 0;
  weights[1] = weights[33] = 15;
  expect_formula(kPlainF32, encoding_in(kPlainF32, 4, 32), weights);
}

TEST(MlxAffine, NearTiesAreAsMlxDividesThem) {
  // Weights that are some last places away from halfway between two levels, for edges and steps of all sizes.
  Random random(9);
  for (const uint32_t bits : kBits) {
    const uint32_t last = (1U << bits) - 1;
    std::vector<float> weights(64 * 128);
    for (size_t at = 0; at < weights.size(); at += 128) {
      const auto group = std::span(weights).subspan(at, 128);
      group[0] = std::ldexp(1.0F + std::fabs(random.uniform()), static_cast<int>(random.below(30)) - 20);
      group[1] = group[0] * (random.uniform() - 0.5F);
      std::fill(group.begin() + 2, group.end(), group[1]);
      if (random.below(2) == 0) {
        for (float& weight : group) weight = -weight;
      }
      const PlainGroup plain = group_of(group, bits);
      for (size_t i = 2; i < group.size(); ++i) {
        const float halfway = (static_cast<float>(random.below(last)) + 0.5F) * plain.scale + plain.bias;
        const int32_t places = static_cast<int32_t>(random.below(13)) - 6;
        const float near = std::bit_cast<float>(std::bit_cast<int32_t>(halfway) + places);
        group[i] = std::clamp(near, std::min(group[0], group[1]), std::max(group[0], group[1]));
      }
    }
    for (const PlainType& type : kPlainTypes) expect_formula(type, encoding_in(type, bits, 128), weights);
  }
}

TEST(MlxAffine, WeightsOfItsTypeNeedNoRounding) {
  Random random(10);
  for (const PlainType& type : {kPlainF16, kPlainBf16}) {
    std::vector<float> weights(3000);
    for (float& weight : weights) weight = type.round(random.normal());
    Tensor expected = Tensor::encoded(encoding_in(type, 4, 64), weights);
    EncodeContext context;
    context.weights_type = type.element;
    Tensor told = Tensor::encoded(encoding_in(type, 4, 64), weights, context);
    EXPECT_EQ(told.bytes(), expected.bytes());
    weights[1234] = std::numeric_limits<float>::infinity();
    weights[1235] = std::numeric_limits<float>::quiet_NaN();
    const Status status = Tensor::encoded(encoding_in(type, 4, 64), weights, context).status();
    EXPECT_EQ(status.code, StatusCode::kNotFinite);
    EXPECT_EQ(status.position, 1234U);
  }
}

TEST(MlxAffine, MoreStepsThanF32CountsGiveLevelsOfZero) {
  const std::vector<float> weights(64, 2e38F);
  Tensor tensor = Tensor::encoded(encoding_in(kPlainF32, 4, 32), weights);
  expect_formula(kPlainF32, encoding_in(kPlainF32, 4, 32), weights);
  EXPECT_EQ(kPlainF32.at(tensor.plane(1), 0), 0);
  EXPECT_EQ(tensor.decoded(), weights);
}

TEST(MlxAffine, RefusesWhatIsNotFinite) {
  for (const PlainType& type : kPlainTypes) expect_refusals(encoding_in(type, 4, 64), type);
}

TEST(MlxAffine, RefusesAnExtentThatF32CannotHold) {
  for (const PlainType& type : {kPlainF32, kPlainBf16}) {
    std::vector<float> weights(2048, 1.0F);
    weights[1100] = 3e38F;
    weights[1101] = -3e38F;
    const Status status = encode_both(encoding_in(type, 4, 64), weights).status();
    EXPECT_EQ(status.code, StatusCode::kScaleOverflow);
    EXPECT_EQ(status.position, 1088U);
  }
}

TEST(MlxAffine, ChecksScalesAndBiases) {
  for (const PlainType& type : kPlainTypes) {
    for (const size_t plane : {size_t{1}, size_t{2}}) {
      const Encoding encoding = encoding_in(type, 4, 32);
      Tensor tensor = Tensor::encoded(encoding, std::vector<float>(320, 0.25F));
      EXPECT_TRUE(check_planes(encoding, tensor).ok());
      const size_t bytes = tensor.plane(plane).size() / 10;
      std::fill_n(tensor.plane(plane).begin() + static_cast<ptrdiff_t>(7 * bytes), bytes, uint8_t{0xFF});
      EXPECT_EQ(check_planes(encoding, tensor).code, StatusCode::kInvalidPlanes);
      EXPECT_EQ(check_planes(encoding, tensor).position, 7U * 32);
    }
  }
}

}  // namespace
}  // namespace arrowquant::testing
