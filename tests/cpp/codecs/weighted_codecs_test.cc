#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "codecs/block_weights.h"
#include "codecs/codec.h"
#include "codecs/weight_sets.h"
#include "codecs/weighted_golden.h"

namespace arrowquant::testing {
namespace {

/// Five super-blocks: more than the lanes hold, and no whole number of times.
constexpr size_t kRow = 1280;

/// Zeros, numbers of many magnitudes, and stretches of zeros.
std::vector<float> make_importance(size_t kind, uint64_t seed) {
  Random random(seed);
  std::vector<float> importance(kRow);
  for (size_t i = 0; i < kRow; ++i) {
    importance[i] = std::ldexp(std::fabs(random.uniform()), static_cast<int>(random.below(kind == 0 ? 2 : 40)) - 20);
    if (kind == 1 && random.below(3) == 0) importance[i] = 0.0F;
    if (kind == 2 && i / 16 % 4 != 1) importance[i] = 0.0F;
  }
  return importance;
}

/// What every codec promises that knows how much columns count.
class WeightedCodecs : public ::testing::TestWithParam<const Codec*> {
 protected:
  static const Codec& codec() { return *GetParam(); }

  static std::vector<uint8_t> room(size_t weights) {
    return std::vector<uint8_t>(plane_bytes({&codec(), {}}, 0, weights));
  }

  static EncodeContext context(std::span<const float> importance, Effort effort = Effort::kReference) {
    EncodeContext context;
    context.importance = importance;
    context.row_weights = kRow;
    context.effort = effort;
    return context;
  }

  static std::vector<uint8_t> encode(std::span<const float> weights, const EncodeContext& context) {
    std::vector<uint8_t> blocks = room(weights.size());
    EXPECT_TRUE(codec().encode(weights, {blocks}, context).ok());
    return blocks;
  }
};

TEST_P(WeightedCodecs, EncodeTheBytesOfLlamaCpp) {
  const auto* golden = std::find_if(kWeightedGolden.begin(), kWeightedGolden.end(),
                                    [&](const WeightedGolden& row) { return row.name == codec().name; });
  ASSERT_NE(golden, kWeightedGolden.end()) << "run tests/peers/make-weighted-golden.mjs";
  const auto importance = golden_importance(kRow);
  for (const auto encode : {codec().encode, reference_of(codec()).encode}) {
    std::vector<uint8_t> weighted;
    std::vector<uint8_t> ones;
    for (const auto& [name, weights] : block_weights()) {
      const std::span row(weights.data(), kRow);
      for (auto* all : {&weighted, &ones}) {
        auto blocks = room(kRow);
        const auto how = all == &ones ? context({}, Effort::kBetter) : context(importance);
        EXPECT_TRUE(encode(row, {blocks}, how).ok()) << name;
        all->insert(all->end(), blocks.begin(), blocks.end());
      }
    }
    EXPECT_EQ(hash_bytes(weighted), golden->weighted) << (encode == codec().encode ? "" : "reference");
    EXPECT_EQ(hash_bytes(ones), golden->ones) << (encode == codec().encode ? "" : "reference");
  }
}

TEST_P(WeightedCodecs, EqualTheirReferenceOnEveryKindOfWeights) {
  size_t kind = 0;
  for (const auto& [name, weights] : weight_sets(kRow, 5)) {
    ++kind;
    const auto importance = make_importance(kind % 3, kind);
    auto fast = room(kRow);
    auto plain = room(kRow);
    const Status status = codec().encode(weights, {fast}, context(importance));
    const Status reference = reference_of(codec()).encode(weights, {plain}, context(importance));
    EXPECT_EQ(status.code, reference.code) << name;
    EXPECT_EQ(status.position, reference.position) << name;
    if (status.ok()) {
      EXPECT_EQ(fast, plain) << name;
    }
  }
}

/// Each of two rows is a matrix of its own.
TEST_P(WeightedCodecs, GivePiecesTheBytesThatTheyHaveInTheWhole) {
  const std::span<const float> weights(block_weights().front().weights.data(), 2 * kRow);
  auto importance = make_importance(0, 1);
  const auto later = make_importance(1, 2);
  importance.insert(importance.end(), later.begin(), later.end());
  auto how = context(importance);
  how.matrix_rows = 1;
  const auto whole = encode(weights, how);
  const size_t step = needs_rows(codec(), true, Effort::kReference) ? kRow : codec().block_weights;
  std::vector<uint8_t> pieces;
  for (size_t at = 0; at < weights.size(); at += step) {
    how.first_row = at / kRow;
    how.first_column = at % kRow;
    const auto piece = encode(weights.subspan(at, step), how);
    pieces.insert(pieces.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(pieces, whole);
}

TEST_P(WeightedCodecs, SayWhichWeightIsNotFinite) {
  const auto importance = make_importance(0, 3);
  auto weights = block_weights().front().weights;
  weights.resize(kRow);
  for (const size_t at : {size_t{0}, size_t{37}, size_t{700}, kRow - 1}) {
    const float good = weights[at];
    weights[at] = at % 2 == 0 ? std::numeric_limits<float>::quiet_NaN() : -std::numeric_limits<float>::infinity();
    for (const auto encode : {codec().encode, reference_of(codec()).encode}) {
      auto blocks = room(kRow);
      const Status status = encode(weights, {blocks}, context(importance));
      EXPECT_EQ(status.code, StatusCode::kNotFinite) << at;
      EXPECT_EQ(status.position, at);
    }
    weights[at] = good;
  }
}

std::vector<const Codec*> weighted_codecs() {
  std::vector<const Codec*> found;
  for (const Codec* codec : codecs()) {
    if (codec->ggml_type >= 0 && codec->uses_importance) found.push_back(codec);
  }
  return found;
}

INSTANTIATE_TEST_SUITE_P(, WeightedCodecs, ::testing::ValuesIn(weighted_codecs()),
                         [](const auto& one) { return std::string(one.param->name); });

}  // namespace
}  // namespace arrowquant::testing
