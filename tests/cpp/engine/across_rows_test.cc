#include "engine/across_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/work.h"
#include "tensor.h"
#include "test_host.h"

namespace arrowquant {
namespace {

using testing::encoding_of;
using testing::sample_weights;
using testing::Tensor;
using testing::transcoding;

/// Rows that fill no block, and columns that fill no tile and no group of any source.
constexpr size_t kColumns = 139;

Work matrix_work(Tensor& source, Tensor& target, size_t rows) {
  Work work = transcoding(source, target);
  work.row_weights = kColumns;
  work.rows = rows;
  return work;
}

size_t filled_up(size_t rows, uint32_t block) { return (rows + block - 1) / block * block; }

/// Zeros behind `rows` rows.
std::vector<float> matrix(size_t rows, uint32_t block, uint32_t seed) {
  std::vector<float> weights = sample_weights(rows * kColumns, seed);
  weights.resize(filled_up(rows, block) * kColumns, 0.0F);
  return weights;
}

Tensor expected_of(Encoding encoding, std::span<const float> weights, size_t rows) {
  EncodeContext context;
  context.row_weights = kColumns;
  context.rows = rows;
  return Tensor::encoded(encoding, weights, context);
}

/// A source of any encoding, also of those that are read only.
Tensor source_of(const Encoding& encoding, const std::vector<float>& weights) {
  if (encoding.codec->encode != nullptr) return Tensor::encoded(encoding, weights);
  Tensor tensor(encoding, weights.size());
  const std::span<uint8_t> elements = tensor.plane(0);
  for (size_t i = 0; i < elements.size(); ++i) elements[i] = static_cast<uint8_t>(i * 37 % 251);
  const std::span<uint8_t> scales = tensor.plane(1);
  for (size_t i = 0; i < scales.size() / sizeof(float); ++i) {
    const float scale = 0.25F + 0.125F * static_cast<float>(i % 7);
    std::memcpy(&scales[i * sizeof(float)], &scale, sizeof(float));
  }
  return tensor;
}

TEST(WorkAcrossRows, AnySourceGivesTheBytesOfItsFloats) {
  Scratch scratch;
  for (const Encoding& from : {encoding_of("F32"), encoding_of("F16"), encoding_of("BF16"), encoding_of("onnx_f16"),
                               testing::affine_encoding(8, 64), encoding_of("I4_ROTATED", {0, 256, false})}) {
    for (const CodecParameters parameters : {CodecParameters{2, 16, true}, CodecParameters{4, 32, false},
                                             CodecParameters{8, 64, true}, CodecParameters{2, 256, false}}) {
      const size_t rows = 5 * parameters.group_size / 2 + 1;
      for (const bool measure : {false, true}) {
        SCOPED_TRACE(std::string(from.codec->name) + ' ' + std::to_string(parameters.group_size));
        Tensor source = source_of(from, matrix(rows, parameters.group_size, 3));
        Tensor target(encoding_of("onnx_blocks", parameters), source.weights());
        Work work = matrix_work(source, target, rows);
        work.measure = measure;
        ASSERT_TRUE(execute(work, scratch).status.ok());
        EXPECT_EQ(target.bytes(), expected_of(encoding_of("onnx_blocks", parameters), source.decoded(), rows).bytes());
      }
    }
  }
}

TEST(WorkAcrossRows, MeasuresAllRowsButThoseThatFillUp) {
  Scratch scratch;
  const CodecParameters parameters = {4, 32, true};
  constexpr size_t kRows = 70;
  const std::vector<float> weights = matrix(kRows, 32, 4);
  Tensor source = Tensor::of_floats(weights);
  Tensor target(encoding_of("onnx_blocks", parameters), weights.size());
  Work work = matrix_work(source, target, kRows);
  work.measure = true;
  const ErrorSums error = execute(work, scratch).error;
  const std::vector<float> units = target.decoded();
  double squared = 0;
  double original = 0;
  double most = 0;
  for (size_t row = 0; row < kRows; ++row) {
    for (size_t column = 0; column < kColumns; ++column) {
      const double x = weights[row * kColumns + column];
      const double difference = x - units[(row / 32 * kColumns + column) * 32 + row % 32];
      squared += difference * difference;
      original += x * x;
      most = std::max(most, std::abs(difference));
    }
  }
  EXPECT_EQ(error.weights, kRows * kColumns);
  EXPECT_NEAR(error.squared_error, squared, squared * 1e-12);
  EXPECT_NEAR(error.squared_original, original, original * 1e-12);
  EXPECT_DOUBLE_EQ(error.max_error, most);
}

TEST(WorkAcrossRows, MeasuresByTheImportanceOfRows) {
  Scratch scratch;
  constexpr size_t kRows = 70;
  const std::vector<float> weights = matrix(kRows, 32, 10);
  std::vector<float> importance(kRows);
  for (size_t row = 0; row < kRows; ++row) importance[row] = row % 3 == 0 ? 50.0F : 0.5F;
  Tensor source = Tensor::of_floats(weights);
  Tensor target(encoding_of("onnx_blocks", {4, 32, false}), weights.size());
  Work work = matrix_work(source, target, kRows);
  work.measure = true;
  work.effort = Effort::kBest;
  work.importance = importance;
  const ErrorSums error = execute(work, scratch).error;
  const std::vector<float> units = target.decoded();
  double weighted = 0;
  for (size_t row = 0; row < kRows; ++row) {
    for (size_t column = 0; column < kColumns; ++column) {
      const double restored = units[(row / 32 * kColumns + column) * 32 + row % 32];
      const double difference = weights[row * kColumns + column] - restored;
      weighted += importance[row] * difference * difference;
    }
  }
  EXPECT_NEAR(error.weighted_error, weighted, weighted * 1e-12);
  EXPECT_LT(error.weighted_error, error.reference_error);
}

TEST(WorkAcrossRows, ChunksWriteWhatTheWholeDoes) {
  Scratch scratch;
  for (const CodecParameters parameters :
       {CodecParameters{2, 16, false}, CodecParameters{4, 32, true}, CodecParameters{8, 256, false}}) {
    constexpr size_t kRows = 2500;
    const std::vector<float> weights = matrix(kRows, parameters.group_size, 5);
    for (const std::string_view name : {"F32", "F16"}) {
      Tensor source = Tensor::encoded(encoding_of(name), weights);
      Tensor target(encoding_of("onnx_blocks", parameters), weights.size());
      const Work work = matrix_work(source, target, kRows);
      ASSERT_TRUE(has_whole_rows(work));
      const size_t chunk = chunk_weights(work);
      EXPECT_EQ(chunk % (kColumns * parameters.group_size * 8 / parameters.bits), 0U);
      EXPECT_LT(chunk, weights.size());
      for (size_t first = 0; first < weights.size(); first += chunk) {
        const Work part = slice(work, first, std::min(chunk, weights.size() - first));
        EXPECT_TRUE(has_whole_rows(part));
        ASSERT_TRUE(execute(part, scratch).status.ok());
      }
      EXPECT_EQ(target.bytes(), expected_of(encoding_of("onnx_blocks", parameters), source.decoded(), kRows).bytes());
    }
  }
}

TEST(WorkAcrossRows, LevelsOfABytesLengthDependOnNoOtherBlock) {
  Tensor source = Tensor::of_floats(matrix(96, 32, 9));
  Tensor target(encoding_of("onnx_qdq4", {0, 32, true}), source.weights());
  Work work = matrix_work(source, target, 90);
  EXPECT_EQ(chunk_weights(work), kChunkWeights / (32 * kColumns) * (32 * kColumns));
  EXPECT_TRUE(has_whole_rows(slice(work, 32 * kColumns, 64 * kColumns)));
}

TEST(WorkAcrossRows, TellsTheFirstWeightThatIsNotFinite) {
  Scratch scratch;
  for (const bool measure : {false, true}) {
    for (const size_t at : {size_t{0}, size_t{138}, 33 * kColumns + 137, 95 * kColumns}) {
      std::vector<float> weights = matrix(96, 32, 6);
      weights[95 * kColumns + 1] = std::numeric_limits<float>::infinity();
      weights[at] = std::numeric_limits<float>::quiet_NaN();
      // Earlier in the strips of columns, though not in the rows.
      weights[at + kColumns > weights.size() ? at : (at / kColumns / 32 * 32 + 31) * kColumns] = weights[at];
      Tensor source = Tensor::of_floats(weights);
      Tensor target(encoding_of("onnx_blocks", {4, 32, false}), weights.size());
      Work work = matrix_work(source, target, 96);
      work.measure = measure;
      const Status status = execute(work, scratch).status;
      EXPECT_EQ(status.code, StatusCode::kNotFinite);
      EXPECT_EQ(status.position, at);
    }
  }
}

TEST(WorkAcrossRows, TellsTheFirstPlaneThatNoEncoderWrites) {
  Scratch scratch;
  Tensor source = Tensor::encoded(testing::affine_encoding(8, 32), matrix(64, 32, 7));
  reinterpret_cast<float*>(source.plane(1).data())[100] = std::numeric_limits<float>::quiet_NaN();
  Tensor target(encoding_of("onnx_blocks", {4, 32, false}), source.weights());
  Work work = matrix_work(source, target, 64);
  work.checks_planes = true;
  const Status status = execute(work, scratch).status;
  EXPECT_EQ(status.code, StatusCode::kInvalidPlanes);
  EXPECT_EQ(status.position, 3200U);
}

TEST(WorkAcrossRows, TakesOnlyWholeBlocksOfRows) {
  Tensor source = Tensor::of_floats(matrix(64, 32, 8));
  Tensor target(encoding_of("onnx_blocks", {4, 32, false}), source.weights());
  const Work whole = matrix_work(source, target, 64);
  EXPECT_TRUE(has_whole_rows(whole));
  const auto with = [&](auto change) {
    Work work = whole;
    change(work);
    return has_whole_rows(work);
  };
  EXPECT_FALSE(with([](Work& work) { work.row_weights = kColumns - 1; }));
  EXPECT_FALSE(with([](Work& work) { work.weights -= kColumns; }));
  EXPECT_FALSE(with([](Work& work) { work.first_column = 1; }));
  EXPECT_TRUE(with([](Work& work) { work.rows = 33; }));
  EXPECT_FALSE(with([](Work& work) { work.rows = 32; }));
  EXPECT_TRUE(with([](Work& work) { work.rows = 0; }));
  // The levels of a block in the middle of a byte of zero points may depend on the one above.
  EXPECT_FALSE(with([](Work& work) { work.first_row = 32; }));
  EXPECT_FALSE(with([](Work& work) { work.first_row = 64; }));
  EXPECT_TRUE(with([](Work& work) {
    work.first_row = 64;
    work.rows = 128;
  }));
}

}  // namespace
}  // namespace arrowquant
