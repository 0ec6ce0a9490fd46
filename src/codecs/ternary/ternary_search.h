#pragma once

#include <array>
#include <bit>
#include <cstddef>

#include "codecs/ternary/largest_scale.h"
#include "codecs/ternary/scale_search.h"

namespace arrowquant::ternary {

/// The scale that loses least of 256 weights at levels −1, 0 and 1, or one that is as good but for some 0.1 %; 0 where
/// there is none. Thresholds a factor of √2 apart are tried from 0.44 of the largest magnitude down (that of the best
/// scale is at most 0.5), four at a time, as long as the last of them is the best; and the best one is made better by
/// the scale that it leads to, twice.
template <typename L>
[[gnu::noinline]] float find_ternary_scale(const float* from, const float* importance) noexcept {
  constexpr size_t kWeights = 256;
  constexpr size_t kThresholds = 4;
  constexpr float kFactor = 0.70710678F;
  constexpr int kMostRounds = 6;
  constexpr int kRefinements = 2;
  Counted<kWeights> counted;
  counted.importance = importance;
  for (size_t i = 0; i < kWeights; i += L::kWidth) {
    const auto magnitude = L::abs(L::load(from + i));
    L::store(&counted.weights[i], magnitude);
    L::store(&counted.products[i], L::mul(magnitude, L::load(importance + i)));
  }
  BestScale best;
  float first = 0.44F * std::bit_cast<float>(largest_bits<L>(from, kWeights));
  bool is_last = true;
  for (int round = 0; is_last && round < kMostRounds; ++round) {
    const auto thresholds = make_thresholds<kThresholds>(first, kFactor);
    for (const auto& [product, count] : sum_tails<L>(counted, thresholds)) {
      is_last = best.challenge(product, count, 1.0F);
    }
    first = kFactor * thresholds.back();
  }
  for (int i = 0; i < kRefinements; ++i) {
    const auto [product, count] = sum_tails<L>(counted, std::array{best.scale * 0.5F})[0];
    if (!best.challenge(product, count, 1.0F)) break;
  }
  return best.scale;
}

/// Makes of a block of TQ1_0 or TQ2_0 the one with the best scale. False where there is none.
template <typename Format, typename L>
bool improve_ternary(const float* from, const float* importance, typename Format::Block& block) noexcept {
  if (!store_half(find_ternary_scale<L>(from, importance), block.scale)) return false;
  const float inv_scale = blocks_of_32::invert<ScalarLanes>(load_half(block.scale));
  Format::template pack<L>(from, inv_scale, block);
  return true;
}

}  // namespace arrowquant::ternary
