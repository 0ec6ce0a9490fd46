#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/blocks_of_32/blocks_of_32.h"

/// The scale and min of Q4_1 and Q5_1: the levels 0…kMaxLevel span the block's range.
///
/// d = (max − min) / kMaxLevel in f32; level = truncate((weight − min) · (1/d) + 0.5), where every step rounds to f32
/// and d and min are taken before they become f16. Rounding never reaches kMaxLevel + 1. weight ≈ d · level + min.
namespace arrowquant::blocks_of_32 {

template <typename Lanes>
struct Range {
  typename Lanes::F32 min;
  typename Lanes::F32 max;
};

/// Of zeros of both signs llama.cpp keeps the first, and a min of −0 differs in f16 from one of +0. In a block of zeros
/// the max is that same zero, so that max − min is +0.
template <typename Lanes>
void settle_zeros(const float* from, Range<Lanes>& range) noexcept {
  const auto zero = Lanes::splat(0.0F);
  const auto at_zero = Lanes::eq(range.min, zero);
  if (!Lanes::any(at_zero)) return;
  alignas(16) std::array<float, Lanes::kWidth> first;
  Lanes::store(first.data(), range.min);
  for (size_t r = 0; r < Lanes::kWidth; ++r) {
    if (first[r] != 0.0F) continue;
    const float* weight = from + r * kWeights;
    while (*weight != 0.0F) ++weight;
    first[r] = *weight;
  }
  range.min = Lanes::load(first.data());
  range.max = Lanes::select(Lanes::mask_and(at_zero, Lanes::eq(range.max, zero)), range.min, range.max);
}

/// The least and the greatest weight of each block, whatever their signs.
template <typename Lanes>
Range<Lanes> find_any_range(const float* from) noexcept {
  const auto pmin = [](auto a, auto b) noexcept { return Lanes::pmin(a, b); };
  const auto pmax = [](auto a, auto b) noexcept { return Lanes::pmax(a, b); };
  typename Lanes::F32Square min;
  typename Lanes::F32Square max;
  for (size_t r = 0; r < Lanes::kWidth; ++r) {
    const float* block = from + r * kWeights;
    min[r] = max[r] = Lanes::load(block);
    for (size_t i = Lanes::kWidth; i < kWeights; i += Lanes::kWidth) {
      const auto value = Lanes::load(block + i);
      min[r] = pmin(min[r], value);
      max[r] = pmax(max[r], value);
    }
  }
  Range<Lanes> range{fold_rows<Lanes>(min, pmin), fold_rows<Lanes>(max, pmax)};
  settle_zeros<Lanes>(from, range);
  return range;
}

/// The least and the greatest weight of each block; at least one of them is not finite if a weight is not. The peaks
/// are the range where a block has weights on both sides of zero, as nearly every block has.
template <typename Lanes>
Range<Lanes> find_range(const float* from, const Peaks<Lanes>& peaks) noexcept {
  const Range<Lanes> range{Lanes::neg(Lanes::from_bits(peaks.negative)), Lanes::from_bits(peaks.positive)};
  if (Lanes::all(Lanes::gt(Lanes::min(peaks.positive, peaks.negative), Lanes::splat(int32_t{0})))) return range;
  const bool is_finite = Lanes::all(Lanes::lt(Lanes::max(peaks.positive, peaks.negative), Lanes::splat(kInfinityBits)));
  return is_finite ? find_any_range<Lanes>(from) : range;
}

/// The numbers that turn a block's weights into levels: truncate((weight − min) · inv_scale + 0.5).
template <typename Lanes>
struct RangeScales {
  alignas(16) std::array<float, Lanes::kWidth> inv_scale;
  alignas(16) std::array<float, Lanes::kWidth> min;
};

/// Finds and stores the scales and mins of kWidth blocks. False if one has to be refused.
template <typename Lanes, int kMaxLevel, typename Block>
bool find_range_scales(const float* from, const Peaks<Lanes>& peaks, Block* blocks,
                       RangeScales<Lanes>& scales) noexcept {
  const auto range = find_range<Lanes>(from, peaks);
  const auto scale = Lanes::div(Lanes::sub(range.max, range.min), Lanes::splat(float{kMaxLevel}));
  Lanes::store(scales.inv_scale.data(), invert<Lanes>(scale));
  Lanes::store(scales.min.data(), range.min);
  const auto scale_exponents = store_halves<Lanes>(blocks, &Block::scale, scale);
  const auto min_exponents = store_halves<Lanes>(blocks, &Block::min, range.min);
  return all_fit<Lanes>(Lanes::max(scale_exponents, min_exponents));
}

/// The levels of kWidth weights of block `r`, as floats.
template <typename Lanes>
typename Lanes::F32 range_levels(const float* from, const RangeScales<Lanes>& scales, size_t r) noexcept {
  const auto above_min = Lanes::sub(Lanes::load(from), Lanes::splat(scales.min[r]));
  return Lanes::whole_part(Lanes::add(Lanes::mul(above_min, Lanes::splat(scales.inv_scale[r])), Lanes::splat(0.5F)));
}

/// Puts scale · level + min for 4·kWidth levels.
template <typename Lanes>
void expand_range_levels(typename Lanes::Bytes levels, float scale, float min, float* to) noexcept {
  from_levels<Lanes>(levels, to, [&](typename Lanes::F32 level) noexcept {
    return Lanes::add(Lanes::mul(level, Lanes::splat(scale)), Lanes::splat(min));
  });
}

}  // namespace arrowquant::blocks_of_32
