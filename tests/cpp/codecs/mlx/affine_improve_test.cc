#include "codecs/mlx/affine_improve.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "codecs/foreign/foreign_plain.h"
#include "codecs/group_search/best_groups.h"

namespace arrowquant::testing {
namespace {

Encoding mlx_encoding(const PlainType& type, uint32_t bits, uint32_t group_size) {
  return encoding_of("mlx_" + std::string(type.name), {bits, group_size, false});
}

template <typename Use>
void for_each_mlx(Use use) {
  for (const PlainType& type : kPlainTypes) {
    for (const uint32_t bits : {2U, 3U, 4U, 8U}) {
      SCOPED_TRACE(std::string(type.name) + ", " + std::to_string(bits) + " bits");
      use(mlx_encoding(type, bits, bits == 3 ? 128 : 32));
    }
  }
}

TEST(MlxAffineImprove, LosesNoMoreInAnyGroupOfWeightsOfAllKinds) {
  for (const WeightSet& set : weight_sets(256 + 77, 41)) {
    SCOPED_TRACE(set.name);
    for_each_mlx([&](const Encoding& encoding) { expect_best_groups(encoding, set.weights); });
  }
}

TEST(MlxAffineImprove, LosesNoMoreByWhatColumnsCount) {
  const std::vector<float> importance = wild_importance(119, 42);
  for (const WeightSet& set : weight_sets(119 * 3, 43)) {
    SCOPED_TRACE(set.name);
    for_each_mlx([&](const Encoding& encoding) { expect_best_groups(encoding, set.weights, importance, 119); });
  }
}

TEST(MlxAffineImprove, SparesSoMuchOfNormalWeights) {
  struct Row {
    uint32_t bits;
    double most;  ///< of the least effort's error
  };
  const std::vector<float> weights = weight_sets(64 * 64, 44).front().weights;
  for (const Row& row : {Row{2, 0.75}, Row{3, 0.85}, Row{4, 0.87}, Row{5, 0.89}, Row{6, 0.89}, Row{8, 0.89}}) {
    SCOPED_TRACE(row.bits);
    for (const PlainType& type : kPlainTypes) {
      EXPECT_LT(expect_best_groups(mlx_encoding(type, row.bits, 64), weights).ratio(), row.most);
    }
  }
}

TEST(MlxAffineImprove, GivesTheSameInPiecesThatBeginInTheMiddleOfRows) {
  const std::vector<float> importance = wild_importance(90, 45);
  const std::vector<float> weights = weight_sets(90 * 20, 46).front().weights;
  for_each_mlx([&](const Encoding& encoding) { expect_same_in_pieces(encoding, weights, importance, 90, 512); });
}

}  // namespace
}  // namespace arrowquant::testing
