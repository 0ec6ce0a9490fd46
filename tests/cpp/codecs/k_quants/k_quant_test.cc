#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "codecs/block_codecs.h"
#include "codecs/k_quants/k_quant_plain_blocks.h"
#include "codecs/weight_sets.h"

namespace arrowquant {
namespace {

using testing::BlockCodec;
using testing::find_block_codec;
using testing::make_weights;
using testing::Random;
using testing::WeightSet;

constexpr size_t kSuperBlock = 256;
constexpr size_t kBlocks = 12;

/// Sub-blocks of 16 that have little in common: that is what shared scales, masks and lanes can get wrong.
std::vector<WeightSet> uneven_sets(uint64_t seed) {
  Random random(seed);
  std::vector<WeightSet> sets;
  const auto add = [&](std::string name, auto make) {
    sets.push_back(make_weights(std::move(name), kBlocks * kSuperBlock, make));
  };
  const auto decade = [&](int from, int decades) {
    return std::pow(10.0F, static_cast<float>(from) + static_cast<float>(decades) * (random.uniform() + 1.0F) / 2.0F);
  };
  float base = 0.0F;
  uint32_t kind = 0;
  add("sub-blocks over twelve decades", [&](size_t i) {
    if (i % 16 == 0) base = decade(-8, 12);
    return random.normal() * base;
  });
  add("blocks around the smallest f16", [&](size_t i) {
    if (i % kSuperBlock == 0) base = decade(-9, 5);
    return random.normal() * base;
  });
  add("sub-blocks down to nothing", [&](size_t i) {
    if (i % 16 == 0) base = decade(-18, 8);
    return random.normal() * base;
  });
  add("zero and constant sub-blocks", [&](size_t i) {
    if (i % 16 == 0) {
      kind = random.below(4);
      base = random.normal();
    }
    return kind == 0 ? base : kind == 1 ? 0.0F : random.normal();
  });
  add("constants but for one ulp", [&](size_t i) {
    if (i % 32 == 0) base = random.normal();
    return random.below(8) != 0 ? base : std::nextafter(base, random.normal() * 100.0F);
  });
  add("two values", [&](size_t i) {
    if (i % 16 == 0) base = decade(-6, 8);
    return random.below(2) == 0 ? 1.0F : base;
  });
  add("far from zero", [&](size_t i) {
    if (i % 32 == 0) base = random.normal() * 1000.0F;
    return base + random.normal() * 1e-4F;
  });
  add("few exponents", [&](size_t i) {
    if (i % 16 == 0) kind = random.below(120) + 60;
    return std::bit_cast<float>((random.bits() & 0x807FFFFFU) | (kind + random.below(12)) << 23);
  });
  add("up to the largest", [&](size_t i) {
    if (i % 16 == 0) base = decade(-30, 68);
    return std::isfinite(base) ? random.uniform() * base : random.uniform() * FLT_MAX;
  });
  add("sums overflow", [&](size_t) { return random.normal() * 1e19F; });
  return sets;
}

class KQuant : public ::testing::TestWithParam<std::string> {
 public:
  const BlockCodec& codec() const { return *find_block_codec(GetParam()); }
};

/// Every kernel gives the plain block, or refuses the block whose scale f16 cannot hold.
void expect_plain(const BlockCodec& codec, const WeightSet& set) {
  for (size_t at = 0; at < set.weights.size(); at += kSuperBlock) {
    const testing::Weights weights(&set.weights[at], kSuperBlock);
    const testing::Bytes plain = testing::plain_block(codec.name, weights);
    for (const auto encode : {codec.encode, codec.encode_reference}) {
      testing::Bytes block(codec.block_bytes, 0xA5);
      const Status status = encode(weights, block);
      ASSERT_EQ(status.code, plain.empty() ? StatusCode::kScaleOverflow : StatusCode::kOk) << set.name << at;
      if (!status.ok()) continue;
      ASSERT_EQ(block, plain) << set.name << ", block " << at / kSuperBlock;
    }
  }
}

TEST_P(KQuant, EncodesAsThePlainAlgorithm) {
  for (const WeightSet& set : testing::weight_sets(kBlocks * kSuperBlock, 20)) expect_plain(codec(), set);
}

TEST_P(KQuant, EncodesUnevenSubBlocksAsThePlainAlgorithm) {
  for (const WeightSet& set : uneven_sets(21)) expect_plain(codec(), set);
}

TEST_P(KQuant, BlocksDoNotSeeEachOther) {
  const WeightSet set = uneven_sets(22)[0];
  const size_t bytes = codec().block_bytes;
  testing::Bytes together(kBlocks * bytes);
  ASSERT_TRUE(codec().encode(set.weights, together).ok());
  for (size_t i = 0; i < kBlocks; ++i) {
    testing::Bytes alone(bytes);
    ASSERT_TRUE(codec().encode({&set.weights[i * kSuperBlock], kSuperBlock}, alone).ok());
    EXPECT_EQ(alone, testing::Bytes(&together[i * bytes], &together[i * bytes] + bytes)) << i;
  }
}

TEST_P(KQuant, NoWeightsGiveNoBytes) {
  EXPECT_TRUE(codec().encode({}, {}).ok());
  codec().decode({}, {});
}

TEST_P(KQuant, TheFirstNotFiniteIsReported) {
  std::vector<float> weights =
      make_weights("", 3 * kSuperBlock, [](size_t i) { return static_cast<float>(i); }).weights;
  testing::Bytes blocks(3 * codec().block_bytes);
  for (const size_t at : {size_t{767}, size_t{512}, size_t{511}, size_t{300}, size_t{255}, size_t{1}, size_t{0}}) {
    weights[at] = at % 2 == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
    for (const auto encode : {codec().encode, codec().encode_reference}) {
      const Status status = encode(weights, blocks);
      EXPECT_EQ(status.code, StatusCode::kNotFinite);
      EXPECT_EQ(status.position, at);
    }
  }
}

TEST_P(KQuant, AScaleThatF16CannotHoldIsReportedWithItsBlock) {
  std::vector<float> weights(4 * kSuperBlock, 1.0F);
  weights[2 * kSuperBlock + 100] = 1e9F;
  weights[3 * kSuperBlock] = -1e9F;
  testing::Bytes blocks(4 * codec().block_bytes);
  for (const auto encode : {codec().encode, codec().encode_reference}) {
    const Status status = encode(weights, blocks);
    EXPECT_EQ(status.code, StatusCode::kScaleOverflow);
    EXPECT_EQ(status.position, 2 * kSuperBlock);
  }
}

TEST_P(KQuant, ZerosDecodeToZeros) {
  for (const float zero : {0.0F, -0.0F}) {
    const std::vector<float> weights(kSuperBlock, zero);
    testing::Bytes block(codec().block_bytes);
    ASSERT_TRUE(codec().encode(weights, block).ok());
    std::vector<float> restored(kSuperBlock, 1.0F);
    codec().decode(block, restored);
    for (const float weight : restored) EXPECT_EQ(weight, 0.0F);
  }
}

TEST_P(KQuant, ErrorIsBelowWhatTheBitsAllow) {
  const std::map<std::string_view, double> limits = {
      {"Q2_K", 0.35}, {"Q3_K", 0.20}, {"Q4_K", 0.085}, {"Q5_K", 0.045}, {"Q6_K", 0.022}};
  Random random(23);
  std::vector<float> weights(16 * kSuperBlock);
  for (float& weight : weights) weight = random.normal();
  testing::Bytes blocks(16 * codec().block_bytes);
  ASSERT_TRUE(codec().encode(weights, blocks).ok());
  std::vector<float> restored(weights.size());
  codec().decode(blocks, restored);
  double error = 0.0;
  double power = 0.0;
  for (size_t i = 0; i < weights.size(); ++i) {
    error += std::pow(double{restored[i]} - double{weights[i]}, 2);
    power += std::pow(double{weights[i]}, 2);
  }
  EXPECT_LT(std::sqrt(error / power), limits.at(codec().name));
}

TEST_P(KQuant, DecodesAnyBytesAsTheReferenceDoes) {
  Random random(24);
  testing::Bytes blocks(200 * codec().block_bytes);
  for (uint8_t& byte : blocks) byte = static_cast<uint8_t>(random.below(256));
  std::vector<float> fast(200 * kSuperBlock);
  std::vector<float> reference(fast.size());
  codec().decode(blocks, fast);
  codec().decode_reference(blocks, reference);
  for (size_t i = 0; i < fast.size(); ++i) {
    if (std::isnan(reference[i])) {
      EXPECT_TRUE(std::isnan(fast[i])) << i;
    } else {
      EXPECT_EQ(std::bit_cast<uint32_t>(fast[i]), std::bit_cast<uint32_t>(reference[i])) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, KQuant, ::testing::Values("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"),
                         [](const auto& parameter) { return parameter.param; });

}  // namespace
}  // namespace arrowquant
