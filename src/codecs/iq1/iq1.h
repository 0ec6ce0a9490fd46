#pragma once

#include <array>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "base/status.h"
#include "codecs/blocks_of_32/blocks_of_32.h"
#include "codecs/improved_blocks.h"
#include "codecs/iq_grid/grid.h"
#include "codecs/weighted/weigh.h"

/// What IQ1_S and IQ1_M share: groups of eight weights whose levels 0, 1 and 2 are a point of a grid, and stand for −1,
/// 0 and 1, all of them ⅛ higher or lower.
namespace arrowquant::iq1 {

inline constexpr size_t kSuperBlock = 256;
inline constexpr size_t kGroup = 8;

/// The values of the levels.
using Values = std::array<float, 3>;
inline constexpr Values kRaised = {-0.875F, 0.125F, 1.125F};
inline constexpr Values kLowered = {-1.125F, -0.125F, 0.875F};

/// Twice the mean square of a super-block, whose sum is taken in index order.
inline float spread_of(const float* from) noexcept {
  return 2.0F * weighted::sum_squares({from, kSuperBlock}) / static_cast<float>(kSuperBlock);
}

/// The place of each weight among all of them in ascending order; equal ones keep theirs.
template <typename L, size_t kCount>
std::array<int32_t, kCount> rank(const float* from) noexcept {
  constexpr std::array<int32_t, 4> kLanes = {0, 1, 2, 3};
  std::array<int32_t, kCount> ranks;
  for (size_t j = 0; j < kCount; j += L::kWidth) {
    const auto own = L::load(from + j);
    auto found = L::splat(int32_t{0});
    for (size_t i = 0; i < j; ++i) found = L::sub(found, L::mask_bits(L::le(L::splat(from[i]), own)));
    for (size_t i = j; i < j + L::kWidth; ++i) {
      const auto is_before = L::lt(L::splat(static_cast<int32_t>(i - j)), L::load(kLanes.data()));
      const auto other = L::splat(from[i]);
      const auto is_first = L::mask_or(L::lt(other, own), L::mask_and(L::eq(other, own), is_before));
      found = L::sub(found, L::mask_bits(is_first));
    }
    for (size_t i = j + L::kWidth; i < kCount; ++i) found = L::sub(found, L::mask_bits(L::lt(L::splat(from[i]), own)));
    L::store(&ranks[j], found);
  }
  return ranks;
}

/// Two places that cut the sorted weights into the levels 0, 1 and 2, which of the ways to raise and lower them goes
/// with it, and the scale. None has been found while there is no way.
struct Split {
  float score = -FLT_MAX;
  float scale = 0.0F;
  int32_t first = 0;
  int32_t second = 0;
  int32_t way = -1;

  /// Takes it if it explains more, as ggml compares: Σ w·x·value squared over Σ w·value².
  void challenge(float product, float square, size_t one, size_t other, int32_t which) noexcept {
    if (!(square > 0.0F && product * product > score * square)) return;
    scale = product / square;
    score = scale * product;
    first = static_cast<int32_t>(one);
    second = static_cast<int32_t>(other);
    way = which;
  }
};

/// A search that begins with a little less than what some split explains, and not with nothing, ends with the same
/// split, and looks at fewer of them one by one. For on the way from there to the best split one of the splits that are
/// taken explains more than all before it by so much that either search takes it, whatever is rounded: fewer than 2^11
/// of them have to make up for 1/32.
inline void begin_below(const Split& guess, Split& split) noexcept {
  constexpr float kSmallest = 1e-11F;
  constexpr float kLargest = 1e11F;
  const auto is_safe = [](float value) noexcept { return value > kSmallest && value < kLargest; };
  const float scale = std::fabs(guess.scale);
  // Neither squares nor products of the sums, which are score / scale and that / scale, may underflow or overflow.
  if (guess.way < 0 || !is_safe(guess.score) || !is_safe(scale) || !is_safe(guess.score / scale)) return;
  split.score = 0.96875F * guess.score;
}

/// Has `split` challenged by kWidth second places at once, of which most have no chance: only where one has are they
/// looked at in order, place by place and way by way. Then all of them are, since rounding may lower the score on the
/// way.
template <typename L, size_t kWays>
void challenge(Split& split, const std::array<typename L::F32, kWays>& products,
               const std::array<typename L::F32, kWays>& squares, size_t first, size_t second) noexcept {
  const auto score = L::splat(split.score);
  const auto explains_more = [&](size_t way) noexcept {
    return L::gt(L::mul(products[way], products[way]), L::mul(score, squares[way]));
  };
  auto any = explains_more(0);
  for (size_t way = 1; way < kWays; ++way) any = L::mask_or(any, explains_more(way));
  if (!L::any(any)) return;
  std::array<std::array<float, L::kWidth>, kWays> product;
  std::array<std::array<float, L::kWidth>, kWays> square;
  for (size_t way = 0; way < kWays; ++way) {
    L::store(product[way].data(), products[way]);
    L::store(square[way].data(), squares[way]);
  }
  for (size_t lane = 0; lane < L::kWidth; ++lane) {
    for (size_t way = 0; way < kWays; ++way) {
      split.challenge(product[way][lane], square[way][lane], first, second + lane, static_cast<int32_t>(way));
    }
  }
}

/// The best of all splits of kCount weights. `row_of(first)` gives a function that challenges with kWidth
/// second places: `(split, second)`.
template <typename L, size_t kCount, typename RowOf>
Split search_splits(RowOf row_of) noexcept {
  // What weights from a bell curve are split into.
  Split guess;
  row_of(kCount * 5 / 16)(guess, kCount * 11 / 16);
  row_of(kCount * 4 / 16)(guess, kCount * 12 / 16);
  Split split;
  begin_below(guess, split);
  for (size_t first = 0; first <= kCount; ++first) {
    const auto look = row_of(first);
    for (size_t second = first; second <= kCount; second += L::kWidth) look(split, second);
  }
  return split;
}

/// Whether a sub-block that no split explains may be all zeros. It may not where it only seems so because sums
/// overflow.
inline bool is_nothing(const float* from, std::span<const float> counts) noexcept {
  float sum = 0.0F;
  for (size_t i = 0; i < counts.size(); ++i) sum += counts[i] + counts[i] * std::fabs(from[i]);
  return sum < std::numeric_limits<float>::infinity();
}

/// A group's weights, how much each counts, and the values that its levels have.
struct Group {
  const float* weights;
  const float* counts;
  const Values* values;
};

/// The key of a group by the ranks of its weights; `is_turned` where the levels have to be.
inline iq::Key key_of(const int32_t* ranks, const Split& split, bool is_turned) noexcept {
  uint32_t key = 0;
  for (uint32_t i = 0; i < kGroup; ++i) {
    const uint32_t level = (ranks[i] >= split.first ? 1U : 0U) + (ranks[i] >= split.second ? 1U : 0U);
    key |= (is_turned ? 2 - level : level) << 2 * i;
  }
  return static_cast<iq::Key>(key);
}

/// Moves the groups of a sub-block onto the grid. A key that is not there is replaced by the neighbour with the least
/// error, the first of them, and least squares tell the scale anew. False where no neighbour has a finite error, or
/// there is no scale.
template <typename L>
bool fit_to_grid(iq::Grid& grid, std::span<const Group> groups, float& scale, iq::Key* keys) noexcept;

/// Σ count·value·weight and Σ count·value² in order, with values times `factor`.
struct FitSums {
  float product = 0.0F;
  float square = 0.0F;

  void add(const Group& group, iq::Key key, float factor) noexcept;
};

/// The nearest whole number to half of `ratio` − 1, half to even, in 0…7; 0 where that is no number.
int32_t code_of(float ratio) noexcept;

/// Puts the weights of a point: scale · value.
template <typename L>
void expand(iq::Key key, const Values& values, float scale, float* to) noexcept {
  constexpr std::array<int32_t, 4> kToTop = {64, 16, 4, 1};
  const auto lift = L::splat(values[0]);
  for (size_t i = 0; i < kGroup; i += L::kWidth) {
    const auto moved = L::mul(L::splat(static_cast<int32_t>(key >> 2 * i)), L::load(kToTop.data()));
    const auto level = L::bit_and(L::shr(moved, 6), L::splat(3));
    L::store(to + i, L::mul(L::splat(scale), L::add(L::to_f32(level), lift)));
  }
}

/// Encodes super-blocks with `Format::encode<L>(grid, from, importance, block)`, which returns false for one that has
/// to be refused. With `kWeighs` no importance stands for ones, without it the format gets none.
template <typename Format, typename L, bool kWeighs>
Status encode_super_blocks(std::span<const float> weights, const float* importance, std::span<uint8_t> bytes) noexcept {
  iq::Grid& grid = iq::iq1_grid();
  auto* blocks = reinterpret_cast<typename Format::Block*>(bytes.data());
  for (size_t at = 0; at < weights.size(); at += kSuperBlock, ++blocks) {
    *blocks = {};
    const float* counts = importance == nullptr ? kOnes.data() : importance + at;
    if (!Format::template encode<L>(grid, &weights[at], kWeighs ? counts : nullptr, *blocks)) {
      return blocks_of_32::refusal(weights.subspan(at, kSuperBlock)).offset_by(at);
    }
  }
  return {};
}

/// The same where there is no importance.
template <typename Format, typename L, bool kWeighs>
Status encode_super_blocks(std::span<const float> weights, std::span<uint8_t> bytes) noexcept {
  return encode_super_blocks<Format, L, kWeighs>(weights, nullptr, bytes);
}

template <typename Format, typename L>
void decode_super_blocks(std::span<const uint8_t> bytes, std::span<float> weights) noexcept {
  const iq::Grid& grid = iq::iq1_grid();
  const auto* blocks = reinterpret_cast<const typename Format::Block*>(bytes.data());
  for (size_t at = 0; at < weights.size(); at += kSuperBlock, ++blocks) {
    Format::template decode<L>(grid, *blocks, &weights[at]);
  }
}

}  // namespace arrowquant::iq1
