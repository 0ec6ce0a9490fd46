#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/weighted/signed_levels.h"
#include "codecs/weighted/signed_search.h"
#include "simd/lanes_pair.h"

/// What Q3_K and Q6_K share: weight = scale · level, with levels on both sides of 0 and scales of either sign.
namespace arrowquant::k_quant {

inline constexpr size_t kSignedWeights = 16;
inline constexpr size_t kSignedBlocks = kSuperBlock / kSignedWeights;
using weighted::kNothing;

/// What the search found. Its own levels are nearest_integer(level_scale · weight), or all the lowest where level_scale
/// is 0; they are used only where the stored scale becomes 0.
struct SignedFits {
  alignas(16) std::array<float, kSignedBlocks> scale;
  alignas(16) std::array<float, kSignedBlocks> level_scale;
  alignas(16) std::array<float, kSignedBlocks> count;  ///< the sums of how much the errors of the weights count

  /// The search's own level of a weight of sub-block j, counted from the lowest one, −half.
  [[nodiscard]] uint8_t level(float weight, size_t j, int32_t half) const noexcept {
    const int32_t level = nearest_integer(level_scale[j] * weight);
    return static_cast<uint8_t>(level_scale[j] == 0.0F ? 0 : std::clamp(level, -half, half - 1) + half);
  }
};

template <typename Lanes>
using SignedRows = std::array<weighted::SignedRow<Lanes>, kSignedWeights>;

/// Fills the rows from sub-blocks side by side and returns the sums of their counts.
template <typename Lanes>
typename PairLanes<Lanes>::F32 fill_rows(const float* weights, const float* counts,
                                         SignedRows<PairLanes<Lanes>>& rows) noexcept {
  using Wide = PairLanes<Lanes>;
  using Row = weighted::SignedRow<Wide>;
  interleave<Lanes>(weights, rows, &Row::value);
  if (counts != nullptr) interleave<Lanes>(counts, rows, &Row::count);
  auto sum = Wide::splat(0.0F);
  for (Row& row : rows) {
    const auto value = Wide::load(row.value.data());
    const auto count = counts == nullptr ? Wide::mul(value, value) : Wide::load(row.count.data());
    Wide::store(row.count.data(), count);
    Wide::store(row.product.data(), Wide::mul(count, value));
    sum = Wide::add(sum, count);
  }
  return sum;
}

/// Searches all sub-blocks of a super-block, two vectors of them at a time. `counts` says of each weight how much its
/// error counts; nullptr: its square.
template <typename Lanes>
SignedFits fit_signed(const float* weights, const float* counts, int32_t half) noexcept {
  using Wide = PairLanes<Lanes>;
  SignedRows<Wide> rows;
  SignedFits fits;
  for (size_t first = 0; first < kSignedBlocks; first += Wide::kWidth) {
    const size_t at = first * kSignedWeights;
    const auto sum = fill_rows<Lanes>(weights + at, counts == nullptr ? nullptr : counts + at, rows);
    const auto fit = weighted::search_signed_scale<Wide>(rows, static_cast<float>(half));
    Wide::store(&fits.scale[first], fit.scale);
    Wide::store(&fits.level_scale[first], fit.level_scale);
    Wide::store(&fits.count[first], sum);
  }
  return fits;
}

/// The scale of largest magnitude with its sign, the first one on a tie; 0 if all are zeros. Infinity if one is NaN, so
/// that the block is refused: llama.cpp passes over a sub-block whose sums overflowed, and decodes it to zeros.
inline float extreme_scale(const std::array<float, kSignedBlocks>& scales) noexcept {
  const bool overflowed = std::any_of(scales.begin(), scales.end(), [](float scale) { return std::isnan(scale); });
  return overflowed ? std::numeric_limits<float>::infinity() : weighted::extreme_of(scales);
}

/// The factors of the sub-blocks.
using SignedFactors = std::array<float, kSignedBlocks>;

/// Weights from levels.
template <typename Lanes, int32_t kLow>
void expand_signed(const Levels& levels, const SignedFactors& factors, float* weights) noexcept {
  for (size_t j = 0; j < kSignedBlocks; ++j) {
    const size_t at = j * kSignedWeights;
    expand_sub_block<Lanes, kLow>(&levels[at], factors[j], 0.0F, {weights + at, kSignedWeights});
  }
}

/// Levels for the stored factors. Where one is 0, `searched(i, j)` says what the search made of weight i of sub-block
/// j.
template <typename Lanes, int32_t kLow, int32_t kHigh, typename Searched>
void round_signed(const float* weights, const SignedFactors& factors, Searched searched, Levels& levels) noexcept {
  for (size_t j = 0; j < kSignedBlocks; ++j) {
    const size_t at = j * kSignedWeights;
    if (factors[j] != 0.0F) {
      round_sub_block<Lanes, kLow, kHigh>({weights + at, kSignedWeights}, factors[j], 0.0F, &levels[at]);
      continue;
    }
    for (size_t i = 0; i < kSignedWeights; ++i) levels[at + i] = searched(i, j);
  }
}

}  // namespace arrowquant::k_quant
