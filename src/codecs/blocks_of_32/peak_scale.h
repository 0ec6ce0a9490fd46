#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/blocks_of_32/blocks_of_32.h"

/// The scale of Q4_0 and Q5_0: the weight of largest magnitude, with its sign, becomes the lowest level.
///
/// d = peak / −kHalf in f32; level = min(2·kHalf − 1, truncate(weight · (1/d) + kHalf + 0.5)), where every step rounds
/// to f32 and 1/d is taken before d becomes f16. weight ≈ d · (level − kHalf).
namespace arrowquant::blocks_of_32 {

/// Where magnitudes tie, llama.cpp takes the sign of the weight that comes first.
template <typename Lanes>
typename Lanes::F32 break_ties(typename Lanes::F32 peaks, typename Lanes::Mask ties, const float* from) noexcept {
  alignas(16) std::array<float, Lanes::kWidth> values;
  Lanes::store(values.data(), peaks);
  for (size_t r = 0; r < Lanes::kWidth; ++r) {
    if ((Lanes::bitmask(ties) >> r & 1) == 0) continue;
    const float* weight = from + r * kWeights;
    while (*weight != values[r] && *weight != -values[r]) ++weight;
    values[r] = *weight;
  }
  return Lanes::load(values.data());
}

/// The weight of largest magnitude of each block, +0 if all are zeros, not finite if a weight is not.
template <typename Lanes>
typename Lanes::F32 find_signed_peaks(const float* from, const Peaks<Lanes>& peaks) noexcept {
  const auto is_negative = Lanes::gt(peaks.negative, peaks.positive);
  const auto sign = Lanes::bit_and(Lanes::mask_bits(is_negative), Lanes::splat(kSign));
  const auto magnitude = Lanes::max(peaks.positive, peaks.negative);
  const auto value = Lanes::from_bits(Lanes::bit_or(magnitude, sign));
  const auto equal = Lanes::eq(peaks.positive, peaks.negative);
  if (!Lanes::any(equal)) return value;
  const auto is_number = Lanes::mask_and(Lanes::gt(magnitude, Lanes::splat(int32_t{0})),
                                         Lanes::lt(magnitude, Lanes::splat(kInfinityBits)));
  return break_ties<Lanes>(value, Lanes::mask_and(equal, is_number), from);
}

/// The numbers that turn a block's weights into levels: truncate(weight · inv_scale + offset).
template <typename Lanes>
struct PeakScales {
  alignas(16) std::array<float, Lanes::kWidth> inv_scale;
  alignas(16) std::array<float, Lanes::kWidth> offset;
};

/// Finds and stores the scales of kWidth blocks. False if one has to be refused.
template <typename Lanes, int kHalf, typename Block>
bool find_peak_scales(const float* from, const Peaks<Lanes>& peaks, Block* blocks, PeakScales<Lanes>& scales) noexcept {
  const auto scale = Lanes::mul(find_signed_peaks<Lanes>(from, peaks), Lanes::splat(-1.0F / kHalf));
  const auto inv_scale = invert<Lanes>(scale);
  // Zero weights are at level kHalf; where the scale is too small to divide by, 0.5 alone truncates to the level 0.
  const auto zero = Lanes::splat(0.0F);
  const auto is_tiny = Lanes::mask_and(Lanes::eq(inv_scale, zero), Lanes::ne(scale, zero));
  Lanes::store(scales.inv_scale.data(), inv_scale);
  Lanes::store(scales.offset.data(), Lanes::select(is_tiny, Lanes::splat(0.5F), Lanes::splat(kHalf + 0.5F)));
  return all_fit<Lanes>(store_halves<Lanes>(blocks, &Block::scale, scale));
}

/// The levels of 4·kWidth weights of block `r`.
template <typename Lanes, int kHalf>
typename Lanes::Bytes peak_levels(const float* from, const PeakScales<Lanes>& scales, size_t r) noexcept {
  const auto inv_scale = Lanes::splat(scales.inv_scale[r]);
  const auto offset = Lanes::splat(scales.offset[r]);
  const auto levels = to_bytes<Lanes>([&](size_t i) noexcept {
    return Lanes::whole_part(Lanes::add(Lanes::mul(Lanes::load(from + i), inv_scale), offset));
  });
  return Lanes::min_unsigned(levels, Lanes::splat_bytes(2 * kHalf - 1));
}

/// The levels nearest to weight · inv_scale of 4·kWidth weights, with `offset` added, so that none is below 0.
template <typename Lanes, typename Levels>
typename Lanes::Bytes whole_levels(const float* from, float inv_scale, int offset) noexcept {
  return to_bytes<Lanes>([&](size_t i) noexcept {
    const auto scaled = Lanes::mul(Lanes::load(from + i), Lanes::splat(inv_scale));
    return Lanes::add(Levels::template nearest<Lanes>(scaled), Lanes::splat(static_cast<float>(offset)));
  });
}

/// Puts scale · (level − kHalf) for 4·kWidth levels.
template <typename Lanes, int kHalf>
void expand_peak_levels(typename Lanes::Bytes levels, float scale, float* to) noexcept {
  const auto centred = Lanes::sub(levels, Lanes::splat_bytes(kHalf));
  from_levels<Lanes>(centred, to,
                     [&](typename Lanes::F32 level) noexcept { return Lanes::mul(level, Lanes::splat(scale)); });
}

}  // namespace arrowquant::blocks_of_32
