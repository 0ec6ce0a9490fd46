#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/codec.h"
#include "codecs/foreign/typed_weights.h"
#include "codecs/minifloat.h"
#include "simd/lanes_scalar.h"

/// The levels of a group of `ct_int_*` whose scale is known.
namespace arrowquant::compressed_tensors {

/// Groups of a piece at most.
inline constexpr size_t kPieceGroups = kTypedWeights / 32;

/// How the groups of a piece are quantized: level = clamp(round(w/scale + shift), −2^(bits − 1), 2^(bits − 1) − 1) +
/// 2^(bits − 1), where each operation is rounded to the type.
struct LevelRules {
  std::array<float, kPieceGroups> scales;
  std::array<float, kPieceGroups> inverses;  ///< of the scales; not where the type is f32
  std::array<float, kPieceGroups> shifts;    ///< the zero points; 0 where it is symmetric
};

/// Bits of the mantissa of f32 that the type has not.
template <typename Type>
inline constexpr uint32_t kMissingBits = Type::kElement == ElementType::kF32   ? 0
                                         : Type::kElement == ElementType::kF16 ? 13
                                                                               : 16;

/// Adding it rounds a float below 2^22 to an integer, half to even, and leaves the integer in the low bits.
inline constexpr float kRoundingMagic = 12582912.0F;

/// Rounds a quotient of numbers of f16 or bfloat16, for which the dividend was multiplied with the divisor's reciprocal
/// instead, to what Type::round makes of the quotient itself. There are no halves to care for:
///
/// The product is less than 2^−23 · (1 + 2^−24) of it away from the quotient. What is halfway between two numbers of a
/// type of p bits is an odd t of p + 1 bits, times a power of two. For integers x, s < 2^p the difference of x and t ·
/// s, whose powers of two are left out, is at least 1, because t · s has more bits than x: so a quotient is more than
/// 1/(t · s) > 2^−(2p + 1) of it away from t. p is 11 or 8.
///
/// What is subnormal in f16 is left more exact than f16 has it: whoever rounds to integers then does not see it.
template <typename L, typename Type>
[[nodiscard]] typename L::F32 round_quotient(typename L::F32 quotient) noexcept {
  constexpr int32_t kHalf = (1 << kMissingBits<Type>) / 2;
  return L::from_bits(L::bit_and(L::add(L::bits(quotient), L::splat(kHalf)), L::splat(-2 * kHalf)));
}

/// Rounds as Type::round does what is far from its largest number, and not subnormal in f16, for the same reason.
template <typename L, typename Type>
[[nodiscard]] typename L::F32 round_sum(typename L::F32 sum) noexcept {
  // One and a half times a power of two whose last place is the sum's in the type: the addition rounds to it.
  constexpr auto kRaise = static_cast<int32_t>((kMissingBits<Type> << 23) | 0x00400000);
  const auto exponent = L::bit_and(L::bits(sum), L::splat(0x7F800000));
  const auto power = L::from_bits(L::add(exponent, L::splat(kRaise)));
  return L::sub(L::add(sum, power), power);
}

/// What the levels of a group are made with.
template <typename L, typename Type>
struct LevelKernel {
  typename L::F32 factor;  ///< what f32 divides by, and other types multiply with
  typename L::F32 shift;
  typename L::I32 offset;

  /// The level of a vector of weights, raised so that the last one is 255, and not clamped. Quotients are a few steps
  /// beyond both ends at most, since the scale is made of the largest, or subnormal.
  template <bool kSymmetric>
  [[nodiscard]] typename L::I32 level(const float* weights) const noexcept {
    auto steps = L::load(weights);
    if constexpr (kMissingBits<Type> == 0) {
      steps = L::div(steps, factor);
      if constexpr (!kSymmetric) steps = L::add(steps, shift);
    } else {
      steps = round_quotient<L, Type>(L::mul(steps, factor));
      if constexpr (!kSymmetric) steps = round_sum<L, Type>(L::add(steps, shift));
    }
    return L::sub(L::bits(L::add(steps, L::splat(kRoundingMagic))), offset);
  }

  /// The levels of four vectors, a byte each.
  template <bool kSymmetric>
  [[nodiscard]] typename L::Bytes levels(const float* weights, typename L::Bytes first) const noexcept {
    const auto level_of = [&](size_t i) { return level<kSymmetric>(weights + i * L::kWidth); };
    const auto low = L::narrow(level_of(0), level_of(1));
    const auto high = L::narrow(level_of(2), level_of(3));
    return L::max_unsigned(L::narrow_unsigned(low, high), first);
  }
};

/// Writes the levels of whole groups of a piece: of 4 bits packed, the first one in the low bits, of others a byte
/// each.
template <typename L, typename Type, bool kSymmetric>
[[gnu::noinline]] void set_levels(const float* weights, size_t groups, const CodecParameters& parameters,
                                  const LevelRules& rules, uint8_t* to) noexcept {
  constexpr size_t kVector = 4 * L::kWidth;
  const auto [bits, size, symmetric] = parameters;
  const auto raise = 256 - (1 << bits);
  const auto first = L::splat_bytes(static_cast<uint8_t>(raise));
  LevelKernel<L, Type> kernel;
  kernel.offset = L::splat(std::bit_cast<int32_t>(kRoundingMagic) - (1 << (bits - 1)) - raise);
  for (size_t group = 0; group < groups; ++group) {
    kernel.factor = L::splat(kMissingBits<Type> == 0 ? rules.scales[group] : rules.inverses[group]);
    kernel.shift = L::splat(rules.shifts[group]);
    for (const float* end = weights + size; weights != end; weights += 2 * kVector) {
      const auto a = kernel.template levels<kSymmetric>(weights, first);
      const auto b = kernel.template levels<kSymmetric>(weights + kVector, first);
      if (bits == 4) {
        L::store_bytes(to, L::template join_pairs<4>(a, b));
        to += kVector;
      } else {
        L::store_bytes(to, L::sub(a, first));
        L::store_bytes(to + kVector, L::sub(b, first));
        to += 2 * kVector;
      }
    }
  }
}

/// The same, as the rules say it, a byte each, for what the kernel does not serve.
template <typename Type>
[[gnu::noinline]] void set_levels_by_division(std::span<const float> weights, const CodecParameters& parameters,
                                              const LevelRules& rules, uint8_t* levels) noexcept {
  const auto half = static_cast<float>(1U << (parameters.bits - 1));
  for (size_t i = 0; i < weights.size(); ++i) {
    const size_t group = i / parameters.group_size;
    const float quotient = Type::template round<ScalarLanes>(weights[i] / rules.scales[group]);
    const float steps = Type::template round<ScalarLanes>(quotient + rules.shifts[group]);
    levels[i] = static_cast<uint8_t>(std::nearbyint(std::clamp(steps, -half, half - 1)) + half);
  }
}

}  // namespace arrowquant::compressed_tensors
