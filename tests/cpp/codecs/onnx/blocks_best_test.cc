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
