#include "engine/work.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/half.h"
#include "simd/half_arrays.h"
#include "test_host.h"

namespace arrowquant {
namespace {

using testing::sample_weights;

/// More than a piece, and whole blocks.
constexpr size_t kWeights = kPieceWeights + 512;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

const uint8_t* bytes_of(const std::vector<float>& weights) { return reinterpret_cast<const uint8_t*>(weights.data()); }

/// An input for a Work, and the weights that it stands for.
struct Source {
  std::vector<uint8_t> bytes;
  std::vector<float> weights;
  Work work;  ///< the fields that tell what the input is
};

Source fp8_source(FloatType type, float scale) {
  Source source;
  source.bytes.resize(kWeights);
  // No code with all exponent bits set: those are NaN, infinities, and in E4M3 the numbers from 256 on.
  for (size_t i = 0; i < kWeights; ++i) source.bytes[i] = static_cast<uint8_t>((i * 37 % 0x78) | (i % 2) << 7);
  source.weights.resize(kWeights);
  (type == FloatType::kF8E4M3 ? e4m3_to_float_reference : e5m2_to_float_reference)(source.bytes.data(), source.weights);
  for (float& weight : source.weights) weight *= scale;
  source.work.source = type;
  source.work.source_scale = scale;
  return source;
}

Source half_source(float scale) {
  Source source;
  source.bytes.resize(2 * kWeights);
  float_to_half(sample_weights(kWeights, 3), source.bytes.data());
  source.weights.resize(kWeights);
  half_to_float_reference(source.bytes.data(), source.weights);
  for (float& weight : source.weights) weight *= scale;
  source.work.source = FloatType::kF16;
  source.work.source_scale = scale;
  return source;
}

Source float_source(float scale) {
  Source source;
  source.weights = sample_weights(kWeights, 4);
  source.bytes.resize(4 * kWeights);
  std::memcpy(source.bytes.data(), source.weights.data(), source.bytes.size());
  for (float& weight : source.weights) weight *= scale;
  source.work.source_scale = scale;
  return source;
}

Source block_source(const BlockFormat& format) {
  Source source;
  source.bytes.resize(kWeights / format.block_weights * format.block_bytes);
  EXPECT_TRUE(format.encode(sample_weights(kWeights, 5), source.bytes).ok());
  source.weights.resize(kWeights);
  format.decode_reference(source.bytes, source.weights);
  source.work.source_format = &format;
  return source;
}

std::vector<Source> all_sources() {
  std::vector<Source> sources = {fp8_source(FloatType::kF8E4M3, 1),
                                 fp8_source(FloatType::kF8E4M3, 0.013F),
                                 fp8_source(FloatType::kF8E5M2, 1),
                                 fp8_source(FloatType::kF8E5M2, -3e-5F),
                                 half_source(1.7F),
                                 float_source(0.3F)};
  for (const BlockFormat* format : block_formats()) sources.push_back(block_source(*format));
  return sources;
}

/// `work` on plain floats, which the other sources must equal.
Work on_floats(Work work, const std::vector<float>& weights) {
  work.source = FloatType::kF32;
  work.source_scale = 1;
  work.source_format = nullptr;
  work.input = bytes_of(weights);
  return work;
}

void expect_same_sums(const ErrorSums& a, const ErrorSums& b) {
  EXPECT_EQ(a.squared_error, b.squared_error);
  EXPECT_EQ(a.squared_original, b.squared_original);
  EXPECT_EQ(a.squared_restored, b.squared_restored);
  EXPECT_EQ(a.dot, b.dot);
  EXPECT_EQ(a.max_error, b.max_error);
  EXPECT_EQ(a.weights, b.weights);
}

TEST(WorkBytes, AreThoseOfEachOperation) {
  Work work;
  work.weights = 1000;
  work.source = FloatType::kF16;
  work.affine = {4, 64, false};
  const auto list = [](const NeededBytes& bytes) {
    return std::array{bytes.input, bytes.output, bytes.encoded, bytes.scales, bytes.zero_points};
  };
  using List = std::array<uint64_t, 5>;
  EXPECT_EQ(list(needed_bytes(work)), (List{2000, 0, 500, 64, 16}));
  work.affine.group_size = 0;
  EXPECT_EQ(list(needed_bytes(work)), (List{2000, 0, 500, 4, 1}));
  work.operation = Operation::kEncodeAffineScaled;
  EXPECT_EQ(list(needed_bytes(work)), (List{2000, 0, 500, 0, 0}));
  work.operation = Operation::kScanAffine;
  EXPECT_EQ(list(needed_bytes(work)), (List{2000, 0, 0, 0, 0}));
  work.operation = Operation::kDecodeAffine;
  EXPECT_EQ(list(needed_bytes(work)), (List{0, 4000, 500, 4, 1}));
  work.operation = Operation::kConvert;
  EXPECT_EQ(list(needed_bytes(work)), (List{2000, 4000, 0, 0, 0}));
  work.weights = 320;
  work.format = find_block_format("Q8_0");
  work.operation = Operation::kEncodeBlock;
  EXPECT_EQ(list(needed_bytes(work)), (List{640, 0, 340, 0, 0}));
  work.operation = Operation::kDecodeBlock;
  EXPECT_EQ(list(needed_bytes(work)), (List{0, 1280, 340, 0, 0}));
  work.weights = 0;
  EXPECT_EQ(list(needed_bytes(work)), (List{0, 0, 0, 0, 0}));
}

TEST(WorkBytes, OfMoreWeightsThanAddressesAreNotSmall) {
  Work work;
  work.weights = std::numeric_limits<uint32_t>::max();
  EXPECT_EQ(needed_bytes(work).input, uint64_t{0xFFFFFFFF} * 4);
  work.operation = Operation::kDecodeBlock;
  work.format = find_block_format("Q8_0");
  EXPECT_EQ(needed_bytes(work).output, uint64_t{0xFFFFFFFF} * 4);
  EXPECT_EQ(needed_bytes(work).encoded, uint64_t{0xFFFFFFFF} / 32 * 34);
}

TEST(WorkSources, EncodeToBlocksLikeTheirFloats) {
  Scratch scratch;
  for (const Source& source : all_sources()) {
    for (const std::string_view name : {"Q8_0", "Q4_0", "Q4_K"}) {
      Work work = source.work;
      work.operation = Operation::kEncodeBlock;
      work.format = find_block_format(name);
      work.weights = kWeights;
      work.measure = true;
      work.input = source.bytes.data();
      std::vector<uint8_t> blocks(static_cast<size_t>(encoded_bytes(work, kWeights)));
      std::vector<uint8_t> expected(blocks.size());
      work.encoded = blocks.data();
      const Outcome outcome = execute(work, scratch);
      work.encoded = expected.data();
      const Outcome plain = execute(on_floats(work, source.weights), scratch);
      ASSERT_TRUE(outcome.status.ok());
      EXPECT_EQ(blocks, expected) << name;
      expect_same_sums(outcome.error, plain.error);
    }
  }
}

TEST(WorkSources, EncodeInGroupsAndWholeLikeTheirFloats) {
  Scratch scratch;
  for (const Source& source : all_sources()) {
    for (const uint32_t group_size : {32U, 0U}) {
      Work work = source.work;
      work.affine = {4, group_size, false};
      work.weights = kWeights;
      work.input = source.bytes.data();
      const size_t groups = group_size == 0 ? 1 : kWeights / group_size;
      std::vector<uint8_t> levels(kWeights / 2);
      std::vector<uint8_t> zero_points(groups);
      std::vector<float> scales(groups);
      work.encoded = levels.data();
      work.zero_points = zero_points.data();
      work.scales = scales.data();
      ASSERT_TRUE(execute(work, scratch).status.ok());
      const auto found = std::tuple(levels, zero_points, scales);
      ASSERT_TRUE(execute(on_floats(work, source.weights), scratch).status.ok());
      EXPECT_EQ(found, std::tuple(levels, zero_points, scales));
    }
  }
}

TEST(WorkSources, SlicesReadWhereTheWholeDoes) {
  Scratch scratch;
  for (const Source& source : all_sources()) {
    Work work = source.work;
    work.operation = Operation::kConvert;
    work.weights = kWeights;
    work.input = source.bytes.data();
    std::vector<float> converted(kWeights);
    work.output = reinterpret_cast<uint8_t*>(converted.data());
    for (size_t first = 0; first < kWeights; first += 512) {
      ASSERT_TRUE(execute(slice(work, first, 512), scratch).status.ok());
    }
    EXPECT_EQ(std::memcmp(converted.data(), source.weights.data(), kWeights * sizeof(float)), 0);
  }
}

TEST(WorkSources, NanOfFp8IsFoundWhereItIs) {
  Scratch scratch;
  for (const FloatType type : {FloatType::kF8E4M3, FloatType::kF8E5M2}) {
    Source source = fp8_source(type, 1);
    source.bytes[kPieceWeights + 77] = 0xFF;
    Work work = source.work;
    work.operation = Operation::kEncodeBlock;
    work.format = find_block_format("Q8_0");
    work.weights = kWeights;
    work.input = source.bytes.data();
    std::vector<uint8_t> blocks(static_cast<size_t>(encoded_bytes(work, kWeights)));
    work.encoded = blocks.data();
    const Status status = execute(work, scratch).status;
    EXPECT_EQ(status.code, StatusCode::kNotFinite);
    EXPECT_EQ(status.position, kPieceWeights + 77);
  }
}

Status convert(const std::vector<float>& weights, FloatType target, bool checked) {
  Scratch scratch;
  std::vector<uint8_t> output(weights.size() * 4);
  Work work;
  work.operation = Operation::kConvert;
  work.target = target;
  work.weights = weights.size();
  work.input = bytes_of(weights);
  work.output = output.data();
  work.checked = checked;
  return execute(work, scratch).status;
}

bool becomes_infinite(float weight, FloatType target) {
  if (target == FloatType::kF16) return std::isinf(half_to_float(float_to_half(weight)));
  if (target == FloatType::kBF16) return std::isinf(bfloat16_to_float(float_to_bfloat16(weight)));
  return false;
}

constexpr std::array kTargets = {FloatType::kF32, FloatType::kF16, FloatType::kBF16};

TEST(WorkChecked, RefusesExactlyWhatBecomesInfinite) {
  for (const FloatType target : kTargets) {
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
  for (const FloatType target : kTargets) {
    const Status status = convert(weights, target, true);
    EXPECT_EQ(status.code, target == FloatType::kF16 ? StatusCode::kFloatOverflow : StatusCode::kNotFinite);
    EXPECT_EQ(status.position, target == FloatType::kF16 ? 4990U : 4999U);
  }
}

TEST(WorkChecked, NotFiniteIsRefusedForEveryTarget) {
  for (const FloatType target : kTargets) {
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

}  // namespace
}  // namespace arrowquant
