#include "formats/block_format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "formats/block_golden.h"
#include "formats/block_weights.h"
#include "formats/weight_sets.h"

namespace arrowquant::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<uint8_t> make_blocks(const BlockFormat& format, size_t weights) {
  return std::vector<uint8_t>(weights / format.block_weights * format.block_bytes);
}

/// What every block format promises, tested on each of them.
class BlockFormats : public ::testing::TestWithParam<const BlockFormat*> {
 protected:
  const BlockFormat& format() const { return *GetParam(); }

  const GoldenFormat& golden() const {
    const auto* found = std::find_if(kGoldenFormats.begin(), kGoldenFormats.end(),
                                     [&](const GoldenFormat& row) { return row.name == format().name; });
    EXPECT_NE(found, kGoldenFormats.end()) << "add the format to LLAMA_TYPES and run tests/peers/make-golden.mjs";
    return *found;
  }

  std::vector<uint8_t> encode(const std::vector<float>& weights) const {
    std::vector<uint8_t> blocks = make_blocks(format(), weights.size());
    EXPECT_TRUE(format().encode(weights, blocks).ok());
    return blocks;
  }

  /// Both instances must refuse the weights in the same way.
  void expect_refusal(const std::vector<float>& weights, StatusCode code, size_t position) const {
    std::vector<uint8_t> blocks = make_blocks(format(), weights.size());
    for (const auto encode : {format().encode, format().encode_reference}) {
      const Status status = encode(weights, blocks);
      EXPECT_EQ(status.code, code) << "for position " << position;
      EXPECT_EQ(status.position, position);
    }
  }

  std::vector<float> normal_weights(size_t blocks) const {
    const auto& weights = block_weights().front().weights;
    return {weights.begin(), weights.begin() + static_cast<ptrdiff_t>(blocks * format().block_weights)};
  }
};

TEST(BlockWeights, AreThoseOfTheGoldenHashes) {
  ASSERT_EQ(block_weights().size(), kBlockWeightSets);
  for (size_t i = 0; i < kBlockWeightSets; ++i) {
    EXPECT_EQ(hash_floats(block_weights()[i].weights), kGoldenWeights[i]) << block_weights()[i].name;
  }
}

TEST(BlockFormatList, FindsByName) {
  EXPECT_EQ(find_block_format("Q8_0")->ggml_type, 8U);
  EXPECT_EQ(find_block_format("IQ4_XS")->block_bytes, 136U);
  EXPECT_EQ(find_block_format("Q8"), nullptr);
  EXPECT_EQ(find_block_format(""), nullptr);
}

TEST_P(BlockFormats, AreFoundByName) { EXPECT_EQ(find_block_format(format().name), GetParam()); }

TEST_P(BlockFormats, EncodeTheBytesOfLlamaCpp) {
  for (size_t i = 0; i < kBlockWeightSets; ++i) {
    const auto& [name, weights] = block_weights()[i];
    std::vector<uint8_t> blocks = make_blocks(format(), weights.size());
    for (const auto encode : {format().encode, format().encode_reference}) {
      std::fill(blocks.begin(), blocks.end(), uint8_t{0xA5});
      EXPECT_TRUE(encode(weights, blocks).ok()) << name;
      EXPECT_EQ(hash_bytes(blocks), golden().blocks[i]) << name << (encode == format().encode ? "" : ", reference");
    }
  }
}

TEST_P(BlockFormats, DecodeToTheBitsOfLlamaCpp) {
  for (size_t i = 0; i < kBlockWeightSets; ++i) {
    const auto& [name, weights] = block_weights()[i];
    const auto blocks = encode(weights);
    std::vector<float> decoded(weights.size());
    for (const auto decode : {format().decode, format().decode_reference}) {
      decode(blocks, decoded);
      EXPECT_EQ(hash_floats(decoded), golden().decoded[i]) << name << (decode == format().decode ? "" : ", reference");
    }
  }
}

TEST_P(BlockFormats, DecodeAnyBytes) {
  const auto blocks = random_bytes(size_t{64} * format().block_bytes);
  std::vector<float> decoded(size_t{64} * format().block_weights);
  for (const auto decode : {format().decode, format().decode_reference}) {
    decode(blocks, decoded);
    EXPECT_EQ(hash_floats(decoded), golden().random_decoded) << (decode == format().decode ? "" : "reference");
  }
}

TEST_P(BlockFormats, EqualTheirReferenceOnEveryKindOfWeights) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    for (const auto& [name, weights] : weight_sets(2048, seed)) {
      std::vector<uint8_t> fast = make_blocks(format(), weights.size());
      std::vector<uint8_t> plain = fast;
      const Status status = format().encode(weights, fast);
      const Status reference = format().encode_reference(weights, plain);
      EXPECT_EQ(status.code, reference.code) << name;
      EXPECT_EQ(status.position, reference.position) << name;
      if (status.ok()) {
        EXPECT_EQ(fast, plain) << name;
      }
    }
  }
}

TEST_P(BlockFormats, TakeAnyNumberOfBlocksAndTouchNothingElse) {
  const auto whole = encode(normal_weights(11));
  for (size_t count = 0; count <= 11; ++count) {
    const auto weights = normal_weights(count);
    // Of exactly the size, so that the address sanitizer sees a step too far.
    const auto blocks = encode(weights);
    EXPECT_TRUE(std::equal(blocks.begin(), blocks.end(), whole.begin())) << count << " blocks";
    std::vector<float> decoded(weights.size());
    std::vector<float> expected(weights.size());
    format().decode(blocks, decoded);
    format().decode_reference(blocks, expected);
    EXPECT_EQ(decoded, expected) << count << " blocks";
  }
}

TEST_P(BlockFormats, GiveABlockTheSameBytesWhereverItLies) {
  const auto weights = normal_weights(9);
  const auto together = encode(weights);
  std::vector<uint8_t> apart(together.size());
  std::vector<uint8_t> odd(together.size() + 1);
  for (size_t i = 0; i < 9; ++i) {
    const std::span<const float> block(&weights[i * format().block_weights], format().block_weights);
    const std::span<uint8_t> to(&apart[i * format().block_bytes], format().block_bytes);
    EXPECT_TRUE(format().encode(block, to).ok());
  }
  EXPECT_EQ(apart, together);
  EXPECT_TRUE(format().encode(weights, std::span(odd).subspan(1)).ok());
  EXPECT_TRUE(std::equal(together.begin(), together.end(), odd.begin() + 1)) << "at an odd address";
}

TEST_P(BlockFormats, RefuseANanOrInfinityAtEveryPosition) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::array bad = {
      nan, -nan, std::bit_cast<float>(0x7F800001U), std::bit_cast<float>(0xFFFFFFFFU), kInfinity, -kInfinity, nan};
  const size_t blocks = format().block_weights == 32 ? 6 : 2;
  auto weights = normal_weights(blocks);
  for (size_t i = 0; i < weights.size(); ++i) {
    const float good = weights[i];
    weights[i] = bad[i % bad.size()];
    expect_refusal(weights, StatusCode::kNotFinite, i);
    weights[i] = good;
  }
}

TEST_P(BlockFormats, ReportTheFirstOfSeveralErrors) {
  const size_t block = format().block_weights;
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

TEST_P(BlockFormats, RefuseAScaleThatF16CannotHold) {
  for (size_t i = 0; i < 6; ++i) {
    for (const float huge : {1e12F, -1e12F, 1e20F, -3e38F}) {
      auto weights = normal_weights(6);
      for (size_t k = 0; k < format().block_weights; ++k) weights[i * format().block_weights + k] *= huge;
      expect_refusal(weights, StatusCode::kScaleOverflow, i * format().block_weights);
    }
  }
}

/// Normal weights lose to k bits at most what a uniform grid of 2^k levels over ±4 deviations would lose twice over.
TEST_P(BlockFormats, DecodeNearTheWeights) {
  const auto weights = normal_weights(16);
  std::vector<float> decoded(weights.size());
  format().decode(encode(weights), decoded);
  double error = 0;
  double power = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    error += std::pow(double{weights[i]} - double{decoded[i]}, 2);
    power += std::pow(double{weights[i]}, 2);
  }
  const int bits = static_cast<int>(8 * format().block_bytes / format().block_weights);
  EXPECT_LT(std::sqrt(error / power), 4.0 * std::ldexp(1.0, -bits) / std::sqrt(3.0) * 2.0);
  EXPECT_GT(error, 0.0);
}

std::string name_of(const ::testing::TestParamInfo<const BlockFormat*>& info) { return std::string(info.param->name); }

INSTANTIATE_TEST_SUITE_P(, BlockFormats, ::testing::ValuesIn(block_formats().begin(), block_formats().end()), name_of);

}  // namespace
}  // namespace arrowquant::testing
