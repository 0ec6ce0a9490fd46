#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "codecs/compressed_tensors/plain.h"
#include "engine/tensor.h"

namespace arrowquant::testing {
namespace {

/// Of non-negative numbers in ascending order, whose places are their codes, the nearest: the one with an even code of
/// two equally near.
unsigned nearest_code(std::span<const float> values, float magnitude) {
  unsigned best = 0;
  for (unsigned code = 1; code < values.size(); ++code) {
    const double distance = std::fabs(double{values[code]} - magnitude);
    const double least = std::fabs(double{values[best]} - magnitude);
    if (distance < least || (distance == least && code % 2 == 0)) best = code;
  }
  return best;
}

std::vector<float> small_floats(int exponent_bits, int fraction_bits, size_t count) {
  std::vector<float> values;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  for (size_t code = 0; code < count; ++code) {
    const int exponent = static_cast<int>(code) >> fraction_bits;
    const int fraction = static_cast<int>(code) & ((1 << fraction_bits) - 1);
    const int whole = exponent == 0 ? fraction : fraction + (1 << fraction_bits);
    values.push_back(std::ldexp(static_cast<float>(whole), std::max(exponent, 1) - bias - fraction_bits));
  }
  return values;
}

const std::vector<float> kE2m1 = small_floats(2, 1, 8);
const std::vector<float> kE4m3 = small_floats(4, 3, 127);

unsigned signed_code(std::span<const float> values, float quotient, unsigned sign) {
  return nearest_code(values, std::fabs(quotient)) | (quotient < 0 ? sign : 0);
}

unsigned code_at(std::span<const uint8_t> plane, uint32_t bits, size_t index) {
  if (bits == 8) return plane[index];
  return index % 2 == 0 ? plane[index / 2] & 15 : plane[index / 2] >> 4;
}

/// The E8M0 code of a group: its largest magnitude loses its fraction, once a quarter is added to it.
int plain_e8m0(const NamedType& named, float largest, int top_exponent) {
  float power = 0;
  if (named.type == FloatType::kF16) {
    power = half_to_float(static_cast<uint16_t>((float_to_half(largest) + 256) & 0x7C00));
  } else {
    power = std::bit_cast<float>((std::bit_cast<uint32_t>(largest) + 0x00200000) & 0x7F800000);
  }
  const int code = power == 0 ? 0 : std::max(127 + std::ilogb(power) - top_exponent, 0);
  return rounded(named.type, std::ldexp(1.0F, code - 127)) == 0 ? 127 : code;
}

void expect_microscaling(const NamedType& named, bool is_8_bits, std::span<const float> weights) {
  const std::vector<float> typed = rounded(named.type, weights);
  Tensor tensor = Tensor::encoded(encoding_of((is_8_bits ? "ct_mxfp8_" : "ct_mxfp4_") + named.suffix), weights);
  ASSERT_TRUE(tensor.status().ok());
  const std::vector<float> restored = tensor.decoded();
  const std::vector<float>& values = is_8_bits ? kE4m3 : kE2m1;
  for (size_t begin = 0; begin < typed.size(); begin += 32) {
    const size_t count = std::min<size_t>(32, typed.size() - begin);
    const int scale = plain_e8m0(named, largest_of(std::span(typed).subspan(begin, count)), is_8_bits ? 8 : 2);
    ASSERT_EQ(tensor.plane(1)[begin / 32], scale) << begin;
    for (size_t i = begin; i < begin + count; ++i) {
      const float quotient = rounded(named.type, typed[i] / std::ldexp(1.0F, scale - 127));
      const unsigned code = code_at(tensor.plane(0), is_8_bits ? 8 : 4, i);
      ASSERT_EQ(code, signed_code(values, quotient, is_8_bits ? 0x80 : 8)) << i << ' ' << typed[i];
      const float value = values[code & (is_8_bits ? 0x7F : 7)] * std::ldexp(1.0F, scale - 127);
      ASSERT_EQ(restored[i], quotient < 0 ? -value : value);
    }
  }
}

TEST(CompressedTensorsMicroscaling, IsThatOfPlainLoops) {
  for (const NamedType& named : named_types()) {
    for (const auto& [kind, weights] : typed_sets(named.type, 700, 61)) {
      SCOPED_TRACE(named.suffix + ' ' + kind);
      expect_microscaling(named, false, weights);
      expect_microscaling(named, true, weights);
    }
  }
}

TEST(CompressedTensorsMicroscaling, KeepsSignsOfWhatBecomesZeroButNotOfZero) {
  std::vector<float> weights(32, 0.0F);
  weights[0] = 4.0F;
  weights[1] = -0.125F;
  weights[2] = -0.0F;
  Tensor tensor = Tensor::encoded(encoding_of("ct_mxfp4_bf16"), weights);
  EXPECT_EQ(tensor.plane(0)[0], 0x86);
  EXPECT_EQ(tensor.plane(0)[1], 0x00);
}

TEST(CompressedTensorsMicroscaling, RefusesScalesThatTheTypeCannotHold) {
  std::vector<float> weights(100, 1.0F);
  weights[70] = -57344.0F;
  const Status status = Tensor::encoded(encoding_of("ct_mxfp4_f16"), weights).status();
  EXPECT_EQ(status.code, StatusCode::kScaleOverflow);
  EXPECT_EQ(status.position, 64U);
  EXPECT_TRUE(Tensor::encoded(encoding_of("ct_mxfp4_bf16"), weights).status().ok());
  weights[70] = 3.4e38F;
  EXPECT_EQ(Tensor::encoded(encoding_of("ct_mxfp8_f32"), weights).status().code, StatusCode::kScaleOverflow);
  weights[5] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Tensor::encoded(encoding_of("ct_mxfp8_bf16"), weights).status().code, StatusCode::kNotFinite);
}

float global_scale_of(const NamedType& named, float largest) {
  const auto round = [&](float value) { return rounded(named.type, value); };
  const float scale = round(round(1 / std::max(round(largest), named.tiny)) * 2688);
  return std::isfinite(scale) ? scale : 1;
}

void expect_nvfp4(const NamedType& named, std::span<const float> weights, float largest) {
  const std::vector<float> typed = rounded(named.type, weights);
  const Encoding encoding = encoding_of("ct_nvfp4_" + named.suffix);
  EncodeContext context;
  const WeightRange range = {-largest, 0, -largest};
  context.range = &range;
  for (const auto encode : {encoding.codec->encode, reference_of(*encoding.codec).encode}) {
    Tensor tensor(encoding, weights.size());
    ASSERT_TRUE(encode(weights, tensor.spans(), context).ok());
    float global_scale;
    std::memcpy(&global_scale, tensor.plane(2).data(), sizeof global_scale);
    ASSERT_EQ(global_scale, global_scale_of(named, largest));
    for (size_t begin = 0; begin < typed.size(); begin += 16) {
      const size_t count = std::min<size_t>(16, typed.size() - begin);
      const float local = rounded(named.type, largest_of(std::span(typed).subspan(begin, count)) / 6);
      const unsigned nearest = nearest_code(kE4m3, std::min(global_scale * local, 448.0F));
      const unsigned code = nearest == 0 ? nearest_code(kE4m3, 0.125F) : nearest;
      ASSERT_EQ(tensor.plane(1)[begin / 16], code) << begin;
      for (size_t i = begin; i < begin + count; ++i) {
        const float quotient = typed[i] / (kE4m3[code] / global_scale);
        ASSERT_EQ(code_at(tensor.plane(0), 4, i), signed_code(kE2m1, quotient, 8)) << i << ' ' << typed[i];
      }
    }
  }
}

TEST(CompressedTensorsNvfp4, IsThatOfPlainLoops) {
  for (const NamedType& named : named_types()) {
    for (const auto& [kind, weights] : typed_sets(named.type, 500, 71)) {
      SCOPED_TRACE(named.suffix + ' ' + kind);
      expect_nvfp4(named, weights, largest_of(weights));
      // As of a tensor that shares its scale with a larger one.
      expect_nvfp4(named, weights, 3 * largest_of(weights));
    }
  }
}

TEST(CompressedTensorsNvfp4, NeedsTheExtentOfTheTensor) {
  const Encoding encoding = encoding_of("ct_nvfp4_f32");
  EXPECT_TRUE(needs_range(encoding));
  EXPECT_TRUE(is_shared(encoding, 2));
  EXPECT_FALSE(is_shared(encoding, 1));
  EXPECT_EQ(plane_bytes(encoding, 2, 1000000), 4U);
  EXPECT_EQ(plane_bytes(encoding, 2, 0), 0U);
  EXPECT_EQ(aligned_weights(encoding), 16U);
  const std::vector<float> weights(32, 1.0F);
  Tensor tensor(encoding, 32);
  EXPECT_EQ(encoding.codec->encode(weights, tensor.spans(), {}).code, StatusCode::kInvalidArgument);
}

TEST(CompressedTensorsSmallFloats, RefuseScalesThatNoEncoderWrites) {
  const std::vector<float> weights(128, 0.5F);
  const auto check = [](Tensor& tensor, const Encoding& encoding) {
    const Planes planes = tensor.spans();
    return encoding.codec->check({planes[0], planes[1], planes[2]}, {}, 128);
  };
  const Encoding nvfp4 = encoding_of("ct_nvfp4_bf16");
  Tensor tensor = Tensor::encoded(nvfp4, weights);
  EXPECT_TRUE(check(tensor, nvfp4).ok());
  tensor.plane(1)[3] = 0xFF;
  EXPECT_EQ(check(tensor, nvfp4).position, 48U);
  for (const float scale : {0.0F, -1.0F, std::numeric_limits<float>::infinity()}) {
    std::memcpy(tensor.plane(2).data(), &scale, sizeof scale);
    EXPECT_EQ(check(tensor, nvfp4).code, StatusCode::kInvalidPlanes);
  }
  const Encoding mxfp8 = encoding_of("ct_mxfp8_bf16");
  Tensor eight = Tensor::encoded(mxfp8, weights);
  EXPECT_TRUE(check(eight, mxfp8).ok());
  eight.plane(0)[70] = 0x7F;
  EXPECT_EQ(check(eight, mxfp8).position, 70U);
  eight.plane(1)[1] = 255;
  EXPECT_EQ(check(eight, mxfp8).position, 32U);
}

}  // namespace
}  // namespace arrowquant::testing
