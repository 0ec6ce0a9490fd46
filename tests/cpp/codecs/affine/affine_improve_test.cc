#include "codecs/affine/affine_improve.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "codecs/group_search/best_groups.h"

namespace arrowquant::testing {
namespace {

template <typename Use>
void for_each_affine(Use use) {
  for (const uint32_t bits : {2U, 4U, 8U}) {
    for (const uint32_t group_size : {32U, 256U}) {
      for (const bool symmetric : {false, true}) {
        SCOPED_TRACE(std::to_string(bits) + " bits, groups of " + std::to_string(group_size) +
                     (symmetric ? ", symmetric" : ""));
        use(affine_encoding(bits, group_size, symmetric));
      }
    }
  }
}

TEST(AffineImprove, LosesNoMoreInAnyGroupOfWeightsOfAllKinds) {
  for (const WeightSet& set : weight_sets(1024 + 77, 21)) {
    SCOPED_TRACE(set.name);
    for_each_affine([&](const Encoding& encoding) { expect_best_groups(encoding, set.weights); });
  }
}

TEST(AffineImprove, LosesNoMoreByWhatColumnsCount) {
  const std::vector<float> importance = wild_importance(119, 22);
  for (const WeightSet& set : weight_sets(119 * 8, 23)) {
    SCOPED_TRACE(set.name);
    for_each_affine([&](const Encoding& encoding) { expect_best_groups(encoding, set.weights, importance, 119); });
  }
}

TEST(AffineImprove, SparesSoMuchOfNormalWeights) {
  struct Row {
    uint32_t bits;
    bool symmetric;
    double most;  ///< of the least effort's error
  };
  const std::vector<float> weights = weight_sets(128 * 64, 24).front().weights;
  for (const Row& row : {Row{2, false, 0.56}, Row{2, true, 0.79}, Row{4, false, 0.91}, Row{4, true, 0.90},
                         Row{8, false, 0.95}, Row{8, true, 0.95}}) {
    SCOPED_TRACE(row.bits);
    EXPECT_LT(expect_best_groups(affine_encoding(row.bits, 128, row.symmetric), weights).ratio(), row.most);
  }
}

TEST(AffineImprove, SparesMoreWhereItKnowsWhatColumnsCount) {
  const std::vector<float> weights = weight_sets(128 * 32, 25).front().weights;
  const std::vector<float> importance = wild_importance(128, 26);
  const Encoding encoding = affine_encoding(4, 128);
  const double knowing = expect_best_groups(encoding, weights, importance, 128).best;
  EncodeContext context = searching(encoding, importance, 128);
  context.importance = {};
  const std::vector<float> unknowing = Tensor::encoded(encoding, weights, context).decoded();
  context.importance = importance;
  EXPECT_LT(knowing, 0.9 * error_of(weights, unknowing, context, 0, weights.size()));
}

TEST(AffineImprove, GivesTheSameInPiecesThatBeginInTheMiddleOfRows) {
  const std::vector<float> importance = wild_importance(90, 27);
  const std::vector<float> weights = weight_sets(90 * 20, 28).front().weights;
  for_each_affine([&](const Encoding& encoding) { expect_same_in_pieces(encoding, weights, importance, 90, 512); });
}

TEST(AffineImprove, KnowsImportanceByMatrix) {
  const std::vector<float> importance = wild_importance(2 * 64, 29);
  const std::vector<float> weights = weight_sets(64 * 6, 30).front().weights;
  const Encoding encoding = affine_encoding(2, 64);
  EncodeContext context = searching(encoding, importance, 64);
  context.matrix_rows = 3;
  Tensor both = Tensor::encoded(encoding, weights, context);
  const std::span second = std::span(importance).subspan(64);
  Tensor alone = Tensor::encoded(encoding, std::span(weights).subspan(3 * 64), searching(encoding, second, 64));
  const std::vector<float> decoded = both.decoded();
  EXPECT_EQ(std::vector<float>(decoded.begin() + 3 * 64, decoded.end()), alone.decoded());
}

TEST(AffineImprove, LessEffortDoesNotSearch) {
  const std::vector<float> weights = weight_sets(300, 31).front().weights;
  const Encoding encoding = affine_encoding(4, 64);
  EncodeContext context;
  Tensor reference = Tensor::encoded(encoding, weights, context);
  context.effort = Effort::kBetter;
  EXPECT_EQ(Tensor::encoded(encoding, weights, context).bytes(), reference.bytes());
}

TEST(AffineImprove, NamesTheFirstWeightThatIsNotFinite) {
  std::vector<float> weights(200, 1.0F);
  weights[133] = std::numeric_limits<float>::infinity();
  const Encoding encoding = affine_encoding(4, 64);
  const Status status = Tensor::encoded(encoding, weights, searching(encoding, {}, 0)).status();
  EXPECT_EQ(status.code, StatusCode::kNotFinite);
  EXPECT_EQ(status.position, 133U);
}

}  // namespace
}  // namespace arrowquant::testing
