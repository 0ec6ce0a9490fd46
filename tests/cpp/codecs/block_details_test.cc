// What single formats do at their edges, by the bytes.

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/half.h"
#include "codecs/block_codecs.h"

namespace arrowquant {
namespace {

using testing::BlockCodec;
using testing::find_block_codec;

/// One block's bytes from both instances, which must agree.
std::vector<uint8_t> encode(std::string_view name, const std::vector<float>& weights) {
  const BlockCodec& codec = *find_block_codec(name);
  std::vector<uint8_t> bytes(weights.size() / codec.block_weights * codec.block_bytes);
  std::vector<uint8_t> reference(bytes.size());
  EXPECT_TRUE(codec.encode(weights, bytes).ok());
  EXPECT_TRUE(codec.encode_reference(weights, reference).ok());
  EXPECT_EQ(bytes, reference);
  return bytes;
}

std::vector<float> decode(std::string_view name, const std::vector<uint8_t>& bytes) {
  const BlockCodec& codec = *find_block_codec(name);
  std::vector<float> weights(bytes.size() / codec.block_bytes * codec.block_weights);
  codec.decode(bytes, weights);
  return weights;
}

/// Four blocks, so that a vector of them is filled: 32 times `rest`, but for the first weights.
std::vector<float> blocks_of(float rest, const std::vector<float>& first) {
  std::vector<float> weights(128, rest);
  for (size_t block = 0; block < 4; ++block) std::copy(first.begin(), first.end(), &weights[block * 32]);
  return weights;
}

uint16_t half_at(const std::vector<uint8_t>& bytes, size_t at) { return load_u16(&bytes[at]); }

TEST(Q4_0, AllZeroBlockHasANegativeZeroScaleAndLevelsOf8) {
  const auto bytes = encode("Q4_0", blocks_of(0.0F, {}));
  EXPECT_EQ(half_at(bytes, 0), 0x8000);
  for (size_t i = 2; i < 18; ++i) EXPECT_EQ(bytes[i], 0x88);
}

TEST(Q4_0, FirstOfTheLargestMagnitudesDecidesTheSign) {
  EXPECT_EQ(half_at(encode("Q4_0", blocks_of(0.0F, {0.5F, 8.0F, -8.0F})), 0), float_to_half(-1.0F));
  EXPECT_EQ(half_at(encode("Q4_0", blocks_of(0.0F, {0.5F, -8.0F, 8.0F})), 0), float_to_half(1.0F));
}

TEST(Q4_0, FirstAndSeventeenthWeightShareAByte) {
  auto weights = blocks_of(0.0F, {-8.0F, 1.0F});
  weights[16] = 7.0F;
  const auto bytes = encode("Q4_0", weights);
  EXPECT_EQ(bytes[2], 0xF0);
  EXPECT_EQ(bytes[3], 0x89);
}

TEST(Q4_0, OppositeExtremeIsClamped) { EXPECT_EQ(encode("Q4_0", blocks_of(0.0F, {-8.0F, 8.0F}))[3] & 15, 15); }

TEST(Q5_0, FifthBitsAreInWeightOrder) {
  auto weights = blocks_of(-16.0F, {});
  weights[3] = weights[20] = 15.0F;
  EXPECT_EQ(load_u32(&encode("Q5_0", weights)[2]), 1U << 3 | 1U << 20);
}

/// 1/scale overflows, and llama.cpp's integers made of infinities and NaN end in a zero byte.
TEST(BlocksOf32, ScalesTooSmallToDivideByHaveLevelsOf0) {
  const auto weights = blocks_of(0x1p-140F, {-0x1p-139F, 0.0F});
  for (const auto* name : {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"}) {
    for (const uint8_t byte : encode(name, weights)) EXPECT_EQ(byte & 0x7F, 0) << name;
  }
}

TEST(Q4_1, MinIsTheFirstOfZerosOfBothSigns) {
  EXPECT_EQ(half_at(encode("Q4_1", blocks_of(1.0F, {0.0F, -0.0F})), 2), 0x0000);
  EXPECT_EQ(half_at(encode("Q4_1", blocks_of(1.0F, {-0.0F, 0.0F})), 2), 0x8000);
  const auto zeros = encode("Q5_1", blocks_of(0.0F, {-0.0F}));
  EXPECT_EQ(half_at(zeros, 0), 0x0000);
  EXPECT_EQ(half_at(zeros, 2), 0x8000);
}

TEST(Q4_1, RangeOfOneSignIsNotStretchedToZero) {
  const auto bytes = encode("Q4_1", blocks_of(20.0F, {5.0F}));
  EXPECT_EQ(half_at(bytes, 0), float_to_half(1.0F));
  EXPECT_EQ(half_at(bytes, 2), float_to_half(5.0F));
  EXPECT_EQ(bytes[4], 0xF0);
}

TEST(Q4_1, RefusesAMinThatF16CannotHold) {
  const auto weights = blocks_of(-70000.0F, {-70001.0F});
  std::vector<uint8_t> bytes(4 * 20);
  EXPECT_EQ(find_block_codec("Q4_1")->encode(weights, bytes).code, StatusCode::kScaleOverflow);
  EXPECT_EQ(find_block_codec("Q4_1")->encode_reference(weights, bytes).code, StatusCode::kScaleOverflow);
}

TEST(Q8_0, RoundsHalfAwayFromZero) {
  const auto bytes = encode("Q8_0", blocks_of(0.0F, {127.0F, 0.5F, -0.5F, 1.5F, -2.5F, 0.49999997F, 126.5F}));
  const std::array<int8_t, 7> expected = {127, 1, -1, 2, -3, 0, 127};
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(static_cast<int8_t>(bytes[2 + i]), expected[i]) << i;
}

TEST(Q8_0, DecodedWeightsAreWithinHalfAStep) {
  std::vector<float> weights(128);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = std::sin(static_cast<float>(i)) * 3.0F;
  const auto bytes = encode("Q8_0", weights);
  const auto decoded = decode("Q8_0", bytes);
  for (size_t i = 0; i < weights.size(); ++i) {
    // The levels are for the f32 scale: the f16 one is off by at most 2^-11 of itself.
    const float scale = half_to_float(half_at(bytes, i / 32 * 34));
    EXPECT_LE(std::fabs(weights[i] - decoded[i]), scale * (0.5F + 127.0F * 0x1p-11F));
  }
}

TEST(IQ4_NL, TinyWeightsHaveAScaleOf0AndTheLevelNextToZero) {
  const auto bytes = encode("IQ4_NL", blocks_of(9e-16F, {-9e-16F}));
  EXPECT_EQ(half_at(bytes, 0), 0x0000);
  for (size_t i = 2; i < 18; ++i) EXPECT_EQ(bytes[i], 0x88);
}

TEST(IQ4_NL, FindsTheScaleOfItsOwnValues) {
  const std::vector<float> values = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  auto weights = blocks_of(1.0F, values);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] *= 0.25F;
  const auto bytes = encode("IQ4_NL", weights);
  EXPECT_EQ(half_at(bytes, 0), float_to_half(0.25F));
  EXPECT_EQ(decode("IQ4_NL", bytes), weights);
}

/// llama.cpp passes over the sub-block and decodes it to zeros, silently.
TEST(IQ4_XS, RefusesASubBlockWhoseSumsOverflow) {
  std::vector<float> weights(512, 0.5F);
  weights[256 + 70] = 1e30F;
  std::vector<uint8_t> bytes(2 * 136);
  for (const auto encode : {find_block_codec("IQ4_XS")->encode, find_block_codec("IQ4_XS")->encode_reference}) {
    const Status status = encode(weights, bytes);
    EXPECT_EQ(status.code, StatusCode::kScaleOverflow);
    EXPECT_EQ(status.position, 256U);
  }
}

TEST(IQ4_XS, StoresTheLargestSubScaleAsMinus32) {
  std::vector<float> weights(256, 0.0F);
  for (size_t i = 96; i < 128; ++i) weights[i] = 127.0F;
  const auto bytes = encode("IQ4_XS", weights);
  // Stored with 32 added: 0 for sub-block 3, 32 for those of zeros.
  EXPECT_EQ(load_u16(&bytes[2]), 0xAAAA & ~(3U << 6));
  for (size_t i = 4; i < 8; ++i) EXPECT_EQ(bytes[i], 0);
}

}  // namespace
}  // namespace arrowquant
