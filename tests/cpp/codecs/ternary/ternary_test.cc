#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/half.h"
#include "codecs/block_codecs.h"
#include "codecs/weight_sets.h"

namespace arrowquant::testing {
namespace {

using Floats = std::vector<float>;
using Bytes = std::vector<uint8_t>;

Floats decode(const BlockCodec& codec, const Bytes& blocks) {
  Floats weights(blocks.size() / codec.block_bytes * codec.block_weights);
  codec.decode(blocks, weights);
  return weights;
}

/// A block whose weights its levels hold exactly comes back as it was.
TEST(Ternary, KeepsWeightsThatAreTernary) {
  for (const char* name : {"TQ1_0", "TQ2_0", "Q2_0"}) {
    const BlockCodec& codec = *find_block_codec(name);
    Random random(5);
    Floats weights(size_t{8} * codec.block_weights);
    for (float& weight : weights) weight = 0.375F * (static_cast<float>(random.below(3)) - 1.0F);
    Bytes blocks(size_t{8} * codec.block_bytes);
    for (const Effort effort : {Effort::kReference, Effort::kBest}) {
      EncodeContext context;
      context.effort = effort;
      EXPECT_TRUE(codec.encode.encode(weights, {blocks}, context).ok());
      EXPECT_EQ(decode(codec, blocks), weights) << name;
    }
  }
}

TEST(TQ2_0, RoundsHalfAScaleAwayFromZero) {
  const BlockCodec& codec = *find_block_codec("TQ2_0");
  Floats weights(256, 0.0F);
  const std::array<float, 5> some = {1.0F, 0.5F, -0.5F, 0x0.FFFFFFp-1F, -0x0.FFFFFFp-1F};
  std::copy(some.begin(), some.end(), weights.begin());
  Bytes blocks(codec.block_bytes);
  EXPECT_TRUE(codec.encode(weights, blocks).ok());
  const Floats decoded = decode(codec, blocks);
  const std::array<float, 5> expected = {1.0F, 1.0F, -1.0F, 0.0F, 0.0F};
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), decoded.begin()));
}

/// The least squared error that any scale and any levels give, by brute force over the number of weights that are not
/// 0.
TEST(TQ2_0, IsNextToTheOptimumWithTheMostEffort) {
  const BlockCodec& codec = *find_block_codec("TQ2_0");
  Random random(9);
  double found = 0;
  double least = 0;
  for (int block = 0; block < 40; ++block) {
    Floats weights(256);
    for (float& weight : weights) weight = random.normal();
    Bytes bytes(codec.block_bytes);
    EncodeContext context;
    context.effort = Effort::kBest;
    EXPECT_TRUE(codec.encode.encode(weights, {bytes}, context).ok());
    const Floats decoded = decode(codec, bytes);
    double power = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      found += std::pow(double{weights[i]} - double{decoded[i]}, 2);
      power += std::pow(double{weights[i]}, 2);
    }
    for (float& weight : weights) weight = std::fabs(weight);
    std::sort(weights.rbegin(), weights.rend());
    double sum = 0;
    double explained = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      sum += double{weights[i]};
      explained = std::max(explained, sum * sum / static_cast<double>(i + 1));
    }
    least += power - explained;
  }
  EXPECT_LT(found, least * 1.005);
}

TEST(Q2_0, UsesTwiceItsScaleAndScalesOfEitherSignWithTheMostEffort) {
  const BlockCodec& codec = *find_block_codec("Q2_0");
  for (const float sign : {1.0F, -1.0F}) {
    Floats weights(64);
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = sign * 0.25F * (static_cast<float>(i % 4) - 1.0F);
    Bytes blocks(codec.block_bytes);
    EncodeContext context;
    context.effort = Effort::kBest;
    EXPECT_TRUE(codec.encode.encode(weights, {blocks}, context).ok());
    EXPECT_EQ(decode(codec, blocks), weights);
  }
}

TEST(Q1_0, TakesTheMeanMagnitudeAndTheWeightedOneWithTheMostEffort) {
  const BlockCodec& codec = *find_block_codec("Q1_0");
  Floats weights(128, -1.0F);
  weights[7] = 33.0F;
  weights[8] = -0.0F;
  Floats importance(128, 0.0F);
  importance[7] = 3.0F;
  importance[0] = 1.0F;
  Bytes blocks(codec.block_bytes);
  EncodeContext context;
  context.row_weights = weights.size();
  context.importance = importance;
  EXPECT_TRUE(codec.encode.encode(weights, {blocks}, context).ok());
  Floats decoded = decode(codec, blocks);
  EXPECT_EQ(decoded[0], -159.0F / 128.0F) << "importance is nothing to the least effort";
  EXPECT_GT(decoded[8], 0.0F) << "a zero counts as positive, whatever its sign";
  context.effort = Effort::kBest;
  EXPECT_TRUE(codec.encode.encode(weights, {blocks}, context).ok());
  decoded = decode(codec, blocks);
  EXPECT_EQ(decoded[0], -25.0F);
  EXPECT_EQ(decoded[7], 25.0F);
}

}  // namespace
}  // namespace arrowquant::testing
