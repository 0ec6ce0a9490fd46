#include "codecs/iq1/iq1.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "codecs/codec.h"
#include "codecs/weight_sets.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::testing {
namespace {

/// Σ w·x·value and Σ w·value² of splits of equal weights into levels that are all the same: each explains all there is,
/// so that rounding alone tells which of them is taken, and what is taken may explain a little less than before.
struct EqualSplits {
  std::array<std::array<float, 4>, 2> products;
  std::array<std::array<float, 4>, 2> squares;

  EqualSplits(Random& random, float x, float count) {
    constexpr std::array kValues = {-1.125F, -0.875F, -0.125F, 0.125F, 0.875F, 1.125F};
    for (size_t way = 0; way < products.size(); ++way) {
      for (size_t lane = 0; lane < 4; ++lane) {
        const float value = kValues[random.below(kValues.size())];
        products[way][lane] = count * x * value;
        squares[way][lane] = count * value * value;
      }
    }
  }

  template <typename L>
  [[nodiscard]] iq1::Split challenge(iq1::Split split) const {
    for (size_t second = 0; second < 4; second += L::kWidth) {
      iq1::challenge<L, 2>(split, {L::load(&products[0][second]), L::load(&products[1][second])},
                           {L::load(&squares[0][second]), L::load(&squares[1][second])}, 7, second);
    }
    return split;
  }

  [[nodiscard]] iq1::Split challenge_one_by_one(iq1::Split split) const {
    for (size_t second = 0; second < 4; ++second) {
      for (size_t way = 0; way < products.size(); ++way) {
        split.challenge(products[way][second], squares[way][second], 7, second, static_cast<int32_t>(way));
      }
    }
    return split;
  }
};

TEST(Iq1, TakesOfEqualSplitsTheOneThatLlamaCppDoesThoughItsScoreFallsOnTheWay) {
  Random random(3);
  const auto expect_equal = [](const iq1::Split& found, const iq1::Split& expected) {
    EXPECT_EQ(found.score, expected.score);
    EXPECT_EQ(found.second, expected.second);
    EXPECT_EQ(found.way, expected.way);
  };
  for (int i = 0; i < 20000; ++i) {
    const float x = random.uniform();
    const float count = 1.0F + random.uniform();
    iq1::Split split;
    split.challenge(count * x * 1.125F, count * 1.125F * 1.125F, 0, 0, 0);
    const EqualSplits splits(random, x, count);
    const iq1::Split expected = splits.challenge_one_by_one(split);
    expect_equal(splits.challenge<WasmLanes>(split), expected);
    expect_equal(splits.challenge<ScalarLanes>(split), expected);
  }
}

}  // namespace
}  // namespace arrowquant::testing
