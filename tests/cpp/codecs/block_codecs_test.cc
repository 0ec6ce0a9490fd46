#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "codecs/block_codecs.h"
#include "codecs/block_golden.h"
#include "codecs/block_weights.h"
#include "codecs/weight_sets.h"

namespace arrowquant::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<uint8_t> make_blocks(const BlockCodec& codec, size_t weights) {
  return std::vector<uint8_t>(weights / codec.block_weights * codec.block_bytes);
}

/// What every block codec promises, tested on each of them.
class BlockCodecs : public ::testing::TestWithParam<const BlockCodec*> {
 protected:
  const BlockCodec& codec() const { return *GetParam(); }

  const GoldenFormat& golden() const {
    const auto* found = std::find_if(kGoldenFormats.begin(), kGoldenFormats.end(),
                                     [&](const GoldenFormat& row) { return row.name == codec().name; });
    EXPECT_NE(found, kGoldenFormats.end()) << "add the codec to LLAMA_TYPES and run tests/peers/make-golden.mjs";
    return *found;
  }

  std::vector<uint8_t> encode(const std::vector<float>& weights) const {
    std::vector<uint8_t> blocks = make_blocks(codec(), weights.size());
    EXPECT_TRUE(codec().encode(weights, blocks).ok());
    return blocks;
  }

  /// Both instances must refuse the weights in the same way.
  void expect_refusal(const std::vector<float>& weights, StatusCode code, size_t position) const {
    std::vector<uint8_t> blocks = make_blocks(codec(), weights.size());
    for (const auto encode : {codec().encode, codec().encode_reference}) {
      const Status status = encode(weights, blocks);
      EXPECT_EQ(status.code, code) << "for position " << position;
      EXPECT_EQ(status.position, position);
    }
  }

  std::vector<float> normal_weights(size_t blocks) const {
    const auto& weights = block_weights().front().weights;
    return {weights.begin(), weights.begin() + static_cast<ptrdiff_t>(blocks * codec().block_weights)};
  }
};

TEST(BlockWeights, AreThoseOfTheGoldenHashes) {
  ASSERT_EQ(block_weights().size(), kBlockWeightSets);
  for (size_t i = 0; i < kBlockWeightSets; ++i) {
    EXPECT_EQ(hash_floats(block_weights()[i].weights), kGoldenWeights[i]) << block_weights()[i].name;
  }
}

TEST(BlockCodecList, FindsByName) {
  EXPECT_EQ(find_block_codec("Q8_0")->ggml_type, 8);
  EXPECT_EQ(find_block_codec("IQ4_XS")->block_bytes, 136U);
  EXPECT_EQ(find_block_codec("Q8"), nullptr);
  EXPECT_EQ(find_block_codec(""), nullptr);
}

TEST_P(BlockCodecs, AreFoundByName) { EXPECT_EQ(find_block_codec(codec().name), GetParam()); }

TEST_P(BlockCodecs, EncodeTheBytesOfLlamaCpp) {
  for (size_t i = 0; i < kBlockWeightSets; ++i) {
    const auto& [name, weights] = block_weights()[i];
    std::vector<uint8_t> blocks = make_blocks(codec(), weights.size());
    for (const auto encode : {codec().encode, codec().encode_reference}) {
      std::fill(blocks.begin(), blocks.end(), uint8_t{0xA5});
      EXPECT_TRUE(encode(weights, blocks).ok()) << name;
      EXPECT_EQ(hash_bytes(blocks), golden().blocks[i]) << name << (encode == codec().encode ? "" : ", reference");
    }
  }
}

TEST_P(BlockCodecs, DecodeToTheBitsOfLlamaCpp) {
  for (size_t i = 0; i < kBlockWeightSets; ++i) {
    const auto& [name, weights] = block_weights()[i];
    const auto blocks = encode(weights);
    std::vector<float> decoded(weights.size());
    for (const auto decode : {codec().decode, codec().decode_reference}) {
      decode(blocks, decoded);
      EXPECT_EQ(hash_floats(decoded), golden().decoded[i]) << name << (decode == codec().decode ? "" : ", reference");
    }
  }
}

TEST_P(BlockCodecs, DecodeAnyBytes) {
  const auto blocks = random_bytes(size_t{64} * codec().block_bytes);
  std::vector<float> decoded(size_t{64} * codec().block_weights);
  for (const auto decode : {codec().decode, codec().decode_reference}) {
    decode(blocks, decoded);
    EXPECT_EQ(hash_floats(decoded), golden().random_decoded) << (decode == codec().decode ? "" : "reference");
  }
}

TEST_P(BlockCodecs, EqualTheirReferenceOnEveryKindOfWeights) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    for (const auto& [name, weights] : weight_sets(2048, seed)) {
      std::vector<uint8_t> fast = make_blocks(codec(), weights.size());
      std::vector<uint8_t> plain = fast;
      const Status status = codec().encode(weights, fast);
      const Status reference = codec().encode_reference(weights, plain);
      EXPECT_EQ(status.code, reference.code) << name;
      EXPECT_EQ(status.position, reference.position) << name;
      if (status.ok()) {
        EXPECT_EQ(fast, plain) << name;
      }
    }
  }
}

TEST_P(BlockCodecs, TakeAnyNumberOfBlocksAndTouchNothingElse) {
  const auto whole = encode(normal_weights(11));
  for (size_t count = 0; count <= 11; ++count) {
    const auto weights = normal_weights(count);
    // Of exactly the size, so that the address sanitizer sees a step too far.
    const auto blocks = encode(weights);
    EXPECT_TRUE(std::equal(blocks.begin(), blocks.end(), whole.begin())) << count << " blocks";
    std::vector<float> decoded(weights.size());
    std::vector<float> expected(weights.size());
    codec().decode(blocks, decoded);
    codec().decode_reference(blocks, expected);
    EXPECT_EQ(decoded, expected) << count << " blocks";
  }
}

TEST_P(BlockCodecs, GiveABlockTheSameBytesWhereverItLies) {
  const auto weights = normal_weights(9);
  const auto together = encode(weights);
  std::vector<uint8_t> apart(together.size());
  std::vector<uint8_t> odd(together.size() + 1);
  for (size_t i = 0; i < 9; ++i) {
    const std::span<const float> block(&weights[i * codec().block_weights], codec().block_weights);
    const std::span<uint8_t> to(&apart[i * codec().block_bytes], codec().block_bytes);
    EXPECT_TRUE(codec().encode(block, to).ok());
  }
  EXPECT_EQ(apart, together);
  EXPECT_TRUE(codec().encode(weights, std::span(odd).subspan(1)).ok());
  EXPECT_TRUE(std::equal(together.begin(), together.end(), odd.begin() + 1)) << "at an odd address";
}

TEST_P(BlockCodecs, RefuseANanOrInfinityAtEveryPosition) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::array bad = {
      nan, -nan, std::bit_cast<float>(0x7F800001U), std::bit_cast<float>(0xFFFFFFFFU), kInfinity, -kInfinity, nan};
  const size_t blocks = codec().block_weights == 32 ? 6 : 2;
  auto weights = normal_weights(blocks);
  for (size_t i = 0; i < weights.size(); ++i) {
    const float good = weights[i];
    weights[i] = bad[i % bad.size()];
    expect_refusal(weights, StatusCode::kNotFinite, i);
    weights[i] = good;
  }
}

/// Those whose scales f16 holds.
class BlockCodecsWithHalves : public BlockCodecs {};

TEST_P(BlockCodecsWithHalves, ReportTheFirstOfSeveralErrors) {
  const size_t block = codec().block_weights;
  auto weights = normal_weights(8);
  weights[5 * block] = 1e30F;
  expect_refusal(weights, StatusCode::kScaleOverflow, 5 * block);
  weights[6 * block + 3] = kInfinity;
  expect_refusal(weights, StatusCode::kScaleOverflow, 5 * block);
  weights[5 * block + 7] = kInfinity;
  weights[5 * block + 9] = -kInfinity;
  expect_refusal(weights, StatusCode::kNotFinite, 5 * block + 7);
  weights[2 * block + block - 1] = kInfinity;
  expect_refusal(weights, StatusCode::kNotFinite, 3 * block - 1);
}

TEST_P(BlockCodecsWithHalves, RefuseAScaleThatF16CannotHold) {
  for (size_t i = 0; i < 6; ++i) {
    for (const float huge : {1e12F, -1e12F, 1e20F, -3e38F}) {
      auto weights = normal_weights(6);
      for (size_t k = 0; k < codec().block_weights; ++k) weights[i * codec().block_weights + k] *= huge;
      expect_refusal(weights, StatusCode::kScaleOverflow, i * codec().block_weights);
    }
  }
}

/// Normal weights lose to k bits at most what a uniform grid of 2^k levels over ±4 deviations would lose twice over.
TEST_P(BlockCodecs, DecodeNearTheWeights) {
  const auto weights = normal_weights(16);
  std::vector<float> decoded(weights.size());
  codec().decode(encode(weights), decoded);
  double error = 0;
  double power = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    error += std::pow(double{weights[i]} - double{decoded[i]}, 2);
    power += std::pow(double{weights[i]}, 2);
  }
  const int bits = static_cast<int>(8 * codec().block_bytes / codec().block_weights);
  EXPECT_LT(std::sqrt(error / power), 4.0 * std::ldexp(1.0, -bits) / std::sqrt(3.0) * 2.0);
  EXPECT_GT(error, 0.0);
}

std::string name_of(const ::testing::TestParamInfo<const BlockCodec*>& info) { return std::string(info.param->name); }

template <typename Filter>
std::vector<const BlockCodec*> codecs_where(Filter filter) {
  std::vector<const BlockCodec*> some;
  for (const BlockCodec& codec : block_codecs()) {
    if (filter(codec.name)) some.push_back(&codec);
  }
  return some;
}

const auto kAll = codecs_where([](std::string_view) { return true; });
const auto kWithHalves = codecs_where([](std::string_view name) { return name != "MXFP4" && name != "NVFP4"; });

INSTANTIATE_TEST_SUITE_P(, BlockCodecs, ::testing::ValuesIn(kAll), name_of);
INSTANTIATE_TEST_SUITE_P(, BlockCodecsWithHalves, ::testing::ValuesIn(kWithHalves), name_of);

}  // namespace
}  // namespace arrowquant::testing
