#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "codecs/k_quants/k_quant_levels.h"

/// What Q3_K and Q6_K share: weight = scale · level, with levels on both sides of 0 and scales of either sign.
namespace arrowquant::k_quant {

inline constexpr size_t kSignedWeights = 16;
inline constexpr size_t kSignedBlocks = kSuperBlock / kSignedWeights;
/// A sub-block whose largest magnitude is below this counts as zero (llama.cpp's GROUP_MAX_EPS).
inline constexpr float kNothing = 1e-15F;

/// The value of largest magnitude of each sub-block with its sign, the first one on a tie.
template <typename Lanes>
struct Extreme {
  typename Lanes::F32 value;
  typename Lanes::Mask nothing;
};

/// `rows[i].value` holds weight i of the sub-blocks, one a lane. Lanes of nothing get the value 1, to divide by.
template <typename Lanes, typename Rows>
Extreme<Lanes> find_extreme(const Rows& rows) noexcept {
  auto magnitude = Lanes::splat(0.0F);
  auto extreme = magnitude;
  for (const auto& row : rows) {
    const auto value = Lanes::load(row.value.data());
    const auto absolute = Lanes::abs(value);
    extreme = Lanes::select(Lanes::gt(absolute, magnitude), value, extreme);
    magnitude = Lanes::pmax(magnitude, absolute);
  }
  const auto nothing = Lanes::lt(magnitude, Lanes::splat(kNothing));
  return {Lanes::select(nothing, Lanes::splat(1.0F), extreme), nothing};
}

/// The scale of largest magnitude with its sign, the first one on a tie; 0 if all are zeros. Infinity if one is NaN, so
/// that the block is refused: llama.cpp passes over a sub-block whose sums overflowed, and decodes it to zeros.
inline float extreme_scale(const std::array<float, kSignedBlocks>& scales) noexcept {
  float found = 0.0F;
  // Its magnitude is kept beside it: LLVM 19 drops the second fabs of `fabs(scale) > fabs(found) ? scale : found`.
  float magnitude = 0.0F;
  for (const float scale : scales) {
    if (std::isnan(scale)) return std::numeric_limits<float>::infinity();
    if (std::fabs(scale) > magnitude) {
      magnitude = std::fabs(scale);
      found = scale;
    }
  }
  return found;
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
