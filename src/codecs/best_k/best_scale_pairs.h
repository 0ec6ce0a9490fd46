#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/best_k/min_search.h"
#include "codecs/k_quants/k_quant_scale_pairs.h"

namespace arrowquant::best_k {

/// Finds the scales, mins and levels of a super-block of Q4_K or Q5_K. False where the search finds nothing.
template <typename Lanes, typename Rule>
[[nodiscard]] bool find_pairs(const float* weights, const float* counts, bool is_uneven, k_quant::ScalePairs& pairs,
                              k_quant::Levels& levels) noexcept {
  using k_quant::kPairs;
  MinScales<kPairs> found;
  if (!MinSearch<Lanes, Rule>(weights, counts, is_uneven).find(found)) return false;
  std::array<uint8_t, kPairs> scales;
  std::array<uint8_t, kPairs> mins;
  for (size_t j = 0; j < kPairs; ++j) {
    scales[j] = static_cast<uint8_t>(found.sub_scale[j]);
    mins[j] = static_cast<uint8_t>(found.sub_min[j]);
  }
  k_quant::pack_pairs(scales, mins, pairs.packed);
  if (!k_quant::store_half(pairs.scale, found.scale) || !k_quant::store_half(pairs.min, found.min)) return false;
  const k_quant::Factors factors = k_quant::load_factors(pairs);
  for (size_t j = 0; j < kPairs; ++j) {
    const size_t at = j * Rule::kWeights;
    k_quant::round_sub_block<Lanes, 0, Rule::kMaxLevel>({weights + at, Rule::kWeights}, factors.scale[j],
                                                        factors.min[j], &levels[at]);
  }
  return true;
}

}  // namespace arrowquant::best_k
