#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "codecs/group_search/best_groups.h"

namespace arrowquant::testing {
namespace {

constexpr size_t kColumns = 9;

/// The weights of a matrix of whole blocks of rows in the order of its units.
std::vector<float> by_unit(std::span<const float> weights, size_t block) {
  std::vector<float> units;
  for (size_t at = 0; at < weights.size(); at += block * kColumns) {
    for (size_t column = 0; column < kColumns; ++column) {
      for (size_t row = 0; row < block; ++row) units.push_back(weights[at + row * kColumns + column]);
    }
  }
  return units;
}

/// Both instances agree, and no block loses more than with the least effort. Returns what is lost of that.
double expect_best_blocks(const Encoding& encoding, std::span<const float> weights) {
  EncodeContext context = searching(encoding, {}, kColumns);
  Tensor best = Tensor::encoded(encoding, weights, context);
  Tensor simd(encoding, weights.size());
  EXPECT_EQ(encoding.codec->encode(weights, simd.spans(), context).code, best.status().code);
  context.effort = Effort::kReference;
  Tensor reference = Tensor::encoded(encoding, weights, context);
  EXPECT_EQ(best.status().code, reference.status().code);
  if (!best.status().ok()) return 0;
  EXPECT_EQ(simd.bytes(), best.bytes());
  const size_t block = encoding.parameters.group_size;
  const std::vector<float> units = by_unit(weights, block);
  const std::vector<float> found = best.decoded();
  const std::vector<float> plain = reference.decoded();
  for (size_t at = 0; at < units.size(); at += block) {
    const double limit = error_of(units, plain, context, at, block);
    // Where even the least effort gives infinities there is nothing to compare.
    if (!std::isfinite(limit)) continue;
    EXPECT_LE(error_of(units, found, context, at, block), limit) << "block at " << at;
  }
  return error_of(units, found, context, 0, units.size()) / error_of(units, plain, context, 0, units.size());
}

template <typename Use>
void for_each_kind(Use use) {
  for (const char* name : {"onnx_blocks", "onnx_blocks_halved", "onnx_blocks_f16"}) {
    for (const bool symmetric : {false, true}) {
      SCOPED_TRACE(std::string(name) + (symmetric ? ", symmetric" : ""));
      use(name, symmetric);
    }
  }
}

TEST(OnnxBlocksBest, LoseNoMoreInAnyBlockOfWeightsOfAllKinds) {
  for (const WeightSet& set : weight_sets(64 * kColumns, 61)) {
    SCOPED_TRACE(set.name);
    for_each_kind([&](const char* name, bool symmetric) {
      for (const uint32_t bits : {2U, 4U, 8U}) {
        (void)expect_best_blocks(encoding_of(name, {bits, 32, symmetric}), set.weights);
      }
    });
  }
}

TEST(OnnxBlocksBest, SpareSoMuchOfNormalWeights) {
  const std::vector<float> weights = weight_sets(size_t{128} * 8 * kColumns, 62).front().weights;
  for_each_kind([&](const char* name, bool symmetric) {
    EXPECT_LT(expect_best_blocks(encoding_of(name, {2, 128, symmetric}), weights), 0.83);
    EXPECT_LT(expect_best_blocks(encoding_of(name, {4, 128, symmetric}), weights), 0.92);
    EXPECT_LT(expect_best_blocks(encoding_of(name, {8, 128, symmetric}), weights), 0.96);
  });
}

/// One for each weight, in the order of the units of a matrix whose rows count so.
std::vector<float> importance_by_unit(std::span<const float> rows, size_t block) {
  std::vector<float> spread;
  for (const float one : rows) spread.insert(spread.end(), kColumns, one);
  return by_unit(spread, block);
}

TEST(OnnxBlocksBest, WeighRows) {
  constexpr size_t kBlock = 32;
  constexpr size_t kRows = 8 * kBlock;
  const std::vector<float> weights = weight_sets(kRows * kColumns, 64).front().weights;
  const std::vector<float> units = by_unit(weights, kBlock);
  const std::vector<float> importance = wild_importance(kRows, 65);
  const std::vector<float> counts = importance_by_unit(importance, kBlock);
  for_each_kind([&](const char* name, bool symmetric) {
    const Encoding encoding = encoding_of(name, {4, kBlock, symmetric});
    const auto lost = [&](std::span<const float> rows, Effort effort) {
      EncodeContext context = searching(encoding, rows, kColumns);
      context.effort = effort;
      Tensor made = Tensor::encoded(encoding, weights, context);
      Tensor simd(encoding, weights.size());
      EXPECT_TRUE(encoding.codec->encode(weights, simd.spans(), context).ok());
      EXPECT_EQ(simd.bytes(), made.bytes());
      // Of every unit by itself.
      const std::vector<float> restored = made.decoded();
      std::vector<double> errors;
      for (size_t at = 0; at < units.size(); at += kBlock) {
        const auto part = std::span(counts).subspan(at, kBlock);
        const auto context_of_unit = searching(encoding, part, kBlock);
        errors.push_back(error_of(std::span(units).subspan(at, kBlock), std::span(restored).subspan(at, kBlock),
                                  context_of_unit, 0, kBlock));
      }
      return errors;
    };
    const std::vector<double> weighed = lost(importance, Effort::kBest);
    const std::vector<double> reference = lost({}, Effort::kReference);
    const std::vector<double> plain = lost({}, Effort::kBest);
    double sum = 0;
    double without = 0;
    for (size_t i = 0; i < weighed.size(); ++i) {
      EXPECT_LE(weighed[i], reference[i]) << "unit " << i;
      sum += weighed[i];
      without += plain[i];
    }
    EXPECT_LT(sum, 0.8 * without);
    // Less effort does not look at it.
    EncodeContext context = searching(encoding, importance, kColumns);
    context.effort = Effort::kReference;
    Tensor with = Tensor::encoded(encoding, weights, context);
    context.importance = {};
    EXPECT_EQ(with.bytes(), Tensor::encoded(encoding, weights, context).bytes());
  });
}

TEST(OnnxBlocksBest, TellTheImportanceOfRowsByTheirNumberInTheTensor) {
  constexpr size_t kBlock = 32;
  const Encoding encoding = encoding_of("onnx_blocks", {4, kBlock, false});
  const std::vector<float> weights = weight_sets(4 * kBlock * kColumns, 66).front().weights;
  const std::vector<float> importance = wild_importance(4 * kBlock, 67);
  EncodeContext context = searching(encoding, importance, kColumns);
  Tensor whole = Tensor::encoded(encoding, weights, context);
  const size_t half = weights.size() / 2;
  context.first_row = 2 * kBlock;
  Tensor second = Tensor::encoded(encoding, std::span(weights).subspan(half), context);
  const std::vector<float> all = whole.decoded();
  EXPECT_EQ(second.decoded(), std::vector<float>(all.begin() + static_cast<ptrdiff_t>(half), all.end()));
}

TEST(OnnxBlocksBest, LookAtTheRowsOfTheTensorOnly) {
  const size_t rows = 40;
  const Encoding encoding = encoding_of("onnx_blocks", {4, 32, false});
  std::vector<float> weights = weight_sets(64 * kColumns, 63).front().weights;
  EncodeContext context = searching(encoding, {}, kColumns);
  context.rows = rows;
  Tensor zeros = Tensor::encoded(encoding, weights, context);
  std::fill(weights.begin() + static_cast<ptrdiff_t>(rows * kColumns), weights.end(), 5.0F);
  EXPECT_EQ(Tensor::encoded(encoding, weights, context).bytes(), zeros.bytes());
}

}  // namespace
}  // namespace arrowquant::testing
