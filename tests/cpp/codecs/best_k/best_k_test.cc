#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "codecs/codec.h"
#include "codecs/weight_sets.h"

namespace arrowquant {
namespace {

using testing::Random;

constexpr size_t kSuperBlock = 256;

/// What is left of the reference's squared error, at most, of normal weights and of Student's t with 5 degrees.
struct Ratios {
  std::string name;
  double normal;
  double student;
};

float bell(Random& random) {
  float sum = 0;
  for (int i = 0; i < 12; ++i) sum += random.uniform();
  return sum / 2;
}

float student(Random& random) {
  float squares = 0;
  for (int i = 0; i < 5; ++i) squares += std::pow(bell(random), 2.0F);
  return bell(random) / std::sqrt(squares / 5);
}

EncodeContext context_of(Effort effort, std::span<const float> importance) {
  EncodeContext context;
  context.effort = effort;
  context.importance = importance;
  context.row_weights = importance.size();
  return context;
}

struct Blocks {
  Status status;
  std::vector<uint8_t> bytes;
};

class BestK : public ::testing::TestWithParam<Ratios> {
 protected:
  const Codec& codec() const { return *find_codec(GetParam().name); }
  size_t block_bytes() const { return static_cast<size_t>(plane_bytes({&codec(), {}}, 0, kSuperBlock)); }

  Blocks encode(Codec::Encode function, const std::vector<float>& weights, const EncodeContext& context) const {
    Blocks blocks{{}, std::vector<uint8_t>(weights.size() / kSuperBlock * block_bytes())};
    blocks.status = function(weights, {blocks.bytes}, context);
    return blocks;
  }

  /// Of each super-block, squared and weighed.
  std::vector<double> errors(const std::vector<float>& weights, std::span<const float> importance,
                             const Blocks& blocks) const {
    std::vector<float> decoded(weights.size());
    codec().decode({blocks.bytes}, {}, decoded);
    std::vector<double> errors(weights.size() / kSuperBlock);
    for (size_t i = 0; i < weights.size(); ++i) {
      const double count = importance.empty() ? 1.0 : double{importance[i % importance.size()]};
      errors[i / kSuperBlock] += count * std::pow(double{weights[i]} - double{decoded[i]}, 2);
    }
    return errors;
  }

  double ratio(float (*draw)(Random&)) const {
    Random random(1);
    std::vector<float> weights(40 * kSuperBlock);
    for (float& weight : weights) weight = 0.02F * draw(random);
    double sum = 0;
    for (const double error : errors(weights, {}, encode(codec().encode, weights, context_of(Effort::kBest, {})))) {
      sum += error;
    }
    double reference = 0;
    for (const double error : errors(weights, {}, encode(codec().encode, weights, {}))) reference += error;
    return sum / reference;
  }

  /// Both instances write the same, refuse what less effort refuses, and lose no more in any super-block.
  void expect_no_worse(const std::string& name, const std::vector<float>& weights,
                       const std::vector<float>& importance) const {
    const EncodeContext context = context_of(Effort::kBest, importance);
    const Blocks best = encode(codec().encode, weights, context);
    const Blocks plain = encode(reference_of(codec()).encode, weights, context);
    const Blocks less = encode(codec().encode, weights, context_of(Effort::kReference, importance));
    for (const Blocks* other : {&plain, &less}) {
      EXPECT_EQ(best.status.code, other->status.code) << name;
      EXPECT_EQ(best.status.position, other->status.position) << name;
    }
    if (!best.status.ok() || !less.status.ok()) return;
    EXPECT_EQ(best.bytes, plain.bytes) << name;
    const auto best_errors = errors(weights, importance, best);
    const auto less_errors = errors(weights, importance, less);
    for (size_t i = 0; i < best_errors.size(); ++i)
      EXPECT_LE(best_errors[i], less_errors[i]) << name << ", block " << i;
  }
};

TEST_P(BestK, LeavesSoMuchOfTheErrorOfNormalWeights) { EXPECT_LE(ratio(bell), GetParam().normal); }

TEST_P(BestK, LeavesSoMuchOfTheErrorOfHeavyTails) { EXPECT_LE(ratio(student), GetParam().student); }

TEST_P(BestK, IsNeverWorseThanLessEffort) {
  std::vector<float> importance(2 * kSuperBlock);
  Random random(3);
  for (float& one : importance) one = random.below(4) == 0 ? 0.0F : std::exp2(8 * random.uniform());
  for (const auto& [name, weights] : testing::weight_sets(2 * kSuperBlock, 2)) {
    expect_no_worse(name, weights, {});
    expect_no_worse(name + ", weighed", weights, importance);
  }
}

TEST_P(BestK, IsNoWorseWhereFewOrNoWeightsCount) {
  Random random(4);
  std::vector<float> weights(2 * kSuperBlock);
  for (float& weight : weights) weight = 0.02F * bell(random);
  std::vector<float> importance(weights.size(), 0.0F);
  expect_no_worse("none", weights, importance);
  importance[17] = 1e-40F;
  importance[300] = 3e38F;
  expect_no_worse("two", weights, importance);
}

std::string name_of(const ::testing::TestParamInfo<Ratios>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(, BestK,
                         ::testing::Values(Ratios{"Q2_K", 0.76, 0.73}, Ratios{"Q3_K", 0.91, 0.91},
                                           Ratios{"Q4_K", 0.95, 0.945}, Ratios{"Q5_K", 0.895, 0.89},
                                           Ratios{"Q6_K", 0.865, 0.87}),
                         name_of);

}  // namespace
}  // namespace arrowquant
