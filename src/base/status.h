#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace arrowquant {

/// Why an operation did not produce a result. The numbers cross the JavaScript boundary: append only.
enum class StatusCode : uint8_t {
  kOk = 0,
  kNotFinite = 1,        ///< `position` is the index of the first NaN or infinity
  kScaleOverflow = 2,    ///< `position` is the index of the first weight of a block whose scale is infinite in f16
  kInvalidArgument = 3,  ///< sizes that do not fit together
  kDetached = 4,         ///< the caller's buffer was detached or shrunk while the batch ran
  kCancelled = 5,
  kOutOfMemory = 6,    ///< no room for a result
  kFloatOverflow = 7,  ///< `position` is the index of the first finite weight that the target type cannot hold
  kInvalidPlanes = 8,  ///< `position` is the index of the first weight whose scale or the like no encoder writes
};

/// What JavaScript calls each code, in the order of the codes.
inline constexpr std::array<std::string_view, 9> kStatusNames = {
    "ok",      "not_finite",    "scale_overflow", "invalid_option", "detached_buffer",
    "aborted", "out_of_memory", "float_overflow", "invalid_planes"};

/// Result of an operation: a code and, where it has one, the element it is about.
struct [[nodiscard]] Status {
  StatusCode code = StatusCode::kOk;
  uint64_t position = 0;

  [[nodiscard]] constexpr bool ok() const noexcept { return code == StatusCode::kOk; }

  /// The same status seen from `base` elements further ahead.
  [[nodiscard]] constexpr Status offset_by(uint64_t base) const noexcept { return {code, position + base}; }
};

}  // namespace arrowquant
