#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "codecs/codec.h"
#include "simd/half_lanes.h"

/// The small floats that scaled formats are made of, and arithmetic that is rounded to a float type after every
/// operation, as programs do that compute in the type of the weights. All of it on lanes, without branches.
namespace arrowquant::minifloat {

// --- Float types of weights ------------------------------------------------------------------------------------------

/// f32: nothing is rounded that is not rounded anyway.
struct InF32 {
  static constexpr ElementType kElement = ElementType::kF32;
  static constexpr uint32_t kBits = 32;
  /// The bits of the least magnitude that becomes infinite.
  static constexpr uint32_t kOverflow = 0x7F800000;

  template <typename L>
  [[nodiscard]] static typename L::F32 round(typename L::F32 value) noexcept {
    return value;
  }
};

/// f16, half to even. Magnitudes from 65520 on become infinite; infinities, NaN and the signs of zeros stay.
struct InF16 {
  static constexpr ElementType kElement = ElementType::kF16;
  static constexpr uint32_t kBits = 16;
  /// The bits of the least magnitude that becomes infinite.
  static constexpr uint32_t kOverflow = 0x477FF000;

  template <typename L>
  [[nodiscard]] static typename L::F32 round(typename L::F32 value) noexcept {
    constexpr int32_t kSmallestNormal = 113 << 23;
    const auto magnitude = L::bit_and(L::bits(value), L::splat(0x7FFFFFFF));
    const auto sign = L::bit_xor(L::bits(value), magnitude);
    // A power of two with the number's last place in f16 as its own: the addition rounds to it.
    const auto exponent = L::max(L::bit_and(magnitude, L::splat(0x7F800000)), L::splat(kSmallestNormal));
    const auto power = L::from_bits(L::add(exponent, L::splat(13 << 23)));
    const auto rounded = L::sub(L::add(L::from_bits(magnitude), power), power);
    const auto overflows = L::ge(L::from_bits(magnitude), L::splat(65520.0F));
    const auto number = L::select(overflows, L::splat(std::numeric_limits<float>::infinity()), rounded);
    return L::from_bits(L::bit_or(L::bits(number), sign));
  }
};

/// bfloat16, half to even. Magnitudes halfway past its largest number become infinite; infinities, NaN (those of
/// arithmetic, whose payload has only its highest bit set) and the signs of zeros stay.
struct InBF16 {
  static constexpr ElementType kElement = ElementType::kBF16;
  static constexpr uint32_t kBits = 16;
  /// The bits of the least magnitude that becomes infinite.
  static constexpr uint32_t kOverflow = 0x7F7F8000;

  template <typename L>
  [[nodiscard]] static typename L::F32 round(typename L::F32 value) noexcept {
    const auto bits = L::bits(value);
    const auto odd = L::bit_and(L::shr_logical(bits, 16), L::splat(1));
    const auto sum = L::add(L::add(bits, L::splat(0x7FFF)), odd);
    return L::from_bits(L::bit_and(sum, L::splat(static_cast<int32_t>(0xFFFF0000))));
  }
};

// --- E2M1 ------------------------------------------------------------------------------------------------------------

/// What happens to a number halfway between two others.
enum class Ties : uint8_t { kToSmaller, kToEven };

/// The magnitudes halfway between two neighbours among 0, 0.5, 1, 1.5, 2, 3, 4 and 6.
inline constexpr std::array kE2m1Halfways = {0.25F, 0.75F, 1.25F, 1.75F, 2.5F, 3.5F, 5.0F};

/// The nearest E2M1 of a magnitude, 0…7. What is above 6 becomes 7. NaN becomes 0, and 7 where ties go to even.
template <typename L, Ties kTies>
[[nodiscard]] typename L::I32 e2m1_magnitude(typename L::F32 magnitude) noexcept {
  if constexpr (kTies == Ties::kToEven) {
    constexpr int32_t kOne = 127 << 23;
    const auto number = L::pmin(L::splat(6.0F), magnitude);
    const auto exponent = L::max(L::bit_and(L::bits(number), L::splat(0x7F800000)), L::splat(kOne));
    // As in InF16: the sum counts, in its lowest bits, steps of what E2M1 can tell apart there: halves below 2, two to
    // four of them above, where a power of two is two codes.
    const auto steps = L::bits(L::add(number, L::from_bits(L::add(exponent, L::splat(22 << 23)))));
    return L::add(L::bit_and(steps, L::splat(7)), L::shr_logical(L::sub(exponent, L::splat(kOne)), 22));
  } else {
    auto code = L::splat(0);
    for (const float halfway : kE2m1Halfways) {
      code = L::sub(code, L::mask_bits(L::gt(magnitude, L::splat(halfway))));
    }
    return code;
  }
}

/// The nearest E2M1 with its sign, 0…15, where what is negative but becomes 0 stays −0 (8). Saturates at ±6; for
/// NaN see e2m1_magnitude.
template <typename L, Ties kTies>
[[nodiscard]] typename L::I32 float_to_e2m1(typename L::F32 value) noexcept {
  const auto sign = L::bit_and(L::shr_logical(L::bits(value), 28), L::splat(8));
  return L::bit_or(e2m1_magnitude<L, kTies>(L::abs(value)), sign);
}

/// The same without −0.
template <typename L, Ties kTies>
[[nodiscard]] typename L::I32 float_to_e2m1_unsigned_zero(typename L::F32 value) noexcept {
  const auto magnitude = e2m1_magnitude<L, kTies>(L::abs(value));
  const auto sign = L::bit_and(L::shr_logical(L::bits(value), 28), L::splat(8));
  return L::select(L::eq(magnitude, L::splat(0)), magnitude, L::bit_or(magnitude, sign));
}

/// Codes in 0…15, exact, −0 included.
template <typename L>
[[nodiscard]] typename L::F32 e2m1_to_float(typename L::I32 code) noexcept {
  const auto magnitude = L::bit_and(code, L::splat(7));
  const auto sign = L::shl(L::bit_xor(code, magnitude), 28);
  // Two bits of exponent and one of fraction, moved to where f32 has them; 0.5 is the only subnormal number.
  const auto normal = L::add(L::shl(magnitude, 22), L::splat(126 << 23));
  const auto half = L::bit_and(L::mask_bits(L::eq(magnitude, L::splat(1))), L::splat(126 << 23));
  const auto number = L::select(L::lt(magnitude, L::splat(2)), half, normal);
  return L::from_bits(L::bit_or(number, sign));
}

// --- E4M3 ------------------------------------------------------------------------------------------------------------

/// float8_e4m3fn in 0…255, half to even, a zero with its sign. Saturates at ±448 (0x7E), as NaN does; so the code of
/// NaN is never given. The way back is e4m3_to_float of simd/half_lanes.h.
template <typename L>
[[nodiscard]] typename L::I32 float_to_e4m3(typename L::F32 value) noexcept {
  constexpr int32_t kSmallestNormal = 121 << 23;
  const auto sign = L::bit_and(L::shr_logical(L::bits(value), 24), L::splat(0x80));
  const auto magnitude = L::pmin(L::splat(448.0F), L::abs(value));
  const auto exponent = L::max(L::bit_and(L::bits(magnitude), L::splat(0x7F800000)), L::splat(kSmallestNormal));
  // As in InF16: the sum counts, in its lowest bits, steps of what E4M3 can tell apart there, 8 to 16 of them where
  // numbers are normal.
  const auto sum = L::add(magnitude, L::from_bits(L::add(exponent, L::splat(20 << 23))));
  const auto steps = L::bit_and(L::bits(sum), L::splat(31));
  const auto below = L::shr_logical(L::sub(exponent, L::splat(kSmallestNormal)), 20);
  return L::bit_or(L::add(below, steps), sign);
}

// --- E8M0 ------------------------------------------------------------------------------------------------------------

/// The least power of two that is not below a magnitude, as its exponent plus 127. What is at most 2^−127 gives 0. The
/// magnitude must be at most 2^127.
template <typename L>
[[nodiscard]] typename L::I32 e8m0_not_below(typename L::F32 magnitude) noexcept {
  const auto code = L::shr_logical(L::add(L::bits(magnitude), L::splat(0x007FFFFF)), 23);
  return L::select(L::le(magnitude, L::splat(0x1p-127F)), L::splat(0), code);
}

/// 2^(code − 127), for codes in 0…254, exact. 255, which is NaN, gives infinity.
template <typename L>
[[nodiscard]] typename L::F32 e8m0_to_float(typename L::I32 code) noexcept {
  return L::from_bits(L::max(L::shl(code, 23), L::splat(0x00400000)));
}

/// 1 / e8m0_to_float, for codes in 0…254, exact.
template <typename L>
[[nodiscard]] typename L::F32 e8m0_inverse(typename L::I32 code) noexcept {
  return e8m0_to_float<L>(L::sub(L::splat(254), code));
}

}  // namespace arrowquant::minifloat
