#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "codecs/compressed_tensors/plain.h"
#include "engine/tensor.h"

namespace arrowquant::testing {
namespace {

struct PlainGroup {
  float scale;
  int zero_point;
  std::vector<int> levels;
};

/// `weights` are of the type.
PlainGroup plain_group(const NamedType& named, std::span<const float> weights, const CodecParameters& parameters) {
  const auto round = [&](float value) { return rounded(named.type, value); };
  const int half = 1 << (parameters.bits - 1);
  const auto last = static_cast<float>(2 * half - 1);
  const float lo = std::min(0.0F, *std::ranges::min_element(weights));
  const float hi = std::max(0.0F, *std::ranges::max_element(weights));
  PlainGroup group{0, 0, {}};
  if (parameters.symmetric) {
    group.scale = round(std::max(hi, -lo) / (last / 2));
  } else {
    group.scale = round(round(hi - lo) / last);
    const float zero = round(static_cast<float>(-half) - round(lo / group.scale));
    if (!std::isnan(zero)) {
      group.zero_point =
          static_cast<int>(std::nearbyint(std::clamp(zero, static_cast<float>(-half), static_cast<float>(half - 1))));
    }
  }
  if (group.scale == 0) group.scale = named.epsilon;
  for (const float weight : weights) {
    const float steps = round(round(weight / group.scale) + static_cast<float>(group.zero_point));
    const float level = std::clamp(steps, static_cast<float>(-half), static_cast<float>(half - 1));
    group.levels.push_back(static_cast<int>(std::nearbyint(level)) + half);
  }
  group.zero_point += half;
  return group;
}

unsigned level_at(std::span<const uint8_t> plane, uint32_t bits, size_t index) {
  unsigned level = 0;
  for (uint32_t i = 0; i < bits; ++i) {
    const size_t bit = index * bits + i;
    level |= static_cast<unsigned>(plane[bit / 8] >> bit % 8 & 1) << i;
  }
  return level;
}

float scale_at(const NamedType& named, std::span<const uint8_t> plane, size_t group) {
  if (named.type == FloatType::kF32) {
    float scale;
    std::memcpy(&scale, &plane[4 * group], sizeof scale);
    return scale;
  }
  const auto bits = static_cast<uint16_t>(plane[2 * group] | plane[2 * group + 1] << 8);
  return named.type == FloatType::kF16 ? half_to_float(bits) : bfloat16_to_float(bits);
}

void expect_plain(const NamedType& named, std::span<const float> weights, const CodecParameters& parameters) {
  const std::vector<float> typed = rounded(named.type, weights);
  Tensor tensor = Tensor::encoded(encoding_of("ct_int_" + named.suffix, parameters), weights);
  ASSERT_TRUE(tensor.status().ok());
  const std::vector<float> restored = tensor.decoded();
  for (size_t begin = 0; begin < typed.size(); begin += parameters.group_size) {
    const size_t count = std::min<size_t>(parameters.group_size, typed.size() - begin);
    const size_t index = begin / parameters.group_size;
    const PlainGroup group = plain_group(named, std::span(typed).subspan(begin, count), parameters);
    ASSERT_EQ(scale_at(named, tensor.plane(1), index), group.scale) << index;
    ASSERT_EQ(tensor.plane(2)[index], group.zero_point) << index;
    for (size_t i = 0; i < count; ++i) {
      ASSERT_EQ(level_at(tensor.plane(0), parameters.bits, begin + i), static_cast<unsigned>(group.levels[i]))
          << begin + i << ' ' << typed[begin + i] << ' ' << group.scale << ' ' << group.zero_point;
      const float value = static_cast<float>(group.levels[i] - group.zero_point) * group.scale;
      ASSERT_EQ(restored[begin + i], rounded(named.type, value));
    }
  }
}

TEST(CompressedTensorsIntegers, AreThoseOfPlainLoops) {
  for (const NamedType& named : named_types()) {
    for (const auto& [kind, weights] : typed_sets(named.type, 800, 51)) {
      for (const uint32_t bits : {2U, 3U, 4U, 7U, 8U}) {
        for (const uint32_t size : {32U, 128U}) {
          for (const bool symmetric : {true, false}) {
            SCOPED_TRACE(named.suffix + ' ' + kind + ' ' + std::to_string(bits) + ' ' + std::to_string(size));
            expect_plain(named, weights, {bits, size, symmetric});
          }
        }
      }
    }
  }
}

/// Many groups of numbers with few bits: their quotients lie at all distances from where levels change.
TEST(CompressedTensorsIntegers, AreThoseOfPlainLoopsForNumbersOfTheType) {
  Random random(99);
  for (const NamedType& named : named_types()) {
    for (int round = 0; round < 40; ++round) {
      std::vector<float> weights(2048);
      for (float& weight : weights) weight = rounded(named.type, random.normal() * 0.1F);
      expect_plain(named, weights, {round % 2 == 0 ? 4U : 8U, 32, round % 4 < 2});
    }
  }
}

TEST(CompressedTensorsIntegers, AreTheSameWhereWeightsAreKnownToBeOfTheType) {
  constexpr std::array kElements = {ElementType::kF32, ElementType::kF16, ElementType::kBF16};
  for (const NamedType& named : named_types()) {
    for (const auto& [kind, weights] : typed_sets(named.type, 1300, 53)) {
      SCOPED_TRACE(named.suffix + ' ' + kind);
      const std::vector<float> typed = rounded(named.type, weights);
      for (const CodecParameters parameters : {CodecParameters{4, 64, true}, CodecParameters{8, 32, false}}) {
        const Encoding encoding = encoding_of("ct_int_" + named.suffix, parameters);
        Tensor expected = Tensor::encoded(encoding, weights);
        EncodeContext context;
        context.parameters = parameters;
        context.weights_type = kElements.at(static_cast<size_t>(named.type));
        for (const auto encode : {encoding.codec->encode, reference_of(*encoding.codec).encode}) {
          Tensor actual(encoding, typed.size());
          ASSERT_TRUE(encode(typed, actual.spans(), context).ok());
          ASSERT_EQ(actual.bytes(), expected.bytes());
        }
      }
    }
  }
}

TEST(CompressedTensorsIntegers, HaveTheEpsilonOfTheTypeForZeros) {
  const std::vector<float> zeros(64, 0.0F);
  for (const NamedType& named : named_types()) {
    for (const bool symmetric : {true, false}) {
      Tensor tensor = Tensor::encoded(encoding_of("ct_int_" + named.suffix, {4, 32, symmetric}), zeros);
      EXPECT_EQ(scale_at(named, tensor.plane(1), 1), named.epsilon);
      EXPECT_EQ(tensor.plane(2)[1], 8);
      EXPECT_EQ(tensor.plane(0)[31], 0x88);
    }
  }
}

TEST(CompressedTensorsIntegers, RefuseWhatTheTypeCannotHold) {
  const auto status_of = [](std::string_view name, bool symmetric, std::vector<float> weights) {
    weights.resize(130, 1.0F);
    return Tensor::encoded(encoding_of(name, {4, 64, symmetric}), weights).status();
  };
  std::vector<float> weights(70, 1.0F);
  weights[65] = 65519.0F;
  weights[66] = -65519.0F;
  EXPECT_TRUE(status_of("ct_int_f16", true, weights).ok());
  const Status wide = status_of("ct_int_f16", false, weights);
  EXPECT_EQ(wide.code, StatusCode::kScaleOverflow);
  EXPECT_EQ(wide.position, 64U);
  weights[66] = 65520.0F;
  EXPECT_EQ(status_of("ct_int_f16", true, weights).code, StatusCode::kFloatOverflow);
  EXPECT_EQ(status_of("ct_int_f16", true, weights).position, 66U);
  EXPECT_TRUE(status_of("ct_int_bf16", true, weights).ok());
  weights[3] = std::numeric_limits<float>::quiet_NaN();
  for (const NamedType& named : named_types()) {
    const Status status = status_of("ct_int_" + named.suffix, false, weights);
    EXPECT_EQ(status.code, StatusCode::kNotFinite);
    EXPECT_EQ(status.position, 3U);
  }
}

TEST(CompressedTensorsIntegers, RefuseScalesAndZeroPointsThatCannotBe) {
  const std::vector<float> weights(320, 0.25F);
  for (const NamedType& named : named_types()) {
    const Encoding encoding = encoding_of("ct_int_" + named.suffix, {4, 32, false});
    Tensor tensor = Tensor::encoded(encoding, weights);
    const auto check = [&] {
      const Planes planes = tensor.spans();
      return encoding.codec->check({planes[0], planes[1], planes[2]}, encoding.parameters, weights.size());
    };
    EXPECT_TRUE(check().ok());
    tensor.plane(2)[9] = 16;
    EXPECT_EQ(check().position, 9U * 32);
    const size_t bytes = tensor.plane(1).size() / 10;
    std::ranges::fill(tensor.plane(1).subspan(4 * bytes, bytes), uint8_t{0xFF});
    EXPECT_EQ(check().code, StatusCode::kInvalidPlanes);
    EXPECT_EQ(check().position, 4U * 32);
  }
}

}  // namespace
}  // namespace arrowquant::testing
