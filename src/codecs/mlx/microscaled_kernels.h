#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "codecs/foreign/typed_weights.h"
#include "codecs/minifloat.h"
#include "simd/half_lanes.h"
#include "simd/lanes_scalar.h"

namespace arrowquant::mlx {

/// What a piece is encoded to: an element a byte, and for each group the code of its scale.
struct MicroPiece {
  std::array<uint8_t, kTypedWeights / 16> scales;
  std::array<float, kTypedWeights / 16> factors;  ///< what elements are told from the weights with
  std::array<uint8_t, kTypedWeights> elements;
};

/// Lane r: the largest magnitude of group r.
template <typename L>
[[nodiscard]] typename L::F32 largest_magnitudes(const float* weights, size_t group_size) noexcept {
  typename L::F32Square largest;
  for (typename L::F32& row : largest) {
    row = L::splat(0.0F);
    for (const float* end = weights + group_size; weights != end; weights += L::kWidth) {
      row = L::pmax(row, L::abs(L::load(weights)));
    }
  }
  largest = L::transpose(largest);
  for (size_t c = 1; c < L::kWidth; ++c) largest[0] = L::pmax(largest[0], largest[c]);
  return largest[0];
}

/// Writes elements that `code` makes of a weight and the factor of its group.
template <typename L, typename Code>
void set_elements(std::span<const float> weights, size_t group_size, MicroPiece& piece, Code code) noexcept {
  for (size_t at = 0; at < weights.size(); at += 4 * L::kWidth) {
    const auto factor = L::splat(piece.factors[at / group_size]);
    const auto element = [&](size_t i) { return code(L::load(&weights[at + i * L::kWidth]), factor); };
    const auto low = L::narrow(element(0), element(1));
    const auto high = L::narrow(element(2), element(3));
    L::store_bytes(&piece.elements[at], L::narrow_unsigned(low, high));
  }
}

/// Elements of E2M1 or E4M3 whose scales are powers of two. Weights that the type can tell apart stay so when they are
/// divided by one, wherever the element depends on it, so that only the scale depends on the type.
template <uint32_t kElementBits>
struct MxFormat {
  static constexpr uint32_t kBits = kElementBits;
  static constexpr uint32_t kGroupSize = 32;
  static constexpr float kLargest = kElementBits == 4 ? 6.0F : 448.0F;

  template <typename L, typename Type>
  static void set_scales(typename L::F32 largest, size_t group, MicroPiece& piece) noexcept {
    const auto least = Type::template round<L>(L::div(largest, L::splat(kLargest)));
    const auto code = L::select(L::eq(least, L::splat(0.0F)), L::splat(127), minifloat::e8m0_not_below<L>(least));
    L::store_u8(&piece.scales[group], code);
    L::store(&piece.factors[group], minifloat::e8m0_inverse<L>(code));
  }

  template <typename L, typename Type>
  static void encode(std::span<const float> weights, MicroPiece& piece) noexcept {
    encode_elements<L>(weights, piece);
  }

  template <typename L>
  [[gnu::noinline]] static void encode_elements(std::span<const float> weights, MicroPiece& piece) noexcept {
    set_elements<L>(weights, kGroupSize, piece, [](typename L::F32 weight, typename L::F32 factor) noexcept {
      const auto scaled = L::mul(weight, factor);
      if constexpr (kElementBits == 8) return minifloat::float_to_e4m3<L>(scaled);
      return minifloat::float_to_e2m1_unsigned_zero<L, minifloat::Ties::kToSmaller>(scaled);
    });
  }

  /// The scale of a code, as the type holds it: f16 has neither the smallest nor the largest.
  template <typename Type>
  [[nodiscard]] static float scale(uint8_t code) noexcept {
    return Type::template round<ScalarLanes>(minifloat::e8m0_to_float<ScalarLanes>(code));
  }

  template <typename Type>
  [[nodiscard]] static bool is_scale(uint8_t code) noexcept {
    return code != 0xFF && std::isfinite(scale<Type>(code));
  }
};

/// E2M1 whose scales are E4M3.
struct NvFormat {
  static constexpr uint32_t kBits = 4;
  static constexpr uint32_t kGroupSize = 16;

  template <typename L, typename Type>
  static void set_scales(typename L::F32 largest, size_t group, MicroPiece& piece) noexcept {
    const auto code = minifloat::float_to_e4m3<L>(Type::template round<L>(L::div(largest, L::splat(6.0F))));
    L::store_u8(&piece.scales[group], code);
    // Nothing of a group with the scale 0 is told: divided by infinity it is 0.
    const auto nothing = L::splat(std::numeric_limits<float>::infinity());
    L::store(&piece.factors[group], L::select(L::eq(code, L::splat(0)), nothing, e4m3_to_float<L>(code)));
  }

  template <typename L, typename Type>
  [[gnu::noinline]] static void encode(std::span<const float> weights, MicroPiece& piece) noexcept {
    set_elements<L>(weights, kGroupSize, piece, [](typename L::F32 weight, typename L::F32 factor) noexcept {
      const auto scaled = Type::template round<L>(L::div(weight, factor));
      return minifloat::float_to_e2m1_unsigned_zero<L, minifloat::Ties::kToSmaller>(scaled);
    });
  }

  template <typename Type>
  [[nodiscard]] static float scale(uint8_t code) noexcept {
    return e4m3_to_float<ScalarLanes>(code);
  }

  template <typename Type>
  [[nodiscard]] static bool is_scale(uint8_t code) noexcept {
    return (code & 0x7F) != 0x7F;
  }
};

}  // namespace arrowquant::mlx
