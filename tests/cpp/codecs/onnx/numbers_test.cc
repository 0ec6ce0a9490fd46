#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/half.h"
#include "codecs/codec.h"
#include "codecs/weight_sets.h"
#include "engine/tensor.h"
#include "plain_numbers.h"

namespace arrowquant::testing {
namespace {

/// Runs `use` on what both instances make of the weights.
template <typename Use>
void for_each_instance(const Encoding& encoding, const std::vector<float>& weights, size_t columns, Use use) {
  WeightRange range;
  static_cast<void>(scan_range(weights, range));
  EncodeContext context;
  context.parameters = encoding.parameters;
  context.range = &range;
  context.row_weights = columns;
  for (const auto encode : {encoding.codec->encode, reference_of(*encoding.codec).encode}) {
    Tensor target(encoding, weights.size());
    use(encode(weights, target.spans(), context), target);
  }
}

float float_at(std::span<const uint8_t> plane, size_t index) {
  float value = 0;
  std::memcpy(&value, &plane[index * sizeof value], sizeof value);
  return value;
}

/// Weights of all kinds, in numbers that fill no vector.
std::vector<WeightSet> sets_of(size_t count, uint64_t seed) {
  std::vector<WeightSet> sets = weight_sets(count, seed);
  for (auto& [name, weights] : sets) {
    for (float& weight : weights) weight *= 0.25F;
  }
  return sets;
}

TEST(OnnxBytes, AreTheProgramsForWeightsOfAllKinds) {
  for (const size_t count : {1U, 5U, 16U, 33U, 999U}) {
    for (const auto& [name, weights] : sets_of(count, 81)) {
      for (const std::string_view codec : {"onnx_int8", "onnx_uint8", "onnx_uint8_f32"}) {
        SCOPED_TRACE(std::string(codec) + ' ' + name);
        const PlainBytes plain = bytes_plainly(weights, codec == "onnx_int8", codec == "onnx_uint8_f32");
        for_each_instance(encoding_of(codec), weights, 0, [&](const Status& status, Tensor& tensor) {
          ASSERT_TRUE(status.ok());
          EXPECT_EQ(tensor.bytes()[0], plain.levels);
          EXPECT_EQ(float_at(tensor.plane(1), 0), plain.scale);
          EXPECT_EQ(tensor.plane(2)[0], plain.zero_point);
        });
      }
    }
  }
}

TEST(OnnxBytes, OfRangesThatDifferInTheLastBitHaveOtherScales) {
  const std::vector<float> weights = {-0x1.c386bcp-1F, 0x1.7f24d4p-8F, 0.0F};
  std::vector<float> scales;
  for (const std::string_view codec : {"onnx_uint8", "onnx_uint8_f32"}) {
    for_each_instance(encoding_of(codec), weights, 0,
                      [&](const Status&, Tensor& tensor) { scales.push_back(float_at(tensor.plane(1), 0)); });
  }
  EXPECT_EQ(scales, (std::vector<float>{0x1.c84d52p-9F, 0x1.c84d52p-9F, 0x1.c84d54p-9F, 0x1.c84d54p-9F}));
}

TEST(OnnxBytes, RefuseWhatIsNotFiniteAndScalesThatCannotBe) {
  const float most = std::numeric_limits<float>::max();
  for (const std::string_view codec : {"onnx_int8", "onnx_uint8"}) {
    for_each_instance(encoding_of(codec), {-most, most, 1}, 0,
                      [&](const Status& status, Tensor&) { EXPECT_TRUE(status.ok()) << codec; });
    std::vector<float> weights(37, 1.0F);
    weights[35] = std::numeric_limits<float>::quiet_NaN();
    for_each_instance(encoding_of(codec), weights, 0, [&](const Status& status, Tensor&) {
      EXPECT_EQ(status.code, StatusCode::kNotFinite);
      EXPECT_EQ(status.position, 35U);
    });
  }
  for_each_instance(encoding_of("onnx_uint8_f32"), {-most, most, 1}, 0,
                    [&](const Status& status, Tensor&) { EXPECT_EQ(status.code, StatusCode::kScaleOverflow); });
}

TEST(OnnxBytes, DecodeToWithinAStep) {
  Random random(82);
  std::vector<float> weights(500);
  for (float& weight : weights) weight = random.normal();
  for (const std::string_view codec : {"onnx_int8", "onnx_uint8", "onnx_uint8_f32"}) {
    Tensor tensor = Tensor::encoded(encoding_of(codec), weights);
    const std::vector<float> restored = tensor.decoded();
    for (size_t i = 0; i < weights.size(); ++i) EXPECT_NEAR(restored[i], weights[i], 0.04F) << codec;
  }
}

std::vector<float> group_of(const std::vector<float>& weights, size_t at, size_t size) {
  const auto begin = weights.begin() + static_cast<ptrdiff_t>(at);
  return {begin, begin + static_cast<ptrdiff_t>(std::min(size, weights.size() - at))};
}

TEST(OnnxGather4, IsTheProgramsForWeightsOfAllKinds) {
  for (const size_t count : {1U, 16U, 31U, 128U, 515U}) {
    for (const uint32_t size : {16U, 32U, 64U, 128U, 256U}) {
      for (const bool symmetric : {false, true}) {
        for (const auto& [name, weights] : sets_of(count, 83)) {
          SCOPED_TRACE(name + ' ' + std::to_string(count) + " in groups of " + std::to_string(size));
          const Encoding encoding = encoding_of("onnx_gather4", {0, size, symmetric});
          for_each_instance(encoding, weights, 0, [&](const Status& status, Tensor& tensor) {
            ASSERT_TRUE(status.ok());
            std::vector<uint8_t> levels((count + 1) / 2, 0);
            for (size_t at = 0; at < count; at += size) {
              const PlainGroup plain = gathered_plainly(group_of(weights, at, size), symmetric);
              EXPECT_EQ(float_at(tensor.plane(1), at / size), plain.scale);
              EXPECT_EQ(tensor.plane(2)[at / size], plain.zero_point);
              for (size_t i = 0; i < plain.levels.size(); ++i) {
                levels[(at + i) / 2] |= static_cast<uint8_t>((plain.levels[i] & 15) << 4 * ((at + i) % 2));
              }
            }
            EXPECT_EQ(tensor.bytes()[0], levels);
          });
        }
      }
    }
  }
}

TEST(OnnxGather4, DecodesToWithinAStep) {
  Random random(84);
  std::vector<float> weights(200);
  for (float& weight : weights) weight = random.normal();
  for (const bool symmetric : {false, true}) {
    Tensor tensor = Tensor::encoded(encoding_of("onnx_gather4", {0, 32, symmetric}), weights);
    const std::vector<float> restored = tensor.decoded();
    for (size_t i = 0; i < weights.size(); ++i) EXPECT_NEAR(restored[i], weights[i], symmetric ? 0.5F : 0.3F);
  }
}

TEST(OnnxQdq4, IsTheProgramsForWeightsOfAllKinds) {
  constexpr size_t kColumns = 21;
  for (const uint32_t size : {16U, 32U, 64U, 128U, 256U}) {
    for (const bool symmetric : {false, true}) {
      for (const auto& [name, weights] : sets_of(2 * size * kColumns, 85)) {
        SCOPED_TRACE(name + " in blocks of " + std::to_string(size));
        const Encoding encoding = encoding_of("onnx_qdq4", {0, size, symmetric});
        for_each_instance(encoding, weights, kColumns, [&](const Status& status, Tensor& tensor) {
          ASSERT_TRUE(status.ok());
          for (size_t unit = 0; unit < 2 * kColumns; ++unit) {
            std::vector<float> block(size);
            for (size_t i = 0; i < size; ++i) {
              block[i] = weights[(unit / kColumns * size + i) * kColumns + unit % kColumns];
            }
            const PlainGroup plain = qdq_plainly(block, symmetric);
            ASSERT_EQ(float_at(tensor.plane(1), unit), plain.scale);
            ASSERT_EQ(tensor.plane(2)[unit], plain.zero_point);
            for (size_t i = 0; i < size; ++i) ASSERT_EQ(tensor.plane(0)[unit * size + i], plain.levels[i] & 15);
          }
          EXPECT_EQ(tensor.decoded().size(), weights.size());
        });
      }
    }
  }
}

TEST(OnnxQdq4, DecodesToGroupAfterGroup) {
  constexpr size_t kColumns = 3;
  Random random(86);
  std::vector<float> weights(64 * kColumns);
  for (float& weight : weights) weight = random.normal();
  for (const bool symmetric : {false, true}) {
    for_each_instance(encoding_of("onnx_qdq4", {0, 32, symmetric}), weights, kColumns,
                      [&](const Status&, Tensor& tensor) {
                        const std::vector<float> restored = tensor.decoded();
                        for (size_t i = 0; i < restored.size(); ++i) {
                          const size_t row = i / (32 * kColumns) * 32 + i % 32;
                          const float original = weights[row * kColumns + i / 32 % kColumns];
                          EXPECT_NEAR(restored[i], original, symmetric ? 0.5F : 0.3F);
                        }
                      });
  }
}

TEST(OnnxBnb4, AreTheProgramsForWeightsOfAllKinds) {
  for (const std::string_view codec : {"onnx_bnb_nf4", "onnx_bnb_fp4"}) {
    const auto level = codec == "onnx_bnb_nf4" ? nf4_plainly : fp4_plainly;
    for (const size_t count : {1U, 16U, 33U, 256U, 515U}) {
      for (const uint32_t size : {16U, 32U, 64U, 128U, 256U}) {
        for (const auto& [name, weights] : weight_sets(count, 87)) {
          SCOPED_TRACE(std::string(codec) + ' ' + name + ' ' + std::to_string(count) + '/' + std::to_string(size));
          std::vector<uint8_t> levels((count + 1) / 2, 0);
          std::vector<float> absmax;
          for (size_t at = 0; at < count; at += size) {
            float largest = 0;
            for (const float x : group_of(weights, at, size)) largest = std::max(largest, std::fabs(x));
            absmax.push_back(largest);
            const float inverse = largest == 0 ? 0.0F : 1.0F / largest;
            for (size_t i = at; i < std::min<size_t>(at + size, count); ++i) {
              levels[i / 2] |= static_cast<uint8_t>(level(weights[i] * inverse) << (i % 2 == 0 ? 4 : 0));
            }
          }
          if (count % 2 != 0) levels.back() |= level(0);
          for_each_instance(encoding_of(codec, {0, size, false}), weights, 0,
                            [&](const Status& status, Tensor& tensor) {
                              ASSERT_TRUE(status.ok());
                              EXPECT_EQ(tensor.bytes()[0], levels);
                              for (size_t i = 0; i < absmax.size(); ++i) {
                                EXPECT_EQ(float_at(tensor.plane(1), i), absmax[i]);
                              }
                            });
        }
      }
    }
  }
}

TEST(OnnxBnb4, RoundsWhatIsOnABoundDown) {
  for (const std::string_view codec : {"onnx_bnb_nf4", "onnx_bnb_fp4"}) {
    const auto level = codec == "onnx_bnb_nf4" ? nf4_plainly : fp4_plainly;
    std::vector<float> weights;
    for (const float bound : {0.03979014977812767F, -0.33967943489551544F, 0.8614784181118011F, 0.00260417F,
                              -0.0859375F, 0.583333F, -0.8333333F, 0.0F, -0.0F, 1e-30F, -1e-30F}) {
      for (const float x : {bound, std::nextafter(bound, 1.0F), std::nextafter(bound, -1.0F)}) weights.push_back(x);
    }
    weights.resize(64, 1.0F);
    for_each_instance(encoding_of(codec, {0, 64, false}), weights, 0, [&](const Status&, Tensor& tensor) {
      for (size_t i = 0; i < weights.size(); ++i) {
        EXPECT_EQ(tensor.plane(0)[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15, level(weights[i])) << weights[i];
      }
    });
  }
}

TEST(OnnxGroups, TellTheFirstWeightThatIsNotFinite) {
  for (const std::string_view codec : {"onnx_bnb_nf4", "onnx_bnb_fp4", "onnx_gather4"}) {
    for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      std::vector<float> weights(300, 0.5F);
      weights[299] = wrong;
      weights[70] = wrong;
      for_each_instance(encoding_of(codec, {0, 32, false}), weights, 0, [&](const Status& status, Tensor&) {
        EXPECT_EQ(status.code, StatusCode::kNotFinite) << codec;
        EXPECT_EQ(status.position, 70U) << codec;
      });
    }
  }
  std::vector<float> weights(64, 3e38F);
  weights[40] = -3e38F;
  for_each_instance(encoding_of("onnx_gather4", {0, 32, false}), weights, 0, [&](const Status& status, Tensor&) {
    EXPECT_EQ(status.code, StatusCode::kScaleOverflow);
    EXPECT_EQ(status.position, 32U);
  });
}

TEST(OnnxF16, ClampsWhatFloat16PyDoes) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> weights = {0.0F,     -0.0F,     1e-9F,   -1e-9F,    1e-7F,   9.99e-8F,
                                      1.1e-7F,  -2e-7F,    9999.0F, 10000.0F,  1e5F,    -1e30F,
                                      infinity, -infinity, 0.1F,    -0.33333F, 65504.0F};
  const std::vector<float> expected = {0.0F,     -0.0F, 1e-7F, -1e-7F,   1e-7F,     1e-7F, 1.1e-7F,   -2e-7F, 9999.0F,
                                       10000.0F, 1e4F,  -1e4F, infinity, -infinity, 0.1F,  -0.33333F, 1e4F};
  for_each_instance(encoding_of("onnx_f16"), weights, 0, [&](const Status& status, Tensor& tensor) {
    ASSERT_TRUE(status.ok());
    for (size_t i = 0; i < weights.size(); ++i) {
      uint16_t half = 0;
      std::memcpy(&half, &tensor.plane(0)[2 * i], 2);
      EXPECT_EQ(half, float_to_half(expected[i])) << weights[i];
      EXPECT_EQ(tensor.decoded()[i], half_to_float(half));
    }
  });
  for_each_instance(encoding_of("onnx_f16"), {std::numeric_limits<float>::quiet_NaN()}, 0,
                    [&](const Status& status, Tensor& tensor) {
                      EXPECT_TRUE(status.ok());
                      EXPECT_TRUE(std::isnan(tensor.decoded()[0]));
                    });
}

}  // namespace
}  // namespace arrowquant::testing
