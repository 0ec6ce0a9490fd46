#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/half.h"
#include "codecs/codec.h"
#include "codecs/weight_sets.h"
#include "engine/tensor.h"
#include "plain_blocks.h"

namespace arrowquant::testing {
namespace {

/// A matrix whose rows are filled up to whole blocks.
struct Matrix {
  size_t rows;
  size_t columns;
  std::vector<float> weights;

  [[nodiscard]] std::vector<float> filled_up(size_t block) const {
    std::vector<float> filled = weights;
    filled.resize((rows + block - 1) / block * block * columns, 0.0F);
    return filled;
  }
};

EncodeContext context_of(const Matrix& matrix, const CodecParameters& parameters) {
  EncodeContext context;
  context.parameters = parameters;
  context.row_weights = matrix.columns;
  context.rows = matrix.rows;
  return context;
}

std::vector<std::vector<uint8_t>> bytes_of(const PlainBlocks& blocks, bool half_scales) {
  std::vector<uint8_t> scales(blocks.scales.size() * (half_scales ? 2 : 4));
  for (size_t i = 0; i < blocks.scales.size(); ++i) {
    const uint16_t half = float_to_half(blocks.scales[i]);
    if (half_scales) std::memcpy(&scales[2 * i], &half, 2);
    if (!half_scales) std::memcpy(&scales[4 * i], &blocks.scales[i], 4);
  }
  return {blocks.levels, scales, blocks.zero_points, {}};
}

void expect_program_s_bytes(const Matrix& matrix, std::string_view name, const CodecParameters& parameters) {
  SCOPED_TRACE(std::string(name) + ' ' + std::to_string(matrix.rows) + 'x' + std::to_string(matrix.columns) + ' ' +
               std::to_string(parameters.bits) + " bits, blocks of " + std::to_string(parameters.group_size) +
               (parameters.symmetric ? " symmetric" : ""));
  const Encoding encoding = encoding_of(name, parameters);
  const bool half_scales = name == "onnx_blocks_f16";
  const auto expected =
      bytes_of(encode_plainly(matrix.weights, matrix.rows, matrix.columns, parameters, half_scales), half_scales);
  const std::vector<float> weights = matrix.filled_up(parameters.group_size);
  for (const auto encode : {encoding.codec->encode, reference_of(*encoding.codec).encode}) {
    Tensor target(encoding, weights.size());
    ASSERT_TRUE(encode(weights, target.spans(), context_of(matrix, parameters)).ok());
    ASSERT_EQ(target.bytes(), expected);
  }
}

template <typename Use>
void for_each_parameters(Use use) {
  for (const uint32_t bits : {2U, 4U, 8U}) {
    for (const uint32_t block : {16U, 32U, 64U, 128U, 256U}) {
      for (const bool symmetric : {false, true}) use(CodecParameters{bits, block, symmetric});
    }
  }
}

TEST(OnnxBlocks, AreTheProgramsForShapesOfAllKinds) {
  Random random(71);
  for_each_parameters([&](const CodecParameters& parameters) {
    for (const size_t rows : {size_t{1}, size_t{2}, size_t{3}, parameters.group_size - size_t{1},
                              size_t{parameters.group_size}, parameters.group_size + size_t{1},
                              3 * parameters.group_size + size_t{2}, 5 * parameters.group_size - size_t{3}}) {
      for (const size_t columns : {1, 3, 16, 21}) {
        Matrix matrix{rows, columns, std::vector<float>(rows * columns)};
        for (float& weight : matrix.weights) weight = random.normal() * 0.05F;
        expect_program_s_bytes(matrix, "onnx_blocks", parameters);
        if (columns == 21) expect_program_s_bytes(matrix, "onnx_blocks_f16", parameters);
      }
    }
  });
}

TEST(OnnxBlocks, AreTheProgramsForMoreColumnsThanAreLoadedTogether) {
  Random random(76);
  for_each_parameters([&](const CodecParameters& parameters) {
    Matrix matrix{parameters.group_size + size_t{1}, 150, std::vector<float>((parameters.group_size + 1) * 150)};
    for (float& weight : matrix.weights) weight = random.normal();
    expect_program_s_bytes(matrix, "onnx_blocks", parameters);
  });
}

TEST(OnnxBlocks, AreTheProgramsForWeightsOfAllKinds) {
  constexpr size_t kColumns = 19;
  for_each_parameters([&](const CodecParameters& parameters) {
    const size_t rows = parameters.group_size * 2 - 1;
    for (auto& [name, weights] : weight_sets(rows * kColumns, 72)) {
      SCOPED_TRACE(name);
      // A scale from −FLT_MAX to FLT_MAX would be infinite.
      for (float& weight : weights) weight *= 0.25F;
      expect_program_s_bytes({rows, kColumns, weights}, "onnx_blocks", parameters);
    }
  });
}

/// Weights on and next to the middle between two levels of a block whose scale is 1/8.
TEST(OnnxBlocks, RoundHalfAwayFromZero) {
  for_each_parameters([&](const CodecParameters& parameters) {
    const size_t rows = parameters.group_size;
    const float half = static_cast<float>(1U << (parameters.bits - 1));
    Matrix matrix{rows, 4, std::vector<float>(rows * 4)};
    for (size_t i = 0; i < matrix.weights.size(); ++i) {
      const float middle = (std::fmod(static_cast<float>(i / 12), 2 * half) - half + 0.5F) / 8;
      const float bound = i % 3 == 1 ? -half : half;
      matrix.weights[i] = i % 3 == 0 ? middle : std::nextafter(middle, bound);
    }
    for (size_t c = 0; c < 4; ++c) matrix.weights[c] = -half / 8;
    expect_program_s_bytes(matrix, "onnx_blocks", parameters);
    expect_program_s_bytes(matrix, "onnx_blocks_f16", parameters);
  });
}

/// Where the zero point is 0, what is just below a half is the one number that adding a half would round up.
TEST(OnnxBlocks, RoundWhatIsJustBelowAHalfDown) {
  for (const uint32_t bits : {2U, 4U, 8U}) {
    const float last = static_cast<float>((1U << bits) - 1);
    Matrix matrix{32, 5, std::vector<float>(160)};
    for (size_t i = 0; i < 160; ++i) {
      const float half = static_cast<float>(i % (1U << bits)) + 0.5F;
      matrix.weights[i] = std::fmin(i % 3 == 0 ? half : std::nextafter(half, i % 3 == 1 ? 0.0F : 999.0F), last);
    }
    for (size_t c = 0; c < 5; ++c) matrix.weights[c] = last;
    matrix.weights[7] = 0.49999997F;
    expect_program_s_bytes(matrix, "onnx_blocks", {bits, 32, false});
  }
}

TEST(OnnxBlocks, OfZerosHaveTheSignOfTheFirst) {
  for (const bool symmetric : {false, true}) {
    Matrix matrix{40, 5, std::vector<float>(200, 0.0F)};
    for (size_t i = 0; i < matrix.weights.size(); i += 3) matrix.weights[i] = -0.0F;
    expect_program_s_bytes(matrix, "onnx_blocks", {4, 32, symmetric});
  }
}

TEST(OnnxBlocks, WithScalesThatHaveNoInverseAreTheProgramsToo) {
  for (const float tiny : {1e-45F, 3e-45F, 1e-41F, 1e-38F, 2e-38F}) {
    for (const bool symmetric : {false, true}) {
      Matrix matrix{64, 6, std::vector<float>(384)};
      Random random(73);
      for (float& weight : matrix.weights) weight = random.below(5) == 0 ? 0.0F : random.uniform() * tiny;
      for (const uint32_t bits : {2U, 4U, 8U}) {
        expect_program_s_bytes(matrix, "onnx_blocks", {bits, 32, symmetric});
        expect_program_s_bytes(matrix, "onnx_blocks_f16", {bits, 32, symmetric});
      }
    }
  }
}

TEST(OnnxBlocks, OfSmallWeightsWithHalfScalesAreTheProgramsToo) {
  for (const float small : {1e-3F, 1e-5F, 1e-6F, 3e-7F, 1e-8F}) {
    for (const bool symmetric : {false, true}) {
      Matrix matrix{96, 7, std::vector<float>(672)};
      Random random(74);
      for (float& weight : matrix.weights) weight = random.uniform() * small;
      for (const uint32_t bits : {2U, 4U, 8U}) expect_program_s_bytes(matrix, "onnx_blocks_f16", {bits, 32, symmetric});
    }
  }
}

TEST(OnnxBlocksHalved, HaveTheLevelsOfFloatScalesAndTheScalesOfFloat16Py) {
  const CodecParameters parameters = {4, 32, true};
  Matrix matrix{32, 5, std::vector<float>(160)};
  const std::vector<float> extremes = {0.8F, 4e-8F, 0.0F, -1.6e6F, 1e-20F};
  for (size_t i = 0; i < 160; ++i) matrix.weights[i] = extremes[i % 5] * (1 - static_cast<float>(i / 5) / 32);
  const PlainBlocks plain = encode_plainly(matrix.weights, 32, 5, parameters, false);
  const std::vector<float> expected = {-0.1F, -1e-7F, -0.0F, 1e4F, -1e-7F};
  const Encoding encoding = encoding_of("onnx_blocks_halved", parameters);
  for (const auto encode : {encoding.codec->encode, reference_of(*encoding.codec).encode}) {
    Tensor target(encoding, matrix.weights.size());
    ASSERT_TRUE(encode(matrix.weights, target.spans(), context_of(matrix, parameters)).ok());
    EXPECT_EQ(target.bytes()[0], plain.levels);
    for (size_t c = 0; c < 5; ++c) {
      uint16_t half = 0;
      std::memcpy(&half, &target.plane(1)[2 * c], 2);
      EXPECT_EQ(half, float_to_half(expected[c])) << c;
    }
  }
}

/// Sums of what is lost of each column of a block, as the search weighs it.
std::vector<double> losses_of(const Matrix& matrix, Tensor& tensor) {
  const std::vector<float> units = tensor.decoded();
  const size_t rows = units.size() / matrix.columns;
  std::vector<double> losses;
  for (size_t c = 0; c < matrix.columns; ++c) {
    double squares = 0;
    for (size_t r = 0; r < matrix.rows; ++r) squares += std::pow(matrix.weights[r * matrix.columns + c], 2);
    const double mean = std::sqrt(squares / static_cast<double>(matrix.rows));
    double loss = 0;
    for (size_t r = 0; r < matrix.rows; ++r) {
      const double x = matrix.weights[r * matrix.columns + c];
      loss += (mean + std::fabs(x)) * std::pow(x - units[c * rows + r], 2);
    }
    losses.push_back(loss);
  }
  return losses;
}

TEST(OnnxBlocks, WithMoreEffortLoseLessAndNeverMore) {
  for (const uint32_t bits : {2U, 4U, 8U}) {
    for (const auto& [name, weights] : weight_sets(32 * 37, 77)) {
      if (name == "any finite bits" || name == "huge") continue;
      SCOPED_TRACE(name);
      Matrix matrix{32, 37, weights};
      const Encoding encoding = encoding_of("onnx_blocks", {bits, 32, false});
      EncodeContext context = context_of(matrix, encoding.parameters);
      Tensor plain = Tensor::encoded(encoding, weights, context);
      if (!plain.status().ok()) continue;
      context.effort = Effort::kBetter;
      Tensor searched = Tensor::encoded(encoding, weights, context);
      Tensor actual(encoding, weights.size());
      ASSERT_TRUE(encoding.codec->encode(weights, actual.spans(), context).ok());
      ASSERT_EQ(actual.bytes(), searched.bytes());
      const std::vector<double> before = losses_of(matrix, plain);
      const std::vector<double> after = losses_of(matrix, searched);
      size_t better = 0;
      for (size_t c = 0; c < before.size(); ++c) {
        EXPECT_LE(after[c], before[c] * (1 + 1e-4) + 1e-30);
        better += after[c] < before[c] * 0.999 ? 1 : 0;
      }
      if (name == "normal" && bits < 8) {
        EXPECT_GT(better, before.size() / 2);
      }
    }
  }
}

TEST(OnnxBlocks, WithMoreEffortOfAnyWeightsAreTheSameFromBothInstances) {
  for (const std::string_view name : {"onnx_blocks", "onnx_blocks_halved", "onnx_blocks_f16"}) {
    for_each_parameters([&](const CodecParameters& parameters) {
      for (auto& [kind, weights] : weight_sets(parameters.group_size * 18, 78)) {
        SCOPED_TRACE(kind);
        Matrix matrix{parameters.group_size * size_t{2} - 3, 9, {}};
        EncodeContext context = context_of(matrix, parameters);
        context.effort = Effort::kBetter;
        Tensor expected = Tensor::encoded(encoding_of(name, parameters), weights, context);
        Tensor actual(encoding_of(name, parameters), weights.size());
        const Status status = encoding_of(name).codec->encode(weights, actual.spans(), context);
        ASSERT_EQ(status.code, expected.status().code);
        if (status.ok()) {
          ASSERT_EQ(actual.bytes(), expected.bytes());
        }
      }
    });
  }
}

TEST(OnnxBlocks, DecodeToGroupAfterGroup) {
  for_each_parameters([&](const CodecParameters& parameters) {
    constexpr size_t kColumns = 6;
    const size_t rows = parameters.group_size * 2;
    Random random(75);
    Matrix matrix{rows, kColumns, std::vector<float>(rows * kColumns)};
    for (float& weight : matrix.weights) weight = random.normal();
    for (const std::string_view name : {"onnx_blocks", "onnx_blocks_halved", "onnx_blocks_f16"}) {
      Tensor target = Tensor::encoded(encoding_of(name, parameters), matrix.weights, context_of(matrix, parameters));
      ASSERT_TRUE(target.status().ok());
      const std::vector<float> restored = target.decoded();
      for (size_t i = 0; i < restored.size(); ++i) {
        const size_t unit = i / parameters.group_size;
        const size_t row = unit / kColumns * parameters.group_size + i % parameters.group_size;
        const float original = matrix.weights[row * kColumns + unit % kColumns];
        const float step = 8.0F / static_cast<float>((1U << parameters.bits) - 1);
        EXPECT_NEAR(restored[i], original, parameters.symmetric ? 2 * step : step) << name << ' ' << i;
      }
    }
  });
}

Status status_of(const Matrix& matrix, std::string_view name, const CodecParameters& parameters) {
  const Encoding encoding = encoding_of(name, parameters);
  const std::vector<float> weights = matrix.filled_up(parameters.group_size);
  Tensor target(encoding, weights.size());
  const Status status = encoding.codec->encode(weights, target.spans(), context_of(matrix, parameters));
  const Status reference =
      reference_of(*encoding.codec).encode(weights, target.spans(), context_of(matrix, parameters));
  EXPECT_EQ(status.code, reference.code);
  EXPECT_EQ(status.position, reference.position);
  return status;
}

TEST(OnnxBlocks, TellTheFirstWeightThatIsNotFinite) {
  for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()}) {
    for (const size_t at : {0U, 5U, 17U, 340U, 839U}) {
      Matrix matrix{40, 21, std::vector<float>(840, 0.5F)};
      matrix.weights[839] = wrong;
      matrix.weights[at] = wrong;
      // Its scale is infinite, but that is not told before.
      matrix.weights[3] = 3e38F;
      matrix.weights[24] = -3e38F;
      const Status status = status_of(matrix, "onnx_blocks", {8, 32, false});
      EXPECT_EQ(status.code, at < 32 * 21 ? StatusCode::kNotFinite : StatusCode::kScaleOverflow);
      EXPECT_EQ(status.position, at < 32 * 21 ? at : 3);
    }
  }
}

TEST(OnnxBlocks, RefuseScalesThatCannotBe) {
  Matrix matrix{96, 19, std::vector<float>(96 * 19, 0.5F)};
  matrix.weights[40 * 19 + 7] = 3e38F;
  EXPECT_TRUE(status_of(matrix, "onnx_blocks", {4, 32, false}).ok());
  EXPECT_TRUE(status_of(matrix, "onnx_blocks_halved", {4, 32, false}).ok());
  EXPECT_EQ(status_of(matrix, "onnx_blocks_f16", {4, 32, true}).code, StatusCode::kScaleOverflow);
  EXPECT_EQ(status_of(matrix, "onnx_blocks_f16", {4, 32, true}).position, 32U * 19 + 7);
  matrix.weights[41 * 19 + 7] = -3e38F;
  EXPECT_TRUE(status_of(matrix, "onnx_blocks", {4, 32, true}).ok());
  EXPECT_EQ(status_of(matrix, "onnx_blocks", {4, 32, false}).code, StatusCode::kScaleOverflow);
  EXPECT_EQ(status_of(matrix, "onnx_blocks", {4, 32, false}).position, 32U * 19 + 7);
}

TEST(OnnxBlocks, RefuseTilesThatAreNoWholeBlocks) {
  const Encoding encoding = encoding_of("onnx_blocks", {4, 32, true});
  Tensor target(encoding, 32 * 5);
  EncodeContext context;
  context.parameters = encoding.parameters;
  const std::vector<float> weights(32 * 5, 1.0F);
  for (const auto encode : {encoding.codec->encode, reference_of(*encoding.codec).encode}) {
    context.row_weights = 4;
    EXPECT_EQ(encode(weights, target.spans(), context).code, StatusCode::kInvalidArgument);
    context.row_weights = 5;
    EXPECT_TRUE(encode(weights, target.spans(), context).ok());
    context.first_row = 64;
    context.rows = 64;
    EXPECT_EQ(encode(weights, target.spans(), context).code, StatusCode::kInvalidArgument);
    context.rows = 65;
    EXPECT_TRUE(encode(weights, target.spans(), context).ok());
    context.rows = 0;
  }
}

TEST(OnnxBlocksCheck, RefusesTheFirstScaleOrZeroPointThatCannotBe) {
  const Encoding encoding = encoding_of("onnx_blocks", {4, 32, false});
  const std::vector<float> weights(32 * 6, 1.0F);
  Tensor tensor = Tensor::encoded(encoding, weights);
  const auto check = [&] {
    const Planes planes = tensor.spans();
    return encoding.codec->check({planes[0], planes[1], planes[2], planes[3]}, encoding.parameters, weights.size());
  };
  EXPECT_TRUE(check().ok());
  tensor.plane(2)[4] = 16;
  EXPECT_EQ(check().position, 4U * 32);
  const float infinity = std::numeric_limits<float>::infinity();
  std::memcpy(&tensor.plane(1)[8], &infinity, 4);
  EXPECT_EQ(check().code, StatusCode::kInvalidPlanes);
  EXPECT_EQ(check().position, 2U * 32);
}

}  // namespace
}  // namespace arrowquant::testing
