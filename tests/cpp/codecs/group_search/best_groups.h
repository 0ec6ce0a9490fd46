#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "codecs/codec.h"
#include "codecs/weight_sets.h"
#include "engine/tensor.h"

/// What the tests of searches for the scales of groups share.
namespace arrowquant::testing {

/// Squared errors by importance.
struct Gain {
  double best = 0;
  double reference = 0;

  [[nodiscard]] double ratio() const { return best / reference; }
};

/// How much an error of each column counts; none: all the same.
inline EncodeContext searching(const Encoding& encoding, std::span<const float> importance, size_t row_weights) {
  EncodeContext context;
  context.parameters = encoding.parameters;
  context.effort = Effort::kBest;
  context.importance = importance;
  context.row_weights = row_weights;
  return context;
}

/// Numbers from 0 on that are of very different sizes, some of them 0.
inline std::vector<float> wild_importance(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> importance(count);
  for (float& one : importance) {
    one = random.below(5) == 0 ? 0.0F : std::exp2(20 * random.uniform());
  }
  return importance;
}

inline double error_of(std::span<const float> weights, std::span<const float> restored, const EncodeContext& context,
                       size_t first, size_t count) {
  double sum = 0;
  for (size_t i = first; i < first + count; ++i) {
    const double error = static_cast<double>(weights[i]) - static_cast<double>(restored[i]);
    const double counts = context.importance.empty() ? 1 : context.importance[i % context.row_weights];
    sum += counts * error * error;
  }
  return sum;
}

/// The most effort: both instances give the same bytes, and no group loses more than with the least effort.
inline Gain expect_best_groups(const Encoding& encoding, std::span<const float> weights,
                               std::span<const float> importance = {}, size_t row_weights = 0) {
  EncodeContext context = searching(encoding, importance, row_weights);
  Tensor best = Tensor::encoded(encoding, weights, context);
  Tensor simd(encoding, weights.size());
  EXPECT_EQ(encoding.codec->encode(weights, simd.spans(), context).code, best.status().code);
  context.effort = Effort::kReference;
  context.importance = {};
  Tensor reference = Tensor::encoded(encoding, weights, context);
  EXPECT_EQ(best.status().code, reference.status().code);
  if (!best.status().ok()) return {};
  EXPECT_EQ(simd.bytes(), best.bytes());
  const std::vector<float> found = best.decoded();
  const std::vector<float> plain = reference.decoded();
  context.importance = importance;
  Gain gain;
  for (size_t at = 0; at < weights.size(); at += encoding.parameters.group_size) {
    const size_t count = std::min<size_t>(encoding.parameters.group_size, weights.size() - at);
    const double limit = error_of(weights, plain, context, at, count);
    const double error = error_of(weights, found, context, at, count);
    // Where even the least effort gives infinities there is nothing to compare.
    if (!std::isfinite(limit)) continue;
    EXPECT_LE(error, limit) << "group at " << at;
    gain.best += error;
    gain.reference += limit;
  }
  return gain;
}

/// Encodes in pieces that begin in the middle of rows, which gives the same bytes.
inline void expect_same_in_pieces(const Encoding& encoding, std::span<const float> weights,
                                  std::span<const float> importance, size_t row_weights, size_t piece) {
  EncodeContext context = searching(encoding, importance, row_weights);
  Tensor whole(encoding, weights.size());
  ASSERT_TRUE(encoding.codec->encode(weights, whole.spans(), context).ok());
  Tensor target(encoding, weights.size());
  for (size_t at = 0; at < weights.size(); at += piece) {
    const size_t count = std::min(piece, weights.size() - at);
    context.first_row = at / row_weights;
    context.first_column = at % row_weights;
    const Planes planes = planes_of(target.operand(), at, count);
    ASSERT_TRUE(encoding.codec->encode(weights.subspan(at, count), planes, context).ok());
  }
  EXPECT_EQ(target.bytes(), whole.bytes());
}

}  // namespace arrowquant::testing
