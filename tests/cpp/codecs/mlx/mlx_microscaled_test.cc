#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "codecs/foreign/foreign_plain.h"

namespace arrowquant::testing {
namespace {

constexpr std::array kE2m1 = {0.0F, 0.5F, 1.0F, 1.5F, 2.0F, 3.0F, 4.0F, 6.0F};

/// The value of a code of float8_e4m3fn, by its definition.
float e4m3(int code) {
  const int exponent = code >> 3 & 15;
  const auto fraction = static_cast<float>(code & 7) / 8;
  const float magnitude = exponent == 0 ? std::ldexp(fraction, -6) : std::ldexp(1 + fraction, exponent - 7);
  return (code & 0x80) != 0 ? -magnitude : magnitude;
}

/// The nearest, half to even, of what is not negative; at most 448.
int to_e4m3(float value) {
  int code = 0;
  while (code < 0x7E) {
    const double halfway = (double{e4m3(code)} + double{e4m3(code + 1)}) / 2;
    if (value < halfway || (value == halfway && code % 2 == 0)) break;
    ++code;
  }
  return code;
}

/// The nearest, of two the smaller, without −0.
int to_e2m1(float value) {
  int code = 0;
  while (code < 7 && std::fabs(value) > (kE2m1[static_cast<size_t>(code)] + kE2m1[static_cast<size_t>(code) + 1]) / 2) {
    ++code;
  }
  return code != 0 && value < 0 ? code | 8 : code;
}

/// One of MLX's modes, by its definition.
struct Mode {
  std::string_view name;
  uint32_t bits;
  uint32_t group_size;

  [[nodiscard]] Encoding encoding(const PlainType& type) const {
    return encoding_of("mlx_" + std::string(name) + '_' + std::string(type.name), {0, group_size, false});
  }

  [[nodiscard]] bool has_e4m3_scales() const { return group_size == 16; }

  [[nodiscard]] int scale_code(const PlainType& type, std::span<const float> group) const {
    float largest = 0;
    for (const float weight : group) largest = std::max(largest, std::fabs(weight));
    const float least = type.round(largest / (bits == 8 ? 448.0F : 6.0F));
    if (has_e4m3_scales()) return to_e4m3(least);
    if (least == 0) return 127;
    int code = 0;
    while (std::ldexp(1.0, code - 127) < double{least}) ++code;
    return code;
  }

  [[nodiscard]] float scale(const PlainType& type, int code) const {
    return has_e4m3_scales() ? e4m3(code) : type.round(std::ldexp(1.0F, code - 127));
  }

  [[nodiscard]] int element(const PlainType& type, float weight, int scale_code) const {
    const float scale = has_e4m3_scales() ? e4m3(scale_code) : std::ldexp(1.0F, scale_code - 127);
    if (scale == 0) return 0;
    const float scaled = type.round(weight / scale);
    if (bits == 4) return to_e2m1(scaled);
    return to_e4m3(std::fabs(scaled)) | (std::signbit(scaled) ? 0x80 : 0);
  }

  [[nodiscard]] float value(int code) const {
    if (bits == 8) return e4m3(code);
    const float magnitude = kE2m1[static_cast<size_t>(code & 7)];
    return code >= 8 ? -magnitude : magnitude;
  }
};

constexpr std::array kModes = {Mode{"mxfp4", 4, 32}, Mode{"mxfp8", 8, 32}, Mode{"nvfp4", 4, 16}};

void expect_formula(const Mode& mode, const PlainType& type, std::span<const float> weights) {
  Tensor tensor = encode_both(mode.encoding(type), weights);
  ASSERT_TRUE(tensor.status().ok());
  const std::vector<float> restored = tensor.decoded();
  std::vector<float> typed(weights.begin(), weights.end());
  for (float& weight : typed) weight = type.round(weight);
  for (size_t at = 0, index = 0; at < typed.size(); at += mode.group_size, ++index) {
    const auto group = std::span(typed).subspan(at, std::min<size_t>(mode.group_size, typed.size() - at));
    const int scale_code = mode.scale_code(type, group);
    ASSERT_EQ(tensor.plane(1)[index], scale_code) << at;
    for (size_t i = 0; i < group.size(); ++i) {
      const int code = level_at(tensor.plane(0), mode.bits, at + i);
      ASSERT_EQ(code, mode.element(type, group[i], scale_code)) << at + i << ' ' << group[i];
      const float expected = type.round(mode.value(code) * mode.scale(type, scale_code));
      ASSERT_EQ(std::bit_cast<uint32_t>(restored[at + i]), std::bit_cast<uint32_t>(expected)) << at + i;
    }
  }
}

bool is_finite(std::span<const float> weights) {
  return std::all_of(weights.begin(), weights.end(), [](float weight) { return std::isfinite(weight); });
}

TEST(MlxMicroscaled, FollowsTheFormula) {
  for (const Mode& mode : kModes) {
    for (const PlainType& type : kPlainTypes) {
      for (const auto& [name, weights] : sets_that_fit(type, 653, mode.bits, is_finite)) {
        SCOPED_TRACE(std::string(mode.name) + ' ' + std::string(type.name) + ' ' + name);
        expect_formula(mode, type, weights);
      }
    }
  }
}

TEST(MlxMicroscaled, ScalesAreTheLeastPowersThatSuffice) {
  // Around each power of two, as the largest of a group; and what is less than any scale.
  std::vector<float> weights;
  for (int exponent = -149; exponent < 128; ++exponent) {
    for (const float factor : {0.99F, 1.0F, 1.01F, 1.5F, 1.75F, 1.76F}) {
      const size_t begin = weights.size();
      weights.resize(begin + 32);
      const float largest = std::ldexp(factor, exponent);
      if (std::isfinite(kPlainBf16.round(largest))) weights[begin + 5] = largest;
    }
  }
  for (const Mode& mode : {kModes[0], kModes[1]}) {
    expect_formula(mode, kPlainF32, weights);
    expect_formula(mode, kPlainBf16, weights);
  }
}

TEST(MlxMicroscaled, TakesAnyNumberOfWeights) {
  Random random(4);
  for (const Mode& mode : kModes) {
    for (const size_t count : {0U, 1U, 15U, 17U, 33U, 128U, 1023U, 1025U, 4097U}) {
      std::vector<float> weights(count);
      for (float& weight : weights) weight = random.normal();
      expect_formula(mode, kPlainF32, weights);
      expect_formula(mode, kPlainF16, weights);
    }
  }
}

TEST(MlxMicroscaled, RefusesWhatIsNotFinite) {
  for (const Mode& mode : kModes) {
    for (const PlainType& type : kPlainTypes) expect_refusals(mode.encoding(type), type);
  }
}

TEST(MlxMicroscaled, ChecksScales) {
  for (const Mode& mode : kModes) {
    for (const PlainType& type : kPlainTypes) {
      const Encoding encoding = mode.encoding(type);
      Tensor tensor = Tensor::encoded(encoding, std::vector<float>(320, 0.25F));
      EXPECT_TRUE(check_planes(encoding, tensor).ok());
      const auto code_of = [&](uint8_t scale) {
        tensor.plane(1)[3] = scale;
        const Status status = check_planes(encoding, tensor);
        if (!status.ok()) {
          EXPECT_EQ(status.position, 3U * mode.group_size);
        }
        return status.code;
      };
      EXPECT_EQ(code_of(0xFF), StatusCode::kInvalidPlanes);
      EXPECT_EQ(code_of(0x7F), mode.has_e4m3_scales() ? StatusCode::kInvalidPlanes : StatusCode::kOk);
      EXPECT_EQ(code_of(142), StatusCode::kOk);
      const bool is_too_large = !mode.has_e4m3_scales() && type.element == ElementType::kF16;
      EXPECT_EQ(code_of(143), is_too_large ? StatusCode::kInvalidPlanes : StatusCode::kOk);
    }
  }
}

TEST(MlxMicroscaled, ChecksThatElementsAreNumbers) {
  const Encoding encoding = kModes[1].encoding(kPlainBf16);
  Tensor tensor = Tensor::encoded(encoding, std::vector<float>(320, 0.25F));
  tensor.plane(0)[70] = 0xFF;
  tensor.plane(0)[75] = 0x7F;
  EXPECT_EQ(check_planes(encoding, tensor).code, StatusCode::kInvalidPlanes);
  EXPECT_EQ(check_planes(encoding, tensor).position, 70U);
}

}  // namespace
}  // namespace arrowquant::testing
