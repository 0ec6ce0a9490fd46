#pragma once

#include <cstdint>
#include <limits>

namespace arrowquant {

/// What quantization needs of kWidth groups, a group in each lane.
template <typename L>
struct AffineScaleLanes {
  typename L::F32 scale;
  typename L::F32 inv_scale;
  typename L::I32 zero_point;
};

/// `extreme` is needed only when `symmetric`, `lo` ≤ 0 ≤ `hi` only when not. The formula of DESIGN: the scale is always
/// normal, so its reciprocal is finite (2^−126 ≤ |scale| ≤ 2^128/3), and |x·inv_scale| ≤ 2^bits for x inside the range.
template <typename L>
[[nodiscard]] AffineScaleLanes<L> affine_scale_lanes(typename L::F32 lo, typename L::F32 hi, typename L::F32 extreme,
                                                     uint32_t bits, bool symmetric) noexcept {
  const int32_t middle = 1 << (bits - 1);
  const int32_t last = (1 << bits) - 1;
  typename L::F32 scale;
  if (symmetric) {
    scale = L::div(L::neg(extreme), L::splat(static_cast<float>(middle)));
  } else {
    // f64 because hi − lo may be more than the largest float.
    const auto extent = L::sub(L::to_f64(hi), L::to_f64(lo));
    scale = L::to_f32(L::div(extent, L::splat(static_cast<double>(last))));
  }
  const auto vanishes = L::lt(L::abs(scale), L::splat(std::numeric_limits<float>::min()));
  scale = L::select(vanishes, L::splat(1.0F), scale);
  const auto inv_scale = L::div(L::splat(1.0F), scale);
  if (symmetric) return {scale, inv_scale, L::splat(middle)};
  const auto zero_point = L::round_magic(L::mul(L::neg(lo), inv_scale));
  return {scale, inv_scale, L::min(L::max(zero_point, L::splat(0)), L::splat(last))};
}

}  // namespace arrowquant
