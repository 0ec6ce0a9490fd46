#pragma once

#include <cstdint>
#include <span>

namespace arrowquant {

/// What an encoding lost, as sums that can be added up over pieces of a tensor.
/// All sums are f64 and formed in a fixed order, so that they do not depend on lanes or threads.
struct ErrorSums {
  double squared_error = 0;
  double squared_original = 0;
  double squared_restored = 0;
  double dot = 0;
  double max_error = 0;
  uint64_t weights = 0;

  void add(const ErrorSums& later) noexcept;
};

[[nodiscard]] ErrorSums measure_error(std::span<const float> original, std::span<const float> restored) noexcept;
[[nodiscard]] ErrorSums measure_error_reference(std::span<const float> original,
                                                std::span<const float> restored) noexcept;

}  // namespace arrowquant
