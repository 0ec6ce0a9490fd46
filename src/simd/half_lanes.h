#pragma once

#include <bit>
#include <cstdint>

namespace arrowquant {

/// The conversions of base/half.h on lanes: the same bits for every input. Halves and bfloat16s are I32 lanes in
/// 0…65535, fp8 codes in 0…255. There are no branches, so every lane goes through every case and a select picks.

/// The same for halves that are neither infinite nor NaN: what most arrays hold, at half the work.
template <typename L>
[[nodiscard]] typename L::F32 finite_half_to_float(typename L::I32 half) noexcept {
  // Sign, a zero for each exponent bit that f16 lacks, exponent, mantissa.
  const auto moved = L::bit_and(L::shr(L::shl(half, 16), 3), L::splat(static_cast<int32_t>(0x8FFFE000)));
  // 112 is the difference of the exponent biases, 127 − 15. The product is exact, for subnormal halves as well: they
  // are subnormal floats before.
  return L::mul(L::from_bits(moved), L::splat(0x1p112F));
}

template <typename L>
[[nodiscard]] typename L::F32 half_to_float(typename L::I32 half) noexcept {
  const auto magnitude = L::bit_and(half, L::splat(0x7FFF));
  const auto sign = L::shl(L::bit_xor(half, magnitude), 16);
  const auto quiet = L::bit_and(L::mask_bits(L::gt(magnitude, L::splat(0x7C00))), L::splat(0x00400000));
  const auto infinity = L::bit_or(L::splat(0x7F800000), quiet);
  const auto special = L::bit_or(L::bit_or(sign, infinity), L::shl(magnitude, 13));
  const auto is_finite = L::lt(magnitude, L::splat(0x7C00));
  return L::select(is_finite, finite_half_to_float<L>(half), L::from_bits(special));
}

/// float_to_half but for NaN, which gives infinity.
template <typename L>
[[nodiscard]] typename L::I32 number_to_half(typename L::F32 value) noexcept {
  constexpr int32_t kSmallestNormal = 113 << 23;
  const auto bits = L::bits(value);
  const auto sign = L::bit_and(L::shr_logical(bits, 16), L::splat(0x8000));
  const auto magnitude = L::bit_and(bits, L::splat(0x7FFFFFFF));
  // What f16 cannot hold becomes infinite on the way; the rest is 4 times itself.
  const auto scaled = L::mul(L::mul(L::from_bits(magnitude), L::splat(0x1p+112F)), L::splat(0x1p-110F));
  // A power of two with the weight's last place in f16 as its own: the addition rounds to it.
  const auto exponent = L::max(L::bit_and(magnitude, L::splat(0x7F800000)), L::splat(kSmallestNormal));
  const auto sum = L::bits(L::add(scaled, L::from_bits(L::add(exponent, L::splat(15 << 23)))));
  // The exponent of the sum is 15 too large for f32's bias and right, modulo 32, for f16's. Its lowest ten bits are the
  // mantissa; the bits above them are the power of two's, but for the 1 that a normal number or a carry adds.
  const auto number = L::add(L::bit_and(L::shr_logical(sum, 13), L::splat(0x7C00)), L::bit_and(sum, L::splat(0x0FFF)));
  return L::bit_or(sign, L::min(number, L::splat(0x7C00)));
}

template <typename L>
[[nodiscard]] typename L::I32 float_to_half(typename L::F32 value) noexcept {
  const auto sign = L::bit_and(L::shr_logical(L::bits(value), 16), L::splat(0x8000));
  const auto nan = L::bit_or(sign, L::splat(0x7E00));
  return L::select(L::ne(value, value), nan, number_to_half<L>(value));
}

/// float8_e4m3fn, in 0…255, exact. It has no infinities; its NaN, all ones but for the sign, becomes quiet.
template <typename L>
[[nodiscard]] typename L::F32 e4m3_to_float(typename L::I32 code) noexcept {
  const auto magnitude = L::bit_and(code, L::splat(0x7F));
  const auto sign = L::bit_xor(code, magnitude);
  // f16 has one bit of exponent and seven of mantissa more, and a bias that is 8 larger.
  const auto half = L::bit_or(L::shl(sign, 8), L::shl(magnitude, 7));
  const auto number = L::mul(finite_half_to_float<L>(half), L::splat(0x1p+8F));
  const auto nan = L::from_bits(L::bit_or(L::shl(sign, 24), L::splat(0x7FC00000)));
  return L::select(L::lt(magnitude, L::splat(0x7F)), number, nan);
}

/// float8_e5m2, in 0…255, exact: the upper byte of a half.
template <typename L>
[[nodiscard]] typename L::F32 e5m2_to_float(typename L::I32 code) noexcept {
  return half_to_float<L>(L::shl(code, 8));
}

template <typename L>
[[nodiscard]] typename L::F32 bfloat16_to_float(typename L::I32 value) noexcept {
  return L::from_bits(L::shl(value, 16));
}

template <typename L>
[[nodiscard]] typename L::I32 float_to_bfloat16(typename L::F32 value) noexcept {
  const auto bits = L::bits(value);
  const auto odd = L::bit_and(L::shr_logical(bits, 16), L::splat(1));
  const auto rounded = L::add(L::add(bits, L::splat(0x7FFF)), odd);
  const auto quiet = L::bit_or(bits, L::splat(0x00400000));
  const auto is_nan = L::gt(L::bit_and(bits, L::splat(0x7FFFFFFF)), L::splat(0x7F800000));
  return L::shr_logical(L::select(is_nan, quiet, rounded), 16);
}

}  // namespace arrowquant
