// What every search with the most effort promises, tested on each codec that has one.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "codecs/block_weights.h"
#include "codecs/codec.h"
#include "codecs/weight_sets.h"

namespace arrowquant::testing {
namespace {

/// Two rows of them, and of each set as many weights.
constexpr size_t kRow = 1024;
constexpr size_t kWeights = 2 * kRow;

using Floats = std::vector<float>;
using Bytes = std::vector<uint8_t>;

/// Of a row's columns; empty: all count the same.
std::vector<Floats> importances() {
  Random random(7);
  Floats mild(kRow);
  Floats wild(kRow);
  for (float& one : mild) one = 0.1F + std::fabs(random.normal());
  for (size_t i = 0; i < kRow; ++i) {
    const bool counts = i / 32 % 5 != 3 && random.below(4) != 0;
    wild[i] = counts ? std::ldexp(1.0F + random.uniform(), static_cast<int>(random.below(60)) - 30) : 0.0F;
  }
  return {{}, mild, wild};
}

class BestEffort : public ::testing::TestWithParam<const Codec*> {
 protected:
  [[nodiscard]] const Codec& codec() const { return *GetParam(); }
  [[nodiscard]] size_t block_bytes() const { return plane_bytes({&codec(), {}}, 0, codec().block_weights); }

  [[nodiscard]] Status encode(Codec::Encode instance, const Floats& weights, const Floats& importance, Effort effort,
                              Bytes& blocks) const {
    EncodeContext context;
    context.row_weights = kRow;
    context.importance = importance;
    context.effort = effort;
    blocks.assign(weights.size() / codec().block_weights * block_bytes(), 0xA5);
    return instance(weights, {blocks}, context);
  }

  [[nodiscard]] Bytes encode(const Floats& weights, const Floats& importance, Effort effort) const {
    Bytes blocks;
    EXPECT_TRUE(encode(codec().encode, weights, importance, effort, blocks).ok());
    return blocks;
  }

  /// Σ importance·(weight − decoded)² of each block.
  [[nodiscard]] std::vector<double> errors(const Floats& weights, const Floats& importance, const Bytes& blocks) const {
    Floats decoded(weights.size());
    codec().decode({blocks}, {}, decoded);
    std::vector<double> sums(weights.size() / codec().block_weights);
    for (size_t i = 0; i < weights.size(); ++i) {
      const double counts = importance.empty() ? 1.0 : importance[i % kRow];
      sums[i / codec().block_weights] += counts * std::pow(double{weights[i]} - double{decoded[i]}, 2);
    }
    return sums;
  }

  /// Without importance, relative to the least effort.
  [[nodiscard]] double relative_error(const Floats& weights) const {
    const auto total = [&](Effort effort) {
      double sum = 0;
      for (const double error : errors(weights, {}, encode(weights, {}, effort))) sum += error;
      return sum;
    };
    return total(Effort::kBest) / total(Effort::kReference);
  }
};

TEST_P(BestEffort, LeavesNoBlockWorse) {
  for (const Floats& importance : importances()) {
    for (const auto& [name, all] : block_weights()) {
      const Floats weights(all.begin(), all.begin() + kWeights);
      const auto before = errors(weights, importance, encode(weights, importance, Effort::kReference));
      const auto after = errors(weights, importance, encode(weights, importance, Effort::kBest));
      for (size_t i = 0; i < after.size(); ++i) EXPECT_LE(after[i], before[i]) << name << ", block " << i;
    }
  }
}

TEST_P(BestEffort, EqualsItsReferenceAndRefusesWhatTheLeastEffortDoes) {
  for (const Floats& importance : importances()) {
    for (const auto& [name, weights] : weight_sets(kWeights, 3)) {
      Bytes fast;
      Bytes plain;
      Bytes least;
      const Status status = encode(codec().encode, weights, importance, Effort::kBest, fast);
      const Status reference = encode(reference_of(codec()).encode, weights, importance, Effort::kBest, plain);
      const Status expected = encode(codec().encode, weights, importance, Effort::kReference, least);
      EXPECT_EQ(status.code, expected.code) << name;
      EXPECT_EQ(status.position, expected.position) << name;
      EXPECT_EQ(reference.code, expected.code) << name;
      EXPECT_EQ(reference.position, expected.position) << name;
      if (status.ok()) {
        EXPECT_EQ(fast, plain) << name;
      }
    }
  }
}

TEST_P(BestEffort, GivesABlockTheSameBytesWhereverItLies) {
  const Floats& all = block_weights().front().weights;
  const Floats weights(all.begin(), all.begin() + ptrdiff_t{7} * codec().block_weights);
  const auto together = encode(weights, {}, Effort::kBest);
  Bytes apart;
  for (size_t i = 0; i < 7; ++i) {
    const auto from = weights.begin() + static_cast<ptrdiff_t>(i * codec().block_weights);
    const auto bytes = encode(Floats(from, from + codec().block_weights), {}, Effort::kBest);
    apart.insert(apart.end(), bytes.begin(), bytes.end());
  }
  EXPECT_EQ(apart, together);
}

/// Box and Muller's.
double normal(Random& random) {
  const double radius = std::sqrt(-2.0 * std::log((random.bits() + 1.0) * 0x1p-32));
  return radius * std::cos(std::numbers::pi * double{random.uniform()});
}

Floats normal_weights() {
  Random random(5);
  Floats weights(65536);
  for (float& weight : weights) weight = static_cast<float>(0.05 * normal(random));
  return weights;
}

/// Of Student's t distribution with five degrees of freedom.
Floats heavy_tailed_weights() {
  Random random(2);
  Floats weights(65536);
  for (float& weight : weights) {
    double squares = 0;
    for (int i = 0; i < 5; ++i) squares += std::pow(normal(random), 2);
    weight = static_cast<float>(0.05 * normal(random) / std::sqrt(squares / 5));
  }
  return weights;
}

struct Reached {
  const char* name;
  double normal;
  double heavy_tailed;
};

/// The squared error that must be reached at most, relative to that of the least effort.
constexpr std::array kReached = {
    Reached{"Q4_0", 0.89, 0.92},   Reached{"Q4_1", 0.775, 0.785}, Reached{"Q5_0", 0.88, 0.92},
    Reached{"Q5_1", 0.767, 0.776}, Reached{"Q8_0", 0.76, 0.785},  Reached{"Q2_K", 0.76, 0.73},
    Reached{"Q3_K", 0.91, 0.91},   Reached{"Q4_K", 0.95, 0.95},   Reached{"Q5_K", 0.895, 0.895},
    Reached{"Q6_K", 0.865, 0.87},  Reached{"IQ4_NL", 0.93, 0.93}, Reached{"IQ4_XS", 0.93, 0.93},
    Reached{"TQ1_0", 0.3, 0.42},   Reached{"TQ2_0", 0.3, 0.42},   Reached{"MXFP4", 0.955, 0.955},
    Reached{"NVFP4", 0.755, 0.8},  Reached{"Q1_0", 1, 1},         Reached{"Q2_0", 0.26, 0.33},
};

TEST_P(BestEffort, ReachesWhatItIsFor) {
  const auto* row =
      std::find_if(kReached.begin(), kReached.end(), [&](const Reached& one) { return one.name == codec().name; });
  ASSERT_NE(row, kReached.end()) << "add the codec to kReached";
  EXPECT_LE(relative_error(normal_weights()), row->normal);
  EXPECT_LE(relative_error(heavy_tailed_weights()), row->heavy_tailed);
}

std::vector<const Codec*> searching_codecs() {
  std::vector<const Codec*> found;
  for (const Codec* codec : codecs()) {
    if (codec->ggml_type >= 0 && codec->most_effort == Effort::kBest) found.push_back(codec);
  }
  return found;
}

std::string name_of(const ::testing::TestParamInfo<const Codec*>& info) { return std::string(info.param->name); }

INSTANTIATE_TEST_SUITE_P(, BestEffort, ::testing::ValuesIn(searching_codecs()), name_of);

}  // namespace
}  // namespace arrowquant::testing
