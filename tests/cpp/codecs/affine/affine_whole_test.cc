// One group over everything: the extent first, in pieces, then the levels with the scale that it gives.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "codecs/affine/affine.h"
#include "codecs/affine/affine_plain.h"
#include "codecs/weight_sets.h"

namespace arrowquant::testing {
namespace {

WeightRange scan_in_pieces(std::span<const float> weights, size_t piece) {
  WeightRange range;
  for (size_t at = 0; at < weights.size(); at += piece) {
    WeightRange later;
    EXPECT_TRUE(scan_range(weights.subspan(at, std::min(piece, weights.size() - at)), later).ok());
    range.merge(later);
  }
  return range;
}

TEST(AffineWhole, ScannedAndScaledEqualsThePlainFormula) {
  for (const WeightSet& set : weight_sets(3000 + 5, 8)) {
    SCOPED_TRACE(set.name);
    const WeightRange range = scan_in_pieces(set.weights, 512);
    for (const uint32_t bits : {2U, 4U, 8U}) {
      for (const bool symmetric : {false, true}) {
        const Encoded plain = PlainAffine(bits, symmetric).encode(set.weights, 1U << 30);
        const AffineScale scale = affine_scale(range, bits, symmetric);
        ASSERT_EQ(scale.scale, plain.scales[0]);
        ASSERT_EQ(scale.zero_point, plain.zero_points[0]);
        for (const auto encode : {encode_affine_scaled, encode_affine_scaled_reference}) {
          std::vector<uint8_t> packed(plain.packed.size(), 0xFF);
          ASSERT_TRUE(encode(set.weights, bits, scale, packed).ok());
          ASSERT_EQ(packed, plain.packed) << bits << " bits";
        }
      }
    }
  }
}

TEST(AffineWhole, ScannedAndScaledEqualsOneGroupOfTheSameWeights) {
  for (const WeightSet& set : weight_sets(256, 9)) {
    SCOPED_TRACE(set.name);
    for (const uint32_t bits : {2U, 4U, 8U}) {
      for (const bool symmetric : {false, true}) {
        Encoded grouped(256, bits, 256);
        ASSERT_TRUE(encode_affine(set.weights, {bits, 256, symmetric}, grouped.output()).ok());
        const AffineScale scale = affine_scale(scan_in_pieces(set.weights, 64), bits, symmetric);
        std::vector<uint8_t> packed(grouped.packed.size());
        ASSERT_TRUE(encode_affine_scaled(set.weights, bits, scale, packed).ok());
        EXPECT_EQ(scale.scale, grouped.scales[0]);
        EXPECT_EQ(scale.zero_point, grouped.zero_points[0]);
        EXPECT_EQ(packed, grouped.packed);
      }
    }
  }
}

TEST(AffineWhole, ScaledClampsWeightsFarOutsideTheRange) {
  const std::vector<float> weights = {-3e38F, -1e20F, -5e6F, -20.0F, 0.0F, 20.0F, 5e6F, 1e10F, 3e38F};
  for (const uint32_t bits : {2U, 4U, 8U}) {
    for (const float scale : {1.0F, -1.0F, FLT_MIN, -FLT_MIN, 1e38F, 0.013F}) {
      const AffineScale known = {scale, 1};
      const PlainAffine plain(bits, false);
      std::vector<uint8_t> expected(affine_packed_bytes(weights.size(), bits));
      for (size_t i = 0; i < weights.size(); ++i) plain.put_level(expected, i, plain.level_of(weights[i], known));
      for (const auto encode : {encode_affine_scaled, encode_affine_scaled_reference}) {
        std::vector<uint8_t> packed(expected.size(), 0xFF);
        ASSERT_TRUE(encode(weights, bits, known, packed).ok());
        EXPECT_EQ(packed, expected) << bits << " bits, scale " << scale;
      }
    }
  }
}

TEST(AffineWhole, ScanAgreesWithItsReferenceAtEverySize) {
  const std::vector<float> weights = weight_sets(100, 10).front().weights;
  for (size_t size = 0; size <= weights.size(); ++size) {
    const std::unique_ptr<float[]> exact(new float[size]);
    std::copy_n(weights.begin(), size, exact.get());
    WeightRange simd;
    WeightRange scalar;
    ASSERT_TRUE(scan_range({exact.get(), size}, simd).ok());
    ASSERT_TRUE(scan_range_reference({exact.get(), size}, scalar).ok());
    float lo = 0.0F;
    float hi = 0.0F;
    for (size_t i = 0; i < size; ++i) {
      lo = std::min(lo, weights[i]);
      hi = std::max(hi, weights[i]);
    }
    for (const WeightRange& range : {simd, scalar}) {
      EXPECT_EQ(range.lo, lo);
      EXPECT_EQ(range.hi, hi);
      EXPECT_EQ(range.extreme, hi > -lo ? hi : lo);
    }
  }
}

TEST(AffineWhole, TheFirstExtremeWinsAcrossPieces) {
  std::vector<float> weights(300, 0.1F);
  weights[130] = -2.0F;
  weights[20] = 1.5F;
  weights[131] = 2.0F;
  weights[290] = 2.0F;
  for (const size_t piece : {1U, 7U, 64U, 131U, 300U})
    EXPECT_EQ(scan_in_pieces(weights, piece).extreme, -2.0F) << piece;
  weights[3] = 2.0F;
  for (const size_t piece : {1U, 7U, 64U, 131U, 300U}) EXPECT_EQ(scan_in_pieces(weights, piece).extreme, 2.0F) << piece;
}

TEST(AffineWhole, SumsThatOverflowAreNoError) {
  const std::vector<float> weights(500, FLT_MAX);
  WeightRange range;
  EXPECT_TRUE(scan_range(weights, range).ok());
  EXPECT_EQ(range.hi, FLT_MAX);
}

TEST(AffineWhole, ScanAndScaledNameTheFirstWeightThatIsNotFinite) {
  const std::vector<float> weights = weight_sets(200, 11).front().weights;
  for (size_t at = 0; at < weights.size(); ++at) {
    for (const uint32_t bad : {0x7FC00000U, 0xFFC00000U, 0x7F800001U, 0x7F800000U, 0xFF800000U}) {
      std::vector<float> broken = weights;
      broken[at] = std::bit_cast<float>(bad);
      broken[199] = std::bit_cast<float>(bad);
      WeightRange range;
      std::vector<uint8_t> packed(50);
      const AffineScale scale = {0.01F, 1};
      for (const Status status :
           {scan_range(broken, range), scan_range_reference(broken, range),
            encode_affine_scaled(broken, 2, scale, packed), encode_affine_scaled_reference(broken, 2, scale, packed)}) {
        ASSERT_EQ(status.code, StatusCode::kNotFinite) << at;
        ASSERT_EQ(status.position, at);
      }
    }
  }
}

}  // namespace
}  // namespace arrowquant::testing
