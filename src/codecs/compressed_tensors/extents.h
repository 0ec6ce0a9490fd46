#pragma once

#include <cstddef>

/// What compressed-tensors looks at before it chooses the scale of a group.
namespace arrowquant::compressed_tensors {

/// Smallest and largest of zero and some weights. Lanes are sets of weights of their own.
template <typename L>
struct Extent {
  typename L::F32 lo = L::splat(0.0F);
  typename L::F32 hi = L::splat(0.0F);
};

/// Of a group of whole fours of vectors.
template <typename L>
[[nodiscard]] Extent<L> extent_of(const float* weights, size_t group_size) noexcept {
  Extent<L> extent;
  for (const float* end = weights + group_size; weights != end; weights += 4 * L::kWidth) {
    const auto a = L::load(weights);
    const auto b = L::load(weights + L::kWidth);
    const auto c = L::load(weights + 2 * L::kWidth);
    const auto d = L::load(weights + 3 * L::kWidth);
    extent.lo = L::pmin(extent.lo, L::pmin(L::pmin(a, b), L::pmin(c, d)));
    extent.hi = L::pmax(extent.hi, L::pmax(L::pmax(a, b), L::pmax(c, d)));
  }
  return extent;
}

/// kWidth groups, one in each lane.
template <typename L>
[[nodiscard]] Extent<L> extents_of(const float* weights, size_t group_size) noexcept {
  typename L::F32Square lo;
  typename L::F32Square hi;
  for (size_t r = 0; r < L::kWidth; ++r) {
    const Extent<L> extent = extent_of<L>(weights + r * group_size, group_size);
    lo[r] = extent.lo;
    hi[r] = extent.hi;
  }
  lo = L::transpose(lo);
  hi = L::transpose(hi);
  Extent<L> merged;
  for (size_t c = 0; c < L::kWidth; ++c) {
    merged.lo = L::pmin(merged.lo, lo[c]);
    merged.hi = L::pmax(merged.hi, hi[c]);
  }
  return merged;
}

}  // namespace arrowquant::compressed_tensors
