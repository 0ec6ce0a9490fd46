#pragma once

#include <cstdint>
#include <span>

#include "codecs/codec.h"

namespace arrowquant {

/// What an encoding lost, as sums that can be added up over pieces of a tensor.
/// All sums are f64 and formed in a fixed order, so that they do not depend on lanes or threads.
struct ErrorSums {
  double squared_error = 0;
  double squared_original = 0;
  double squared_restored = 0;
  double dot = 0;
  double max_error = 0;
  /// Where more than the least effort was made: the squared error, weighed by importance, and what the least effort's
  /// is.
  double weighted_error = 0;
  double reference_error = 0;
  uint64_t weights = 0;

  void add(const ErrorSums& later) noexcept;
};

[[nodiscard]] ErrorSums measure_error(std::span<const float> original, std::span<const float> restored) noexcept;
[[nodiscard]] ErrorSums measure_error_reference(std::span<const float> original,
                                                std::span<const float> restored) noexcept;

/// The squared error, each weight's counted as often as `context` says; once where it does not.
[[nodiscard]] double measure_weighted_error(std::span<const float> original, std::span<const float> restored,
                                            const EncodeContext& context) noexcept;

}  // namespace arrowquant
