#include <gtest/gtest.h>

#include <memory>

#include "codecs/affine/affine.h"
#include "codecs/affine/affine_plain.h"
#include "codecs/weight_sets.h"

namespace arrowquant::testing {
namespace {

/// Any bytes are levels; scales and zero points are arbitrary too.
Encoded random_encoding(size_t weights, uint32_t bits, uint32_t group_size, uint64_t seed) {
  Random random(seed);
  Encoded encoded(weights, bits, group_size);
  for (uint8_t& byte : encoded.packed) byte = static_cast<uint8_t>(random.bits());
  for (float& scale : encoded.scales) scale = random.any_finite();
  for (uint8_t& zero_point : encoded.zero_points) zero_point = static_cast<uint8_t>(random.bits());
  return encoded;
}

void expect_decodes_plainly(const Encoded& encoded, size_t weights, uint32_t bits, uint32_t group_size) {
  const PlainAffine plain(bits, false);
  const AffineInput input = {encoded.packed, encoded.scales, encoded.zero_points};
  for (const auto decode : {decode_affine, decode_affine_reference}) {
    const std::unique_ptr<float[]> restored(new float[weights]);
    decode(input, {bits, group_size, false}, {restored.get(), weights});
    const uint32_t step = group_size == 0 ? 1U << 30 : group_size;
    for (size_t i = 0; i < weights; ++i) {
      const float expected = plain.decode(encoded, i, step);
      ASSERT_EQ(std::bit_cast<uint32_t>(restored[i]), std::bit_cast<uint32_t>(expected))
          << bits << " bits, groups of " << group_size << ", weight " << i << " of " << weights;
    }
  }
}

TEST(AffineDecode, EqualsThePlainFormulaForAnyBytes) {
  for (const uint32_t bits : {2U, 4U, 8U}) {
    for (const uint32_t group_size : {32U, 64U, 128U, 256U}) {
      for (const size_t weights : {size_t{0}, size_t{1}, size_t{3}, size_t{31}, size_t{32}, size_t{33}, size_t{63},
                                   size_t{255}, size_t{256}, size_t{257}, size_t{1000}, size_t{1024}}) {
        expect_decodes_plainly(random_encoding(weights, bits, group_size, weights + bits), weights, bits, group_size);
      }
    }
  }
}

TEST(AffineDecode, GroupSizeZeroIsOneScaleForAll) {
  for (const uint32_t bits : {2U, 4U, 8U}) {
    for (const size_t weights : {size_t{1}, size_t{33}, size_t{777}, size_t{4096}}) {
      const Encoded encoded = random_encoding(weights, bits, 1U << 30, weights);
      ASSERT_EQ(encoded.scales.size(), 1U);
      expect_decodes_plainly(encoded, weights, bits, 0);
    }
  }
}

TEST(AffineDecode, EncodingWhatWasDecodedGivesTheSameLevels) {
  const std::vector<float> weights = weight_sets(1000, 7).front().weights;
  for (const uint32_t bits : {2U, 4U, 8U}) {
    for (const bool symmetric : {false, true}) {
      const CodecParameters parameters = {bits, 128, symmetric};
      Encoded first(weights.size(), bits, 128);
      ASSERT_TRUE(encode_affine(weights, parameters, first.output()).ok());
      std::vector<float> restored(weights.size());
      decode_affine({first.packed, first.scales, first.zero_points}, parameters, restored);
      std::vector<uint8_t> again(first.packed.size());
      for (size_t g = 0; g < first.scales.size(); ++g) {
        const size_t count = std::min<size_t>(128, weights.size() - g * 128);
        ASSERT_TRUE(encode_affine_scaled(std::span(restored).subspan(g * 128, count), bits,
                                         {first.scales[g], first.zero_points[g]},
                                         std::span(again).subspan(g * 16 * bits, affine_packed_bytes(count, bits)))
                        .ok());
      }
      EXPECT_EQ(again, first.packed);
    }
  }
}

}  // namespace
}  // namespace arrowquant::testing
