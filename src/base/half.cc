#include "base/half.h"

#include <bit>

namespace arrowquant {
namespace {

constexpr uint32_t kFloatInfinity = 0x7F800000;
constexpr uint32_t kFloatQuietBit = 0x00400000;
constexpr uint32_t kHalfInfinity = 0x7C00;
constexpr uint32_t kHalfNan = 0x7E00;
/// Mantissa bits that binary16 lacks.
constexpr uint32_t kDroppedBits = 23 - 10;
/// 112 is the difference of the exponent biases, 127 − 15.
constexpr uint32_t kRebias = 112U << 23;
/// The smallest normal half, 2^−14, as float bits.
constexpr uint32_t kSmallestNormalHalf = kRebias + (1U << 23);

uint32_t round_off(uint32_t bits, uint32_t dropped) noexcept {
  const uint32_t just_under_half = (1U << (dropped - 1)) - 1;
  const uint32_t odd = (bits >> dropped) & 1;
  return (bits + just_under_half + odd) >> dropped;
}

}  // namespace

float half_to_float(uint16_t half) noexcept {
  const uint32_t sign = (half & 0x8000U) << 16;
  const uint32_t magnitude = half & 0x7FFFU;
  if (magnitude >= kHalfInfinity) {
    const uint32_t quiet = magnitude > kHalfInfinity ? kFloatQuietBit : 0;
    return std::bit_cast<float>(sign | kFloatInfinity | quiet | magnitude << kDroppedBits);
  }
  if (magnitude < 0x0400) {
    const float value = static_cast<float>(magnitude) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
  }
  return std::bit_cast<float>(sign | ((magnitude << kDroppedBits) + kRebias));
}

uint16_t float_to_half(float value) noexcept {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000U;
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > kFloatInfinity) return static_cast<uint16_t>(sign | kHalfNan);
  if (magnitude < kSmallestNormalHalf) {
    // The last place of 0.5 is 2^−24, the unit of subnormal halves: the addition rounds to it.
    const float sum = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(sum) - std::bit_cast<uint32_t>(0.5F)));
  }
  const uint32_t rounded = round_off(magnitude - kRebias, kDroppedBits);
  return static_cast<uint16_t>(sign | (rounded < kHalfInfinity ? rounded : kHalfInfinity));
}

float bfloat16_to_float(uint16_t value) noexcept { return std::bit_cast<float>(static_cast<uint32_t>(value) << 16); }

uint16_t float_to_bfloat16(float value) noexcept {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > kFloatInfinity) return static_cast<uint16_t>((bits | kFloatQuietBit) >> 16);
  return static_cast<uint16_t>(round_off(bits, 16));
}

}  // namespace arrowquant
