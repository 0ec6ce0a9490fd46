#pragma once

#include <span>

namespace arrowquant {

/// What two runs of values have in common, mergeable in any order.
struct Comparison {
  bool equal = true;   ///< all values are: NaN equals NaN, and 0 equals −0
  bool finite = true;  ///< all values of both

  void merge(const Comparison& other) noexcept {
    equal = equal && other.equal;
    finite = finite && other.finite;
  }
};

/// `a` and `b` are of the same length.
[[nodiscard]] Comparison compare_values(std::span<const float> a, std::span<const float> b) noexcept;
[[nodiscard]] Comparison compare_values_reference(std::span<const float> a, std::span<const float> b) noexcept;

}  // namespace arrowquant
