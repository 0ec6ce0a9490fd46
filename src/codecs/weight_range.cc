#include "codecs/weight_range.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

/// Finite weights leave a finite sum, but for a sum that overflows; find_not_finite then looks closer.
template <typename L>
struct Extent {
  typename L::F32 lo = L::splat(0.0F);
  typename L::F32 hi = L::splat(0.0F);
  typename L::F32 sum = L::splat(0.0F);

  void take(const float* weights) noexcept {
    const auto x = L::load(weights);
    lo = L::pmin(lo, x);
    hi = L::pmax(hi, x);
    sum = L::add(sum, x);
  }

  void merge(const Extent& other) noexcept {
    lo = L::pmin(lo, other.lo);
    hi = L::pmax(hi, other.hi);
    sum = L::add(sum, other.sum);
  }
};

template <typename L>
Status scan(std::span<const float> weights, WeightRange& range) noexcept {
  constexpr size_t kInFlight = 4;  // hides the latency of the minimum and the maximum
  constexpr size_t kStep = kInFlight * L::kWidth;
  std::array<Extent<L>, kInFlight> extents;
  const size_t whole = weights.size() - weights.size() % kStep;
  for (size_t at = 0; at < whole; at += kStep) {
    for (size_t i = 0; i < kInFlight; ++i) extents[i].take(weights.data() + at + i * L::kWidth);
  }
  std::array<float, kStep> padded{};
  std::copy(weights.begin() + static_cast<ptrdiff_t>(whole), weights.end(), padded.begin());
  for (size_t i = 0; i < kInFlight; ++i) extents[i].take(padded.data() + i * L::kWidth);
  for (size_t i = 1; i < kInFlight; ++i) extents[0].merge(extents[i]);

  std::array<float, L::kWidth> los;
  std::array<float, L::kWidth> his;
  L::store(los.data(), extents[0].lo);
  L::store(his.data(), extents[0].hi);
  range.lo = *std::min_element(los.begin(), los.end());
  range.hi = *std::max_element(his.begin(), his.end());
  range.extreme = extreme_of(weights, range.lo, range.hi);
  const bool finite = L::all(L::le(L::abs(extents[0].sum), L::splat(std::numeric_limits<float>::max())));
  return finite ? Status{} : find_not_finite(weights);
}

}  // namespace

void WeightRange::merge(const WeightRange& later) noexcept {
  if (std::max(later.hi, -later.lo) > std::max(hi, -lo)) extreme = later.extreme;
  lo = std::min(lo, later.lo);
  hi = std::max(hi, later.hi);
}

Status scan_range(std::span<const float> weights, WeightRange& range) noexcept {
  return scan<WasmLanes>(weights, range);
}
Status scan_range_reference(std::span<const float> weights, WeightRange& range) noexcept {
  return scan<ScalarLanes>(weights, range);
}

Status find_not_finite(std::span<const float> weights) noexcept {
  for (size_t i = 0; i < weights.size(); ++i) {
    if (!std::isfinite(weights[i])) return {StatusCode::kNotFinite, i};
  }
  return {};
}

}  // namespace arrowquant
