#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/k_quants/k_quant_min_search.h"
#include "codecs/k_quants/k_quant_weighted.h"

/// How Q4_K and Q5_K store the scales and mins of their eight sub-blocks.
namespace arrowquant::k_quant {

inline constexpr size_t kPairs = 8;

/// What opens a block. The eight (scale, min) pairs have 6 bits each: pairs 0…3 have their scales in the low 6 bits of
/// bytes 0…3 and their mins in those of bytes 4…7; pairs 4…7 have the low 4 bits of both in bytes 8…11 (scale low) and
/// the upper 2 on top of bytes 0…3 (scale) and 4…7 (min).
struct ScalePairs {
  HalfBytes scale;
  HalfBytes min;
  std::array<uint8_t, 12> packed;
};
static_assert(sizeof(ScalePairs) == 16);

/// The factors of the sub-blocks.
struct Factors {
  std::array<float, kPairs> scale;
  std::array<float, kPairs> min;
};

inline Factors load_factors(const ScalePairs& pairs) noexcept {
  const auto& packed = pairs.packed;
  const float scale = load_half(pairs.scale);
  const float min = load_half(pairs.min);
  Factors factors;
  for (size_t j = 0; j < 4; ++j) {
    factors.scale[j] = scale * static_cast<float>(packed[j] & 63);
    factors.min[j] = min * static_cast<float>(packed[j + 4] & 63);
    factors.scale[j + 4] = scale * static_cast<float>((packed[j + 8] & 15) | (packed[j] >> 6) << 4);
    factors.min[j + 4] = min * static_cast<float>((packed[j + 8] >> 4) | (packed[j + 4] >> 6) << 4);
  }
  return factors;
}

/// `value` in units of 1/63 of `top`. What does not fit wraps to a byte first, as it does in llama.cpp.
inline uint8_t six_bits(float value, float top) noexcept {
  const float inv_scale = top > 0.0F ? 63.0F / top : 0.0F;
  return std::min(static_cast<uint8_t>(nearest_integer(inv_scale * value)), uint8_t{63});
}

/// What does not fit six bits runs into its neighbours, as it does in llama.cpp.
inline void pack_pairs(const std::array<uint8_t, kPairs>& scales, const std::array<uint8_t, kPairs>& mins,
                       std::array<uint8_t, 12>& packed) noexcept {
  for (size_t j = 0; j < 4; ++j) {
    const uint8_t later_scale = scales[j + 4];
    const uint8_t later_min = mins[j + 4];
    packed[j] = static_cast<uint8_t>(scales[j] | (later_scale >> 4) << 6);
    packed[j + 4] = static_cast<uint8_t>(mins[j] | (later_min >> 4) << 6);
    packed[j + 8] = static_cast<uint8_t>((later_scale & 15) | (later_min & 15) << 4);
  }
}

/// False if a scale is infinite in f16.
[[nodiscard]] inline bool store_scale_pairs(const MinFits<kPairs>& fits, ScalePairs& pairs) noexcept {
  const float top_scale = largest(fits.scale);
  const float top_min = largest(fits.min);
  std::array<uint8_t, kPairs> scales;
  std::array<uint8_t, kPairs> mins;
  for (size_t j = 0; j < kPairs; ++j) {
    scales[j] = six_bits(fits.scale[j], top_scale);
    mins[j] = six_bits(fits.min[j], top_min);
  }
  pack_pairs(scales, mins, pairs.packed);
  return store_half(pairs.scale, top_scale / 63.0F) && store_half(pairs.min, top_min / 63.0F);
}

/// The same with importance: false where a sum overflows f32, too. Levels above `most` become that.
template <typename Lanes>
[[nodiscard]] bool store_counted_pairs(const MinFits<kPairs>& fits, uint8_t most, ScalePairs& pairs) noexcept {
  PositiveFactors<kPairs> scales;
  PositiveFactors<kPairs> mins;
  if (!find_factor_pairs<Lanes>(fits, 63, scales, mins)) return false;
  pairs.scale = scales.factor;
  pairs.min = mins.factor;
  for (uint8_t& level : scales.levels) level = std::min(level, most);
  for (uint8_t& level : mins.levels) level = std::min(level, most);
  pack_pairs(scales.levels, mins.levels, pairs.packed);
  return true;
}

/// The levels of a super-block for its stored scales and mins.
template <typename Lanes, typename Rule>
void find_levels(const float* weights, const MinFits<kPairs>& fits, const ScalePairs& pairs, Levels& levels) noexcept {
  const Factors factors = load_factors(pairs);
  for (size_t j = 0; j < kPairs; ++j) {
    const size_t at = j * Rule::kWeights;
    min_levels<Lanes, Rule>(weights + at, fits, j, factors.scale[j], factors.min[j], &levels[at]);
  }
}

/// Finds scales, mins and levels of a super-block. False if a scale is infinite in f16.
template <typename Lanes, typename Rule>
[[nodiscard]] bool find_levels(const float* weights, ScalePairs& pairs, Levels& levels) noexcept {
  const auto fits = fit_super_block<Lanes, Rule>(weights);
  if (!store_scale_pairs(fits, pairs)) return false;
  find_levels<Lanes, Rule>(weights, fits, pairs, levels);
  return true;
}

/// The same with importance: false where a sum overflows f32, too.
template <typename Lanes, typename Rule>
[[nodiscard]] bool find_counted_levels(const float* weights, const float* counts, ScalePairs& pairs,
                                       Levels& levels) noexcept {
  const auto fits = fit_counted<Lanes, Rule>(weights, counts);
  if (!store_counted_pairs<Lanes>(fits, Rule::kMostPair, pairs)) return false;
  find_levels<Lanes, Rule>(weights, fits, pairs, levels);
  return true;
}

template <typename Lanes, typename Rule>
void expand_levels(const ScalePairs& pairs, const Levels& levels, float* weights) noexcept {
  const Factors factors = load_factors(pairs);
  for (size_t j = 0; j < kPairs; ++j) {
    const size_t at = j * Rule::kWeights;
    expand_sub_block<Lanes, 0>(&levels[at], factors.scale[j], factors.min[j], {weights + at, Rule::kWeights});
  }
}

}  // namespace arrowquant::k_quant
