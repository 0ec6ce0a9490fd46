#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "codecs/block_codecs.h"
#include "codecs/weight_sets.h"

namespace arrowquant::testing {
namespace {

/// llama.cpp writes zeros there.
TEST(IQ2_XXS, RefusesImportanceWhoseSumsOverflow) {
  const BlockCodec& codec = *find_block_codec("IQ2_XXS");
  Random random(4);
  std::vector<float> weights(512);
  for (float& weight : weights) weight = 0.02F * random.normal();
  std::vector<float> importance(256, 1.0F);
  importance.resize(512, 0.5F * std::numeric_limits<float>::max());
  EncodeContext context;
  context.row_weights = weights.size();
  context.importance = importance;
  for (const auto& encode : {codec.encode, codec.encode_reference}) {
    std::vector<uint8_t> blocks(size_t{2} * codec.block_bytes);
    const Status status = encode.encode(weights, {blocks}, context);
    EXPECT_EQ(status.code, StatusCode::kScaleOverflow);
    EXPECT_EQ(status.position, 256U);
  }
}

}  // namespace
}  // namespace arrowquant::testing
