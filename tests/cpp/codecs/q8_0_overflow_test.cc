// What Q8_0 makes of blocks that it refuses otherwise. The bytes are those of gguf-py 0.19.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/bytes.h"
#include "codecs/codec.h"

namespace arrowquant {
namespace {

constexpr size_t kBlock = 32;
constexpr size_t kBlockBytes = 34;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

using Weights = std::vector<float>;
using Levels = std::array<int8_t, kBlock>;

/// -32…32, in a mixed order.
Weights mixed(float factor) {
  Weights weights(kBlock);
  for (size_t i = 0; i < kBlock; ++i) weights[i] = (static_cast<float>(i * 7919 % 65) - 32) * factor;
  return weights;
}

Weights mixed_but(size_t index, float weight) {
  Weights weights = mixed(0.25F);
  weights[index] = weight;
  return weights;
}

constexpr Levels kMixed = {-127, 87,  44,  0,  -44, -87, 127, 83,  40,  -4, -48, -91, 123, 79,   36,  -8,
                           -52,  -95, 119, 75, 32,  -12, -56, -99, 115, 71, 28,  -16, -60, -103, 111, 67};

Levels zeros_but(size_t index, int8_t level) {
  Levels levels = {};
  levels[index] = level;
  return levels;
}

struct Case {
  Weights weights;
  uint16_t scale;
  Levels levels;
};

std::vector<Case> cases() {
  return {
      {mixed(1e6F), 0x7C00, kMixed},
      {mixed(1e37F), 0x7C00, kMixed},
      {mixed_but(3, 1e7F), 0x7C00, zeros_but(3, 127)},
      {mixed_but(5, std::numeric_limits<float>::lowest()), 0x7C00, zeros_but(5, -127)},
      {mixed_but(7, kInfinity), 0x7C00, {}},
      {mixed_but(9, -kInfinity), 0x7C00, {}},
      {mixed_but(11, kNan), 0x7E00, {}},
      {mixed_but(12, -kNan), 0x7E00, {}},
      {mixed_but(1, 8321039.5F), 0x7BFF, zeros_but(1, 127)},
      {mixed_but(1, 8321040.0F), 0x7C00, zeros_but(1, 127)},
  };
}

std::vector<uint8_t> bytes_of(uint16_t scale, const Levels& levels) {
  std::vector<uint8_t> bytes(kBlockBytes);
  store_u16(bytes.data(), scale);
  std::transform(levels.begin(), levels.end(), bytes.begin() + 2,
                 [](int8_t level) { return static_cast<uint8_t>(level); });
  return bytes;
}

std::vector<Codec::Encode> encoders() {
  const Codec& codec = *find_codec("Q8_0");
  return {codec.encode, reference_of(codec).encode};
}

Status encode(Codec::Encode encode, const Weights& weights, std::vector<uint8_t>& bytes, bool overflows,
              Effort effort = Effort::kReference) {
  EncodeContext context;
  context.overflows = overflows;
  context.effort = effort;
  bytes.assign(weights.size() / kBlock * kBlockBytes, 0xA5);
  return encode(weights, {bytes}, context);
}

TEST(Q8_0Overflow, HasTheBytesOfGgufPyWhereverTheBlockLies) {
  constexpr size_t kBlocks = 9;
  for (const auto& [weights, scale, levels] : cases()) {
    for (size_t place = 0; place < kBlocks; ++place) {
      Weights all;
      std::vector<uint8_t> expected;
      for (size_t block = 0; block < kBlocks; ++block) {
        const Weights own = block == place ? weights : mixed(0.25F);
        const auto bytes = block == place ? bytes_of(scale, levels) : bytes_of(0x2C08, kMixed);
        all.insert(all.end(), own.begin(), own.end());
        expected.insert(expected.end(), bytes.begin(), bytes.end());
      }
      for (const Codec::Encode encoder : encoders()) {
        std::vector<uint8_t> bytes;
        EXPECT_TRUE(encode(encoder, all, bytes, true).ok());
        EXPECT_EQ(bytes, expected) << "scale " << scale << " in block " << place;
      }
    }
  }
}

TEST(Q8_0Overflow, SeveralBlocksHaveItAtOnce) {
  Weights all;
  std::vector<uint8_t> expected;
  for (const auto& [weights, scale, levels] : cases()) {
    const auto bytes = bytes_of(scale, levels);
    all.insert(all.end(), weights.begin(), weights.end());
    expected.insert(expected.end(), bytes.begin(), bytes.end());
  }
  for (const Codec::Encode encoder : encoders()) {
    std::vector<uint8_t> bytes;
    EXPECT_TRUE(encode(encoder, all, bytes, true).ok());
    EXPECT_EQ(bytes, expected);
  }
}

TEST(Q8_0Overflow, LeavesTheMostEffortToTheBlocksAroundIt) {
  Weights ordinary = mixed(0.25F);
  for (float& weight : ordinary) weight *= weight;
  const auto overflowing = cases().front();
  for (const Codec::Encode encoder : encoders()) {
    std::vector<uint8_t> best;
    std::vector<uint8_t> least;
    EXPECT_TRUE(encode(encoder, ordinary, best, false, Effort::kBest).ok());
    EXPECT_TRUE(encode(encoder, ordinary, least, false).ok());
    EXPECT_NE(best, least);
    Weights all;
    std::vector<uint8_t> expected;
    for (const bool overflows : {false, true, true, false, false, true, false}) {
      const Weights& own = overflows ? overflowing.weights : ordinary;
      const auto bytes = overflows ? bytes_of(overflowing.scale, overflowing.levels) : best;
      all.insert(all.end(), own.begin(), own.end());
      expected.insert(expected.end(), bytes.begin(), bytes.end());
    }
    std::vector<uint8_t> bytes;
    EXPECT_TRUE(encode(encoder, all, bytes, true, Effort::kBest).ok());
    EXPECT_EQ(bytes, expected);
  }
}

TEST(Q8_0Overflow, IsRefusedWhereNobodyAsksForIt) {
  Weights all = mixed(0.25F);
  const Weights large = mixed(1e6F);
  all.insert(all.end(), large.begin(), large.end());
  for (const Codec::Encode encoder : encoders()) {
    std::vector<uint8_t> bytes;
    const Status status = encode(encoder, all, bytes, false);
    EXPECT_EQ(status.code, StatusCode::kScaleOverflow);
    EXPECT_EQ(status.position, kBlock);
  }
}

TEST(Q8_0Overflow, OtherCodecsRefuseAllTheSame) {
  const Weights weights(kBlock, kInfinity);
  const Codec& codec = *find_codec("Q4_0");
  std::vector<uint8_t> bytes(18);
  EncodeContext context;
  context.overflows = true;
  EXPECT_EQ(codec.encode(weights, {bytes}, context).code, StatusCode::kNotFinite);
}

}  // namespace
}  // namespace arrowquant
