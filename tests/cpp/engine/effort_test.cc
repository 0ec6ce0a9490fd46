#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codecs/weight_sets.h"
#include "tensor.h"

namespace arrowquant::testing {
namespace {

constexpr size_t kMatrices = 2;
constexpr size_t kMatrixRows = 3;

/// Stacked matrices whose rows are no whole number of pieces, nor these of them, and how much their columns count.
struct Stack {
  size_t row_weights;
  std::vector<float> weights;
  std::vector<float> importance;

  explicit Stack(size_t row) : row_weights(row), weights(kMatrices * kMatrixRows * row), importance(kMatrices * row) {
    Random random(row);
    for (float& weight : weights) weight = random.normal();
    for (float& one : importance) one = random.below(5) == 0 ? 0.0F : std::fabs(random.uniform());
  }

  [[nodiscard]] EncodeContext context(Effort effort, bool weighs) const {
    EncodeContext context;
    context.effort = effort;
    context.row_weights = row_weights;
    context.matrix_rows = kMatrixRows;
    if (weighs) context.importance = importance;
    return context;
  }

  [[nodiscard]] double lost(std::span<const float> decoded, bool weighs) const {
    double sum = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      const size_t column = i / row_weights / kMatrixRows * row_weights + i % row_weights;
      const double error = double{weights[i]} - double{decoded[i]};
      sum += (weighs ? double{importance[column]} : 1.0) * error * error;
    }
    return sum;
  }
};

/// Does parts of `work` of `step` weights.
Outcome execute_in_parts(const Work& work, size_t step) {
  const auto scratch = std::make_unique<Scratch>();
  std::vector<float> room(row_room_floats(work));
  Outcome all;
  for (size_t at = 0; at < work.weights; at += step) {
    Work part = slice(work, at, std::min(step, work.weights - at));
    part.row_room = room.data();
    const Outcome outcome = execute(part, *scratch);
    EXPECT_TRUE(outcome.status.ok());
    all.merge(outcome);
  }
  return all;
}

void expect_saving(const Stack& stack, const Encoding& encoding, Effort effort, bool weighs) {
  Tensor expected = Tensor::encoded(encoding, stack.weights, stack.context(effort, weighs));
  Tensor least = Tensor::encoded(encoding, stack.weights, stack.context(Effort::kReference, weighs));
  const double lost = stack.lost(expected.decoded(), weighs);
  const double lost_at_least = stack.lost(least.decoded(), weighs);
  Tensor source = Tensor::of_floats(stack.weights);
  Tensor target(encoding, stack.weights.size());
  Work work = transcoding(source, target);
  work.measure = true;
  work.effort = effort;
  work.row_weights = stack.row_weights;
  work.matrix_rows = kMatrixRows;
  if (weighs) work.importance = stack.importance;
  const size_t step = needs_rows(work) ? 2 * stack.row_weights : 256;
  for (const size_t some : {work.weights, step}) {
    const Outcome outcome = execute_in_parts(work, some);
    EXPECT_EQ(target.bytes(), expected.bytes());
    EXPECT_NEAR(outcome.error.weighted_error, lost, 1e-9 * lost);
    EXPECT_NEAR(outcome.error.reference_error, lost_at_least, 1e-9 * lost_at_least);
  }
}

TEST(Effort, SavesWhatTheErrorsOfAllPartsSay) {
  for (const std::string_view name : {"Q4_0", "Q6_K", "IQ4_NL", "Q8_0", "affine"}) {
    const Encoding encoding = name == "affine" ? affine_encoding(2, 64) : encoding_of(name);
    for (const size_t row_weights : {size_t{768}, kPieceWeights + 256}) {
      const Stack stack(row_weights);
      for (const Effort effort : {Effort::kBetter, Effort::kBest}) {
        for (const bool weighs : {false, true}) {
          SCOPED_TRACE(std::string(name) + (weighs ? " weighed" : "") +
                       (effort == Effort::kBest ? " best" : " better"));
          expect_saving(stack, encoding, effort, weighs);
        }
      }
    }
  }
}

}  // namespace
}  // namespace arrowquant::testing
