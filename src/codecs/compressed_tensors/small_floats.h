#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/compressed_tensors/extents.h"
#include "codecs/foreign/typed_weights.h"
#include "codecs/minifloat.h"
#include "simd/half_lanes.h"

/// How compressed-tensors makes floats of 4 and 8 bits of weights: what `ct_nvfp4_*`, `ct_mxfp4_*` and `ct_mxfp8_*`
/// have in common.
///
/// What is below zero keeps its sign, also where it becomes zero; −0 becomes 0, and so does what the type of the
/// weights takes for −0 once it is divided.
namespace arrowquant::compressed_tensors {

/// Magnitudes up to here are a zero of the type: half of its least number.
template <typename Type>
inline constexpr float kVanishing = Type::kElement == ElementType::kF32   ? 0.0F
                                    : Type::kElement == ElementType::kF16 ? 0x1p-25F
                                                                          : 0x1p-134F;

/// E2M1, of two numbers equally near the one with an even code; saturates.
struct E2m1 {
  static constexpr uint32_t kBits = 4;
  static constexpr int32_t kSign = 8;
  /// The exponent of the largest number.
  static constexpr int32_t kTopExponent = 2;

  template <typename L>
  [[nodiscard]] static typename L::I32 code_of(typename L::F32 magnitude) noexcept {
    return minifloat::e2m1_magnitude<L, minifloat::Ties::kToEven>(magnitude);
  }
  template <typename L>
  [[nodiscard]] static typename L::F32 value_of(typename L::I32 code) noexcept {
    return minifloat::e2m1_to_float<L>(code);
  }
};

/// E4M3, half to even; saturates.
struct E4m3 {
  static constexpr uint32_t kBits = 8;
  static constexpr int32_t kSign = 0x80;
  static constexpr int32_t kTopExponent = 8;

  template <typename L>
  [[nodiscard]] static typename L::I32 code_of(typename L::F32 magnitude) noexcept {
    return minifloat::float_to_e4m3<L>(magnitude);
  }
  template <typename L>
  [[nodiscard]] static typename L::F32 value_of(typename L::I32 code) noexcept {
    return e4m3_to_float<L>(code);
  }
};

/// Writes a code a byte of whole fours of vectors, whose quotients `quotient` gives of vectors of weights. What is not
/// below −`vanishing` has no sign.
template <typename L, typename Element, typename Quotient>
void set_codes(const float* weights, size_t count, float vanishing, uint8_t* codes, Quotient quotient) noexcept {
  const auto code = [&](size_t i) {
    const auto value = quotient(L::load(weights + i * L::kWidth));
    const auto is_negative = L::mask_bits(L::lt(value, L::splat(-vanishing)));
    return L::bit_or(Element::template code_of<L>(L::abs(value)), L::bit_and(is_negative, L::splat(Element::kSign)));
  };
  for (const float* end = weights + count; weights != end; weights += 4 * L::kWidth) {
    const auto low = L::narrow(code(0), code(1));
    const auto high = L::narrow(code(2), code(3));
    L::store_bytes(codes, L::narrow_unsigned(low, high));
    codes += 4 * L::kWidth;
  }
}

// --- Microscaling ----------------------------------------------------------------------------------------------------

/// The exponent field, in the type, of a magnitude that is rounded to a power of two: from 1.75 times one up to the
/// next. 0 where it vanishes.
template <typename L, typename Type>
[[nodiscard]] typename L::I32 rounded_exponent(typename L::F32 magnitude) noexcept {
  if constexpr (Type::kElement == ElementType::kF16) {
    return L::shr_logical(L::add(number_to_half<L>(magnitude), L::splat(1 << 8)), 10);
  } else {
    return L::shr_logical(L::add(L::bits(magnitude), L::splat(1 << 21)), 23);
  }
}

/// What rounded_exponent gives where a number is too large for a scale.
template <typename Type>
inline constexpr int32_t kOverflowExponent = Type::kElement == ElementType::kF16 ? 31 : 255;

/// The E8M0 code of a group. f16 cannot hold the scale of what vanishes: the library puts 1 in its place.
template <typename L, typename Type>
[[nodiscard]] typename L::I32 e8m0_code(typename L::I32 exponent, int32_t top_exponent) noexcept {
  if constexpr (Type::kElement == ElementType::kF16) {
    const auto code = L::add(exponent, L::splat(127 - 15 - top_exponent));
    return L::select(L::eq(exponent, L::splat(0)), L::splat(127), code);
  } else {
    return L::max(L::sub(exponent, L::splat(top_exponent)), L::splat(0));
  }
}

}  // namespace arrowquant::compressed_tensors
