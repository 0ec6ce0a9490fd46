#include "engine/work.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/half.h"
#include "row_codec.h"
#include "tensor.h"
#include "test_host.h"

namespace arrowquant {
namespace {

using testing::affine_encoding;
using testing::encoding_of;
using testing::kRowCodec;
using testing::sample_weights;
using testing::Tensor;
using testing::transcoding;

/// More than a piece, and whole blocks.
constexpr size_t kWeights = kPieceWeights + 512;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Every codec with some of its parameters.
std::vector<Encoding> all_encodings() {
  std::vector<Encoding> all;
  for (const Codec* codec : codecs()) {
    if (codec->name == "affine") continue;
    CodecParameters parameters;
    if (!codec->bits.empty()) parameters.bits = codec->bits[codec->bits.size() / 2];
    if (!codec->group_sizes.empty()) parameters.group_size = codec->group_sizes.back();
    all.push_back({codec, parameters});
  }
  for (const uint32_t bits : {2U, 4U, 8U}) {
    for (const uint32_t group_size : {32U, 256U, 0U}) all.push_back(affine_encoding(bits, group_size, bits == 4));
  }
  return all;
}

/// A tensor of any encoding, also of those that are read only.
Tensor tensor_of(const Encoding& encoding, uint32_t seed) {
  if (encoding.codec->encode != nullptr) return Tensor::encoded(encoding, sample_weights(kWeights, seed));
  Tensor tensor(encoding, kWeights);
  // No fp8 code with all exponent bits set: those are NaN, infinities, and in E4M3 the numbers from 256 on.
  const std::span<uint8_t> elements = tensor.plane(0);
  for (size_t i = 0; i < elements.size(); ++i) elements[i] = static_cast<uint8_t>((i * 37 % 0x78) | (i % 2) << 7);
  const std::span<uint8_t> scales = tensor.plane(1);
  for (size_t i = 0; i < scales.size() / sizeof(float); ++i) {
    const float scale = 0.25F + 0.125F * static_cast<float>(i % 7);
    std::memcpy(&scales[i * sizeof(float)], &scale, sizeof(float));
  }
  return tensor;
}

std::string name_of(const Encoding& encoding) {
  return std::string(encoding.codec->name) + ' ' + std::to_string(encoding.parameters.bits) + ' ' +
         std::to_string(encoding.parameters.group_size);
}

void expect_same_sums(const ErrorSums& a, const ErrorSums& b) {
  EXPECT_EQ(a.squared_error, b.squared_error);
  EXPECT_EQ(a.squared_original, b.squared_original);
  EXPECT_EQ(a.squared_restored, b.squared_restored);
  EXPECT_EQ(a.dot, b.dot);
  EXPECT_EQ(a.max_error, b.max_error);
  EXPECT_EQ(a.weights, b.weights);
}

TEST(WorkTranscode, AnySourceGivesAnyTargetTheBytesOfItsFloats) {
  Scratch scratch;
  const std::vector<Encoding> encodings = all_encodings();
  for (size_t one = 0; one < encodings.size(); ++one) {
    const Encoding& from = encodings[one];
    Tensor source = tensor_of(from, static_cast<uint32_t>(one));
    const std::array scales = {1.0F, -0.37F};
    const std::array decoded = {source.decoded(scales[0]), source.decoded(scales[1])};
    for (size_t other = 0; other < encodings.size(); ++other) {
      const Encoding& to = encodings[other];
      // Those that search take long under sanitizers: each of them meets every twelfth of the sources.
      if (to.codec->encode == nullptr || (to.codec->searches && (one + other) % 12 != 0)) continue;
      SCOPED_TRACE(name_of(from) + " to " + name_of(to));
      const size_t which = (one + other) / 12 % 2;
      Tensor target(to, kWeights);
      Work work = transcoding(source, target, scales.at(which));
      work.measure = true;
      const Outcome outcome = execute(work, scratch);
      ASSERT_TRUE(outcome.status.ok());
      const std::vector<float>& floats = decoded.at(which);
      EXPECT_EQ(target.bytes(), Tensor::encoded(to, floats).bytes());
      ErrorSums expected;
      const std::vector<float> restored = target.decoded();
      // Of a codec that works across rows each block of rows is a piece, here of one column.
      const size_t piece = to.codec->across_rows ? to.parameters.group_size : kPieceWeights;
      for (size_t at = 0; at < kWeights; at += piece) {
        const size_t count = std::min(piece, kWeights - at);
        expected.add(
            measure_error_reference(std::span(floats).subspan(at, count), std::span(restored).subspan(at, count)));
      }
      expect_same_sums(outcome.error, expected);
    }
  }
}

TEST(WorkTranscode, SlicesReadAndWriteWhereTheWholeDoes) {
  Scratch scratch;
  for (const Encoding& from : all_encodings()) {
    for (const Encoding& to : {affine_encoding(4, 32), encoding_of("Q4_0"), encoding_of("BF16")}) {
      Tensor source = tensor_of(from, 8);
      Tensor target(to, kWeights);
      const Work work = transcoding(source, target);
      for (size_t first = 0; first < kWeights; first += 512) {
        ASSERT_TRUE(execute(slice(work, first, 512), scratch).status.ok());
      }
      EXPECT_EQ(target.bytes(), Tensor::encoded(to, source.decoded()).bytes()) << name_of(from) << name_of(to);
    }
  }
}

TEST(WorkTranscode, PartsOfAOneGroupTensorShareWhatTheFirstOneWrites) {
  Scratch scratch;
  for (const bool measure : {false, true}) {
    const std::vector<float> weights = sample_weights(kWeights, 9);
    Tensor source = Tensor::of_floats(weights);
    Tensor target(affine_encoding(8, 0, true), kWeights);
    Work work = transcoding(source, target);
    work.has_range = true;
    work.measure = measure;
    ASSERT_TRUE(scan_range(weights, work.range).ok());
    EXPECT_EQ(chunk_weights(work), kChunkWeights);
    const std::vector<uint8_t> before = target.bytes()[1];
    ASSERT_TRUE(execute(slice(work, 512, kWeights - 512), scratch).status.ok());
    EXPECT_EQ(target.bytes()[1], before);
    ASSERT_TRUE(execute(slice(work, 0, 512), scratch).status.ok());
    EXPECT_EQ(target.bytes(), Tensor::encoded(affine_encoding(8, 0, true), weights).bytes());
  }
}

TEST(WorkTranscode, NanOfFp8IsFoundWhereItIs) {
  Scratch scratch;
  for (const std::string_view name : {"F8_E4M3", "F8_E5M2"}) {
    Tensor source = tensor_of(encoding_of(name), 1);
    source.plane(0)[kPieceWeights + 77] = 0xFF;
    Tensor target(encoding_of("Q8_0"), kWeights);
    const Status status = execute(transcoding(source, target), scratch).status;
    EXPECT_EQ(status.code, StatusCode::kNotFinite);
    EXPECT_EQ(status.position, kPieceWeights + 77);
  }
}

TEST(WorkTranscode, PlanesThatNoEncoderWritesAreRefusedWhenAsked) {
  Scratch scratch;
  for (const Verb verb : {Verb::kTranscode, Verb::kScan, Verb::kCompare}) {
    for (const size_t plane : {size_t{1}, size_t{2}}) {
      Tensor source = Tensor::encoded(affine_encoding(4, 32), sample_weights(kWeights, 2));
      if (plane == 1) reinterpret_cast<float*>(source.plane(1).data())[130] = kNan;
      if (plane == 2) source.plane(2)[130] = 16;
      Tensor target(encoding_of("F32"), kWeights);
      std::fill(target.plane(0).begin(), target.plane(0).end(), uint8_t{0});
      Work work = transcoding(source, target);
      work.verb = verb;
      work.checks_planes = true;
      const Status status = execute(work, scratch).status;
      EXPECT_EQ(status.code, StatusCode::kInvalidPlanes);
      EXPECT_EQ(status.position, 130U * 32);
      work.checks_planes = false;
      EXPECT_NE(execute(work, scratch).status.code, StatusCode::kInvalidPlanes);
    }
  }
}

Status convert(const std::vector<float>& weights, std::string_view to, bool checked) {
  Scratch scratch;
  Tensor source = Tensor::of_floats(weights);
  Tensor target(encoding_of(to), weights.size());
  Work work = transcoding(source, target);
  work.checked = checked;
  return execute(work, scratch).status;
}

bool becomes_infinite(float weight, std::string_view to) {
  if (to == "F16") return std::isinf(half_to_float(float_to_half(weight)));
  if (to == "BF16") return std::isinf(bfloat16_to_float(float_to_bfloat16(weight)));
  return false;
}

constexpr std::array<std::string_view, 3> kTargets = {"F32", "F16", "BF16"};

TEST(WorkChecked, RefusesExactlyWhatBecomesInfinite) {
  for (const std::string_view target : kTargets) {
    std::vector<float> candidates = {65504.0F,
                                     65520.0F,
                                     70000.0F,
                                     1e38F,
                                     std::numeric_limits<float>::max(),
                                     std::numeric_limits<float>::denorm_min()};
    for (const uint32_t bits : {0x477FF000U, 0x7F7F8000U}) {
      for (uint32_t near = bits - 3; near <= bits + 3; ++near) candidates.push_back(std::bit_cast<float>(near));
    }
    for (const float magnitude : candidates) {
      for (const float weight : {magnitude, -magnitude}) {
        std::vector<float> weights(kPieceWeights + 40, 1.0F);
        weights[kPieceWeights + 33] = weight;
        const Status status = convert(weights, target, true);
        const Status overflow = {StatusCode::kFloatOverflow, kPieceWeights + 33};
        const Status expected = becomes_infinite(weight, target) ? overflow : Status{};
        EXPECT_EQ(status.code, expected.code) << weight;
        EXPECT_EQ(status.position, expected.position) << weight;
        EXPECT_TRUE(convert(weights, target, false).ok());
      }
    }
  }
}

TEST(WorkChecked, TellsTheFirstOfSeveralFaults) {
  std::vector<float> weights(kPieceWeights * 2, 0.5F);
  weights[5000] = kNan;
  weights[4999] = kInfinity;
  weights[4990] = -1e38F;
  for (const std::string_view target : kTargets) {
    const Status status = convert(weights, target, true);
    EXPECT_EQ(status.code, target == "F16" ? StatusCode::kFloatOverflow : StatusCode::kNotFinite);
    EXPECT_EQ(status.position, target == "F16" ? 4990U : 4999U);
  }
}

TEST(WorkChecked, NotFiniteIsRefusedForEveryTarget) {
  for (const std::string_view target : kTargets) {
    for (const float bad : {kNan, -kNan, kInfinity, -kInfinity}) {
      std::vector<float> weights(100, 0.5F);
      weights[99] = bad;
      const Status status = convert(weights, target, true);
      EXPECT_EQ(status.code, StatusCode::kNotFinite);
      EXPECT_EQ(status.position, 99U);
      EXPECT_TRUE(convert(weights, target, false).ok());
    }
  }
}

Outcome compare(Tensor& a, Tensor& b, float scale = 1) {
  Scratch scratch;
  Work work = transcoding(a, b);
  work.verb = Verb::kCompare;
  work.target.scale = scale;
  return execute(work, scratch);
}

TEST(WorkCompare, SeesWhatTwoEncodingsOfTheSameWeightsHaveInCommon) {
  const std::vector<Encoding> encodings = all_encodings();
  std::vector<Tensor> tensors;
  for (const Encoding& encoding : encodings) tensors.push_back(tensor_of(encoding, 4));
  for (size_t one = 0; one < tensors.size(); ++one) {
    const std::vector<float> left = tensors[one].decoded();
    EXPECT_TRUE(compare(tensors[one], tensors[one]).comparison.equal);
    for (size_t other = 0; other < tensors.size(); ++other) {
      SCOPED_TRACE(name_of(encodings[one]) + " and " + name_of(encodings[other]));
      const Outcome outcome = compare(tensors[one], tensors[other], 2);
      ASSERT_TRUE(outcome.status.ok());
      const std::vector<float> right = tensors[other].decoded(2);
      EXPECT_EQ(outcome.comparison.equal, left == right);
      EXPECT_TRUE(outcome.comparison.finite);
      double squared = 0;
      for (size_t i = 0; i < kWeights; ++i) {
        const double difference = double{left[i]} - double{right[i]};
        squared += difference * difference;
      }
      EXPECT_NEAR(outcome.error.squared_error, squared, squared * 1e-9);
    }
  }
}

// --- Rows
// --------------------------------------------------------------------------------------------------------------

/// Rows within a piece, about as long, and longer than a chunk; none a multiple of 256.
constexpr std::array kRowLengths = {size_t{32}, size_t{96}, size_t{4064}, size_t{4128}, kChunkWeights + 32};
constexpr Encoding kRows = {&kRowCodec, {8, testing::kRowGroup, false}};

std::vector<float> importance_of(size_t row_weights) {
  std::vector<float> importance = sample_weights(row_weights, 77);
  for (float& one : importance) one = std::fabs(one) + 0.1F;
  return importance;
}

/// A Work about rows with importance and effort, from the 7th row on, and what it is to give.
struct RowsCase {
  std::vector<float> importance;
  Tensor source;
  Tensor target;
  Tensor expected;
  Work work;
  std::vector<float> room;

  RowsCase(const Encoding& from, size_t rows, size_t row_weights)
      : importance(importance_of(row_weights)),
        source(Tensor::encoded(from, sample_weights(rows * row_weights, 5))),
        target(kRows, rows * row_weights),
        expected(kRows, 0),
        work(transcoding(source, target)) {
    EncodeContext context;
    context.row_weights = row_weights;
    context.first_row = 7;
    context.importance = importance;
    context.effort = Effort::kBetter;
    expected = Tensor::encoded(kRows, source.decoded(), context);
    work.row_weights = row_weights;
    work.first_row = 7;
    work.importance = importance;
    work.effort = Effort::kBetter;
    work.measure = true;
    room.resize(row_room_floats(work));
    work.row_room = room.data();
  }
};

TEST(WorkRows, AreEncodedWholeWithImportanceFromEverySource) {
  Scratch scratch;
  for (const size_t row_weights : kRowLengths) {
    const size_t rows = row_weights > kChunkWeights ? 2 : 3 * kPieceWeights / row_weights + 2;
    for (const Encoding& from :
         {encoding_of("F32"), encoding_of("F16"), encoding_of("Q8_0"), affine_encoding(4, 256)}) {
      for (const bool measure : {false, true}) {
        SCOPED_TRACE(name_of(from) + ", rows of " + std::to_string(row_weights));
        RowsCase rows_case(from, rows, row_weights);
        rows_case.work.measure = measure;
        EXPECT_TRUE(has_whole_rows(rows_case.work));
        const Outcome outcome = execute(rows_case.work, scratch);
        ASSERT_TRUE(outcome.status.ok());
        EXPECT_EQ(rows_case.target.bytes(), rows_case.expected.bytes());
        if (measure) {
          EXPECT_EQ(outcome.error.weights, rows * row_weights);
        }
      }
    }
  }
}

TEST(WorkRows, SlicesBeginAtRowsAndInTheMiddleOfTheSourcesUnits) {
  Scratch scratch;
  for (const size_t row_weights : kRowLengths) {
    for (const Encoding& from : {encoding_of("F32"), encoding_of("Q4_0"), affine_encoding(2, 256)}) {
      const size_t rows = row_weights > kChunkWeights ? 3 : 40;
      RowsCase rows_case(from, rows, row_weights);
      EXPECT_EQ(chunk_weights(rows_case.work) % row_weights, 0U);
      for (size_t row = 0; row < rows; ++row) {
        const Work part = slice(rows_case.work, row * row_weights, row_weights);
        EXPECT_EQ(part.first_row, 7 + row);
        ASSERT_TRUE(execute(part, scratch).status.ok());
      }
      EXPECT_EQ(rows_case.target.bytes(), rows_case.expected.bytes()) << name_of(from) << row_weights;
    }
  }
}

TEST(WorkRows, ThatAreNotWholeAreSeen) {
  Tensor source(encoding_of("F32"), 96);
  Tensor target(kRows, 96);
  Work work = transcoding(source, target);
  EXPECT_FALSE(has_whole_rows(work));
  work.row_weights = 96;
  EXPECT_TRUE(has_whole_rows(work));
  work.row_weights = 48;
  EXPECT_FALSE(has_whole_rows(work)) << "half a block";
  work.row_weights = 64;
  EXPECT_FALSE(has_whole_rows(work)) << "half a row";
}

TEST(WorkRows, ColumnsGoOnWhereTheTargetNeedsNoRows) {
  Tensor source(encoding_of("F32"), 1000);
  Tensor target(affine_encoding(8, 32), 1000);
  Work work = transcoding(source, target);
  work.row_weights = 300;
  work.first_row = 2;
  const Work part = slice(work, 640, 100);
  EXPECT_EQ(part.first_row, 4U);
  EXPECT_EQ(part.first_column, 40U);
}

}  // namespace
}  // namespace arrowquant
