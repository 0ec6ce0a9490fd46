#include "codecs/affine/affine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "codecs/affine/affine_plain.h"
#include "codecs/weight_sets.h"

namespace arrowquant::testing {
namespace {

constexpr uint32_t kBitWidths[] = {2, 4, 8};
constexpr uint32_t kGroupSizes[] = {32, 64, 128, 256};

std::string describe(const CodecParameters& parameters, size_t weights) {
  return std::to_string(parameters.bits) + " bits, groups of " + std::to_string(parameters.group_size) +
         (parameters.symmetric ? ", symmetric, " : ", asymmetric, ") + std::to_string(weights) + " weights";
}

template <typename Visit>
void for_all_parameters(Visit visit) {
  for (const uint32_t bits : kBitWidths) {
    for (const uint32_t group_size : kGroupSizes) {
      for (const bool symmetric : {false, true}) visit(CodecParameters{bits, group_size, symmetric});
    }
  }
}

/// Bit patterns: 0 and −0 differ.
void expect_same_bits(std::span<const float> actual, std::span<const float> expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(actual[i]), std::bit_cast<uint32_t>(expected[i]))
        << "at " << i << ": " << actual[i] << " and " << expected[i];
  }
}

void expect_same(const Encoded& actual, const Encoded& expected) {
  expect_same_bits(actual.scales, expected.scales);
  ASSERT_EQ(actual.zero_points, expected.zero_points);
  ASSERT_EQ(actual.packed, expected.packed);
}

/// In its own allocation, so that the address sanitizer sees a read or a write past the end.
std::unique_ptr<float[]> exact_copy(std::span<const float> weights) {
  std::unique_ptr<float[]> copy(new float[weights.size()]);
  std::copy(weights.begin(), weights.end(), copy.get());
  return copy;
}

void expect_all_agree(std::span<const float> weights, const CodecParameters& parameters) {
  SCOPED_TRACE(describe(parameters, weights.size()));
  const auto copy = exact_copy(weights);
  const std::span<const float> input(copy.get(), weights.size());
  const Encoded plain = PlainAffine(parameters.bits, parameters.symmetric).encode(weights, parameters.group_size);
  Encoded scalar(weights.size(), parameters.bits, parameters.group_size);
  Encoded simd(weights.size(), parameters.bits, parameters.group_size);
  std::fill(simd.packed.begin(), simd.packed.end(), uint8_t{0xFF});
  ASSERT_TRUE(encode_affine_reference(input, parameters, scalar.output()).ok());
  ASSERT_TRUE(encode_affine(input, parameters, simd.output()).ok());
  expect_same(scalar, plain);
  expect_same(simd, plain);
}

TEST(Affine, EqualsThePlainFormulaAtEverySizeAroundTheEdges) {
  const std::vector<float> weights = weight_sets(2100, 1).front().weights;
  for_all_parameters([&](const CodecParameters& parameters) {
    const size_t group = parameters.group_size;
    const size_t block = 4 * group;
    for (const size_t size :
         {size_t{0},  size_t{1},  size_t{2},  size_t{3}, size_t{4},     size_t{5},     size_t{7},
          size_t{15}, size_t{31}, size_t{33}, group - 1, group,         group + 1,     2 * group + 9,
          3 * group,  block - 1,  block,      block + 1, block + group, 2 * block - 3, 2 * block}) {
      expect_all_agree(std::span(weights).first(size), parameters);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

TEST(Affine, EqualsThePlainFormulaOnAwkwardWeights) {
  for (const WeightSet& set : weight_sets(1024 + 77, 2)) {
    SCOPED_TRACE(set.name);
    for_all_parameters([&](const CodecParameters& parameters) { expect_all_agree(set.weights, parameters); });
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(Affine, EqualsThePlainFormulaOnRandomBitPatternsOfEveryMagnitude) {
  Random random(3);
  for (int round = 0; round < 60; ++round) {
    std::vector<float> weights(random.below(1500));
    const int exponent = static_cast<int>(random.below(250)) - 125;
    for (float& x : weights) x = std::ldexp(random.normal(), exponent) * (random.below(50) == 0 ? 30.0F : 1.0F);
    for (float& x : weights) x = std::isfinite(x) ? x : 1.0F;
    for_all_parameters([&](const CodecParameters& parameters) { expect_all_agree(weights, parameters); });
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(Affine, KnownAsymmetricGroup) {
  const std::vector<float> weights = {-1.0F, 0.0F, 0.5F, 2.0F};
  Encoded encoded(4, 4, 32);
  ASSERT_TRUE(encode_affine(weights, {4, 32, false}, encoded.output()).ok());
  EXPECT_EQ(encoded.scales, std::vector<float>{0.2F});
  EXPECT_EQ(encoded.zero_points, std::vector<uint8_t>{5});
  // 0, 5, rne(2.5) + 5 = 7, 15; the first of a byte in its low bits.
  EXPECT_EQ(encoded.packed, (std::vector<uint8_t>{0x50, 0xF7}));
}

TEST(Affine, KnownSymmetricGroupHasNegativeScaleForAPositiveExtreme) {
  const std::vector<float> weights = {4.0F, -4.0F, 1.0F, -0.5F};
  Encoded encoded(4, 4, 32);
  ASSERT_TRUE(encode_affine(weights, {4, 32, true}, encoded.output()).ok());
  EXPECT_EQ(encoded.scales, std::vector<float>{-0.5F});
  EXPECT_EQ(encoded.zero_points, std::vector<uint8_t>{8});
  // 0, 16 clamped to 15, 6, 9.
  EXPECT_EQ(encoded.packed, (std::vector<uint8_t>{0xF0, 0x96}));
}

TEST(Affine, VanishingScaleBecomesOneWithEveryLevelAtTheZeroPoint) {
  const std::vector<float> weights(40, std::numeric_limits<float>::denorm_min());
  for (const bool symmetric : {false, true}) {
    Encoded encoded(40, 8, 32);
    ASSERT_TRUE(encode_affine(weights, {8, 32, symmetric}, encoded.output()).ok());
    EXPECT_EQ(encoded.scales, (std::vector<float>{1.0F, 1.0F}));
    const uint8_t zero_point = symmetric ? 128 : 0;
    EXPECT_EQ(encoded.zero_points, (std::vector<uint8_t>{zero_point, zero_point}));
    EXPECT_EQ(encoded.packed, std::vector<uint8_t>(40, zero_point));
  }
}

TEST(Affine, UnusedBitsOfTheLastByteAreZero) {
  const std::vector<float> weights(33, 1.0F);
  Encoded two(33, 2, 32);
  ASSERT_TRUE(encode_affine(weights, {2, 32, false}, two.output()).ok());
  EXPECT_EQ(two.packed.back(), 0x03);
  Encoded four(33, 4, 64);
  ASSERT_TRUE(encode_affine(weights, {4, 64, false}, four.output()).ok());
  EXPECT_EQ(four.packed.back(), 0x0F);
}

TEST(Affine, NamesTheFirstWeightThatIsNotFiniteWhereverItIs) {
  const std::vector<float> weights = weight_sets(600, 4).front().weights;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const float signalling = std::bit_cast<float>(0xFF800001U);
  Encoded encoded(600, 4, 64);
  for (size_t at = 0; at < weights.size(); ++at) {
    for (const float bad : {nan, -nan, infinity, -infinity, signalling}) {
      std::vector<float> broken = weights;
      std::memcpy(&broken[at], &bad, sizeof(bad));
      broken[std::min(at + 100, broken.size() - 1)] = bad;
      for (const auto encode : {encode_affine, encode_affine_reference}) {
        const Status status = encode(broken, {4, 64, at % 2 == 0}, encoded.output());
        ASSERT_EQ(status.code, StatusCode::kNotFinite) << "at " << at << ": " << bad;
        ASSERT_EQ(status.position, at);
      }
    }
  }
}

TEST(Affine, NanIsFoundAtEveryBitWidthInEveryLane) {
  for_all_parameters([](const CodecParameters& parameters) {
    const size_t size = 4 * parameters.group_size + 35;
    for (size_t at = 0; at < size; ++at) {
      std::vector<float> weights(size, 0.25F);
      weights[at] = std::bit_cast<float>(at % 2 == 0 ? 0x7FFFFFFFU : 0xFFC00000U);
      Encoded encoded(size, parameters.bits, parameters.group_size);
      const Status status = encode_affine(weights, parameters, encoded.output());
      ASSERT_EQ(status.code, StatusCode::kNotFinite) << describe(parameters, size);
      ASSERT_EQ(status.position, at);
    }
  });
}

TEST(Affine, RefusesSizesThatDoNotFit) {
  const std::vector<float> weights(64, 1.0F);
  Encoded encoded(64, 4, 32);
  const auto code = [&](const CodecParameters& parameters) {
    const StatusCode simd = encode_affine(weights, parameters, encoded.output()).code;
    EXPECT_EQ(encode_affine_reference(weights, parameters, encoded.output()).code, simd);
    return simd;
  };
  EXPECT_EQ(code({4, 32, false}), StatusCode::kOk);
  EXPECT_EQ(code({3, 32, false}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({8, 32, false}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({4, 64, false}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({4, 0, false}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({4, 48, false}), StatusCode::kInvalidArgument);
}

TEST(Affine, PiecesOfWholeGroupsGiveTheBytesOfTheWhole) {
  const std::vector<float> weights = weight_sets(5000, 5).front().weights;
  for_all_parameters([&](const CodecParameters& parameters) {
    Encoded whole(weights.size(), parameters.bits, parameters.group_size);
    Encoded pieces(weights.size(), parameters.bits, parameters.group_size);
    ASSERT_TRUE(encode_affine(weights, parameters, whole.output()).ok());
    for (size_t at = 0; at < weights.size(); at += 768) {
      const size_t count = std::min<size_t>(768, weights.size() - at);
      const size_t first = at / parameters.group_size;
      const size_t groups = affine_group_count(count, parameters.group_size);
      const AffineOutput output = {
          std::span(pieces.packed).subspan(at * parameters.bits / 8, affine_packed_bytes(count, parameters.bits)),
          std::span(pieces.scales).subspan(first, groups), std::span(pieces.zero_points).subspan(first, groups)};
      ASSERT_TRUE(encode_affine(std::span(weights).subspan(at, count), parameters, output).ok());
    }
    expect_same(pieces, whole);
  });
}

TEST(Affine, RoundTripErrorIsAtMostHalfAStep) {
  for (const WeightSet& set : weight_sets(1024 + 77, 6)) {
    SCOPED_TRACE(set.name);
    for_all_parameters([&](const CodecParameters& parameters) {
      Encoded encoded(set.weights.size(), parameters.bits, parameters.group_size);
      ASSERT_TRUE(encode_affine(set.weights, parameters, encoded.output()).ok());
      std::vector<float> restored(set.weights.size());
      decode_affine({encoded.packed, encoded.scales, encoded.zero_points}, parameters, restored);
      for (size_t i = 0; i < restored.size(); ++i) {
        const double step = std::fabs(encoded.scales[i / parameters.group_size]);
        // The last level but one may be the largest float, and the last lie beyond it.
        if (std::isinf(restored[i])) {
          ASSERT_GT(std::fabs(set.weights[i]) + step, FLT_MAX);
          continue;
        }
        const double error = std::fabs(double{restored[i]} - double{set.weights[i]});
        // Symmetric: what lies opposite of the extreme is clamped by up to a whole step. Asymmetric: both ends may
        // round away from zero together, which costs the upper end the same.
        const double slack = (1 << parameters.bits) * step * 0x1p-21;
        const int level = PlainAffine(parameters.bits, parameters.symmetric).get_level(encoded.packed, i);
        const bool clamped = level == (1 << parameters.bits) - 1;
        ASSERT_LE(error, clamped ? step + slack : step / 2 + slack) << describe(parameters, i);
      }
    });
  }
}

}  // namespace
}  // namespace arrowquant::testing
