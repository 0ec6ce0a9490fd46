#pragma once

#include <bit>
#include <cstdint>

namespace arrowquant::fp4 {

/// floor(log2 x) of a positive finite x, given as bits, where the logarithm is rounded to f32, half to even, before its
/// floor is taken: what glibc's log2f gives for every such x.
///
/// Just below 2^k the logarithm rounds to k: x = 2^k · (1 − n/2^24) has one of about k − 1.4427 · n/2^24, and the f32
/// before k is 2^(p − 23) away, where p is the exponent of the numbers there. So n is at most 2^p · ln 2, of which
/// 88 >> (7 − p) is the whole part for all p that there are.
[[nodiscard]] constexpr int32_t floor_of_rounded_log2(uint32_t bits) noexcept {
  // Subnormal numbers get their leading one where the others have it.
  const int32_t shift = bits < 0x00800000 ? std::countl_zero(bits) - 8 : 0;
  const int32_t exponent = shift > 0 ? -126 - shift : static_cast<int32_t>(bits >> 23) - 127;
  const uint32_t mantissa = (bits << shift & 0x007FFFFF) | 0x00800000;
  const uint32_t below = 0x01000000 - mantissa;
  // The logarithm is between the exponent and the next integer; p is that of the one of larger magnitude, exclusively.
  const auto magnitude = static_cast<uint32_t>(exponent < 0 ? ~exponent : exponent);
  const uint32_t most = 88U >> (8 - std::bit_width(magnitude));
  return below <= most ? exponent + 1 : exponent;
}

}  // namespace arrowquant::fp4
