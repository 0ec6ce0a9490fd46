#include <gtest/gtest.h>

#include <array>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <vector>

#include "codecs/block_codecs.h"
#include "codecs/fp4/rounded_log2.h"
#include "codecs/fp4/unsigned_e4m3.h"

namespace arrowquant::testing {
namespace {

using Floats = std::vector<float>;
using Bytes = std::vector<uint8_t>;

/// Both instances must write the same.
Bytes encode(const char* name, const Floats& weights) {
  const BlockCodec* codec = find_block_codec(name);
  Bytes blocks(weights.size() / codec->block_weights * codec->block_bytes);
  Bytes plain = blocks;
  EXPECT_TRUE(codec->encode(weights, blocks).ok());
  EXPECT_TRUE(codec->encode_reference(weights, plain).ok());
  EXPECT_EQ(blocks, plain);
  return blocks;
}

Floats decode(const char* name, const Bytes& blocks) {
  const BlockCodec* codec = find_block_codec(name);
  Floats weights(blocks.size() / codec->block_bytes * codec->block_weights);
  codec->decode(blocks, weights);
  return weights;
}

/// What glibc's log2f gives, on either side of the first number whose logarithm rounds up.
TEST(RoundedLog2, RoundsUpJustBelowPowersOfTwo) {
  const auto floor_below = [](int power, uint32_t steps) {
    return fp4::floor_of_rounded_log2(std::bit_cast<uint32_t>(std::ldexp(1.0F, power)) - steps);
  };
  struct Case {
    int power;
    uint32_t most;
  };
  for (const auto& [power, most] :
       {Case{-149, 0}, {-131, 1}, {-130, 2}, {-129, 5}, {-128, 11}, {-127, 11}, {-126, 22}, {-125, 44}, {-64, 44},
        {-63, 22},     {-16, 11}, {-15, 5},  {-3, 1},   {-2, 1},    {-1, 0},    {0, 0},     {1, 0},     {2, 0},
        {3, 1},        {4, 1},    {5, 2},    {9, 5},    {17, 11},   {33, 22},   {65, 44},   {127, 44}}) {
    EXPECT_EQ(floor_below(power, 0), power);
    if (power > -149) {
      EXPECT_EQ(floor_below(power, most), power) << most;
      EXPECT_EQ(floor_below(power, most + 1), power - 1) << most + 1;
    }
  }
  EXPECT_EQ(fp4::floor_of_rounded_log2(std::bit_cast<uint32_t>(FLT_MAX)), 128);
}

TEST(UnsignedE4m3, RoundsHalfUpAndSaturatesFrom256On) {
  EXPECT_EQ(fp4::float_to_ue4m3(0.0F), 0);
  EXPECT_EQ(fp4::float_to_ue4m3(-1.0F), 0);
  EXPECT_EQ(fp4::float_to_ue4m3(0x1.FFFFFCp-11F), 0);
  EXPECT_EQ(fp4::float_to_ue4m3(0x1p-10F), 1);
  EXPECT_EQ(fp4::float_to_ue4m3(7.75F / 512.0F), 7) << "the least normal number is not rounded up to";
  EXPECT_EQ(fp4::float_to_ue4m3(8.0F / 512.0F), 8);
  EXPECT_EQ(fp4::float_to_ue4m3(1.0625F), 0x39);
  EXPECT_EQ(fp4::float_to_ue4m3(1.0624F), 0x38);
  EXPECT_EQ(fp4::float_to_ue4m3(240.0F), 0x77);
  EXPECT_EQ(fp4::float_to_ue4m3(248.0F), 0x7E);
  EXPECT_EQ(fp4::float_to_ue4m3(256.0F), 0x7E);
  EXPECT_EQ(fp4::float_to_ue4m3(FLT_MAX), 0x7E);
}

TEST(UnsignedE4m3, IsHalvedExactly) {
  for (int code = 1; code < 0x7F; ++code) {
    const int exponent = code >> 3;
    const int mantissa = code & 7;
    const float number = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
    EXPECT_EQ(fp4::half_of_ue4m3(static_cast<uint8_t>(code)), number / 2) << code;
    EXPECT_EQ(fp4::float_to_ue4m3(number), code < 0x78 ? code : 0x7E);
  }
  EXPECT_EQ(fp4::half_of_ue4m3(0x7F), 0.0F) << "NaN";
  EXPECT_EQ(fp4::half_of_ue4m3(0xFF), 240.0F);
}

TEST(MXFP4, TakesTheSmallerOfTwoNearestElementsAndNoNegativeZero) {
  Floats weights(32, 0.0F);
  const std::array<float, 9> halfways = {0.25F, 0.75F, 1.25F, 1.75F, 2.5F, 3.5F, 5.0F, -0.25F, -5.0F};
  std::copy(halfways.begin(), halfways.end(), weights.begin());
  weights[31] = 6.0F;
  const Floats decoded = decode("MXFP4", encode("MXFP4", weights));
  const Floats expected = {0.0F, 0.5F, 1.0F, 1.5F, 2.0F, 3.0F, 4.0F, 0.0F, -4.0F};
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(decoded[i], expected[i]) << i;
  EXPECT_FALSE(std::signbit(decoded[7]));
}

TEST(MXFP4, HasNoInfiniteElementForTheLargestWeights) {
  const Floats decoded = decode("MXFP4", encode("MXFP4", Floats(32, -FLT_MAX)));
  EXPECT_EQ(decoded[0], -0x1.8p+127F);
}

/// As llama.cpp: beside such a weight the distances to all elements are the same float.
TEST(NVFP4, LosesWeightsThatAreFarBeyondTheLargestScale) {
  Floats weights(64, 1.0F);
  weights[0] = 1e20F;
  weights[1] = -3000.0F;
  weights[16] = -FLT_MAX;
  const Floats decoded = decode("NVFP4", encode("NVFP4", weights));
  EXPECT_EQ(decoded[0], 0.0F);
  EXPECT_EQ(decoded[1], -2688.0F);
  EXPECT_EQ(decoded[2], 0.0F);
  EXPECT_EQ(decoded[16], 0.0F);
  EXPECT_EQ(decoded[32], 1.03125F);
}

}  // namespace
}  // namespace arrowquant::testing
