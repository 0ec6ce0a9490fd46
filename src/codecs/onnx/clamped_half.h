#pragma once

#include <cstdint>

/// float16.py (of transformers.js's scripts, and ONNX Runtime before it) keeps what is not zero from becoming zero in
/// f16, and what is large from becoming infinite.
namespace arrowquant::onnx {

/// Magnitudes in (0, 1e-7) become 1e-7, and those above 1e4 become 1e4; zeros, infinities and NaN stay, and all signs.
template <typename L>
[[nodiscard]] typename L::F32 clamp_for_half(typename L::F32 value) noexcept {
  const auto bits = L::bits(value);
  const auto magnitude = L::abs(value);
  const auto sign = L::bit_xor(bits, L::bits(magnitude));
  const auto clamped = L::pmin(L::pmax(magnitude, L::splat(1e-7F)), L::splat(1e4F));
  const auto is_special =
      L::mask_or(L::eq(magnitude, L::splat(0.0F)), L::mask_not(L::lt(magnitude, L::from_bits(L::splat(0x7F800000)))));
  return L::select(is_special, value, L::from_bits(L::bit_or(L::bits(clamped), sign)));
}

}  // namespace arrowquant::onnx
