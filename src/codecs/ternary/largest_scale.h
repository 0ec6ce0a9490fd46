#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/half.h"
#include "codecs/blocks_of_32/blocks_of_32.h"

/// What the formats share whose levels are −1, 0 and 1, before one is added for the way that they are stored: the
/// largest magnitude of a block is its scale d, in f16, and level = weight · (1/d), rounded half away from zero, where
/// 1/d is taken before d becomes f16. weight ≈ d · level.
namespace arrowquant::ternary {

using blocks_of_32::kHalfExponent;
using blocks_of_32::largest_bits;
using blocks_of_32::load_half;

using Half = std::array<uint8_t, 2>;

/// Stores `scale`, half to even. False where that is infinite or NaN.
inline bool store_half(float scale, Half& to) noexcept {
  const uint16_t half = float_to_half(scale);
  store_u16(to.data(), half);
  return (half & kHalfExponent) != kHalfExponent;
}

/// The levels of 4·kWidth weights, plus one, as bytes. Anything nearer to zero than half a scale is 1.
template <typename L>
typename L::Bytes stored_levels(const float* from, float inv_scale) noexcept {
  const auto level = [&](size_t quarter) noexcept {
    const auto scaled = L::mul(L::load(from + quarter * L::kWidth), L::splat(inv_scale));
    const auto is_one = L::mask_bits(L::ge(scaled, L::splat(0.5F)));
    return L::sub(L::mask_bits(L::le(scaled, L::splat(-0.5F))), is_one);
  };
  const auto low = L::narrow(level(0), level(1));
  return L::add(L::narrow_signed(low, L::narrow(level(2), level(3))), L::splat_bytes(1));
}

/// Puts scale · level for 4·kWidth levels, which are bytes in two's complement.
template <typename L>
void expand_levels(typename L::Bytes levels, float scale, float* to) noexcept {
  blocks_of_32::from_levels<L>(levels, to,
                               [&](typename L::F32 level) noexcept { return L::mul(level, L::splat(scale)); });
}

}  // namespace arrowquant::ternary
