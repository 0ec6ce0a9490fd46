#pragma once

#include <span>

#include "base/status.h"

namespace arrowquant {

/// The extent of a set of weights, mergeable in order. Needed where one scale serves a whole tensor.
/// `extreme` is the value of largest magnitude with its sign, the first one met on a tie. `lo` ≤ 0 ≤ `hi`.
struct WeightRange {
  float lo = 0.0F;
  float hi = 0.0F;
  float extreme = 0.0F;

  void merge(const WeightRange& later) noexcept;
};

/// Sets `range` to the extent of these weights alone. kNotFinite: `position` is the first NaN or infinity, and `range`
/// is unspecified.
Status scan_range(std::span<const float> weights, WeightRange& range) noexcept;
Status scan_range_reference(std::span<const float> weights, WeightRange& range) noexcept;

/// The value of largest magnitude, where `lo` = min(0, min x) and `hi` = max(0, max x) of these weights are known: the
/// first one met where −lo = hi.
[[nodiscard]] inline float extreme_of(std::span<const float> weights, float lo, float hi) noexcept {
  if (hi != -lo) return hi > -lo ? hi : lo;
  for (const float x : weights) {
    if (x == hi || x == lo) return x;
  }
  return hi;
}

/// The first NaN or infinity of weights, for kernels that only notice that there is one: it ends everything, so that
/// finding it may be slow.
[[nodiscard]] Status find_not_finite(std::span<const float> weights) noexcept;

}  // namespace arrowquant
