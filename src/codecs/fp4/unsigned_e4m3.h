#pragma once

#include <bit>
#include <cstdint>

#include "simd/half_lanes.h"
#include "simd/lanes_scalar.h"

namespace arrowquant::fp4 {

inline constexpr uint8_t kLargestUe4m3 = 0x7E;  ///< 448

/// The unsigned E4M3 of a number, half up. Numbers below 2^−10, and what is not above 0, give 0; 256 and more give 448,
/// as llama.cpp has it.
[[nodiscard]] constexpr uint8_t float_to_ue4m3(float value) noexcept {
  constexpr float kSmallestNormal = 0x1p-6F;
  if (!(value > 0.0F)) return 0;
  if (value < kSmallestNormal) {
    const float rounded = value * 512.0F + 0.5F;
    return rounded < 8.0F ? static_cast<uint8_t>(rounded) : uint8_t{7};
  }
  // Exponent and mantissa side by side, with the exponent's bias made that of E4M3.
  const uint32_t rounded = (std::bit_cast<uint32_t>(value) + 0x00080000) >> 20;
  const uint32_t code = rounded - (120 << 3);
  return code < 15 << 3 ? static_cast<uint8_t>(code) : kLargestUe4m3;
}

/// Half the number of a code, exact; 0 for 0x7F. The highest bit is ignored, but that 0xFF is a number, half of 480: as
/// llama.cpp has it.
[[nodiscard]] inline float half_of_ue4m3(uint8_t code) noexcept {
  if (code == 0x7F) return 0.0F;
  // f16 has one bit of exponent and seven of mantissa more, and a bias that is 8 larger.
  return finite_half_to_float<ScalarLanes>((code & 0x7F) << 7) * 0x1p+7F;
}

}  // namespace arrowquant::fp4
