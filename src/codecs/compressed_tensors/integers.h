#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/compressed_tensors/extents.h"
#include "codecs/foreign/typed_weights.h"
#include "codecs/minifloat.h"

/// How compressed-tensors makes integers of weights: the kernels of `ct_int_*`.
namespace arrowquant::compressed_tensors {

/// Groups of a piece at most.
inline constexpr size_t kPieceGroups = kTypedWeights / 32;

/// What a piece is encoded to: a level a byte, and for each group its scale and its zero point, as a level.
struct IntegerPiece {
  std::array<float, kPieceGroups> scales;
  std::array<float, kPieceGroups> zero_points;
  std::array<uint8_t, kTypedWeights> levels;
};

/// What PyTorch calls the `eps` of a type: how far the number after 1 is from it.
template <typename Type>
inline constexpr float kEpsilon = Type::kElement == ElementType::kF32   ? 0x1p-23F
                                  : Type::kElement == ElementType::kF16 ? 0x1p-10F
                                                                        : 0x1p-7F;

/// Bits of the mantissa of f32 that the type has not.
template <typename Type>
inline constexpr uint32_t kMissingBits = Type::kElement == ElementType::kF32   ? 0
                                         : Type::kElement == ElementType::kF16 ? 13
                                                                               : 16;

/// Rounds a quotient of two numbers of the type as Type::round does, by Veltkamp's splitting: half the work. It need
/// not care for halves, because no such quotient lies halfway between two numbers of the type, nor so near that f32
/// takes it there: a dividend would need more bits than the type has. What is subnormal in f16 it leaves more exact
/// than f16 has it: whoever rounds to integers next does not see it.
template <typename L, typename Type>
[[nodiscard]] typename L::F32 round_quotient(typename L::F32 quotient) noexcept {
  if constexpr (kMissingBits<Type> == 0) {
    return quotient;
  } else {
    const auto wide = L::mul(quotient, L::splat(static_cast<float>((1U << kMissingBits<Type>)+1)));
    return L::sub(wide, L::sub(wide, quotient));
  }
}

/// Rounds as Type::round does what is far from its largest number, and not subnormal in f16, for the same reason.
template <typename L, typename Type>
[[nodiscard]] typename L::F32 round_sum(typename L::F32 sum) noexcept {
  if constexpr (kMissingBits<Type> == 0) {
    return sum;
  } else {
    // One and a half times a power of two whose last place is the sum's in the type: the addition rounds to it.
    constexpr auto kRaise = static_cast<int32_t>((kMissingBits<Type> << 23) | 0x00400000);
    const auto exponent = L::bit_and(L::bits(sum), L::splat(0x7F800000));
    const auto power = L::from_bits(L::add(exponent, L::splat(kRaise)));
    return L::sub(L::add(sum, power), power);
  }
}

/// Sets scale and zero point of kWidth groups from `group` on.
template <typename L, typename Type>
void set_scales(const Extent<L>& extent, const CodecParameters& parameters, size_t group,
                IntegerPiece& piece) noexcept {
  const auto round = [](typename L::F32 value) { return Type::template round<L>(value); };
  const auto last = static_cast<float>((1U << parameters.bits) - 1);
  const float half = static_cast<float>(1U << (parameters.bits - 1));
  auto scale = L::splat(0.0F);
  auto zero_point = L::splat(half);
  if (parameters.symmetric) {
    scale = round(L::div(L::pmax(extent.hi, L::neg(extent.lo)), L::splat(last / 2)));
  } else {
    scale = round(L::div(round(L::sub(extent.hi, extent.lo)), L::splat(last)));
    const auto steps = round(L::sub(L::splat(-half), round(L::div(extent.lo, scale))));
    const auto clamped = L::pmin(L::pmax(steps, L::splat(-half)), L::splat(half - 1));
    // 0/0, of a group of zeros, is what a cast to int8 makes of it: 0.
    const auto level = L::add(L::nearest(clamped), L::splat(half));
    zero_point = L::select(L::eq(steps, steps), level, L::splat(half));
  }
  scale = L::select(L::eq(scale, L::splat(0.0F)), L::splat(kEpsilon<Type>), scale);
  L::store(&piece.scales[group], scale);
  L::store(&piece.zero_points[group], zero_point);
}

/// Writes the levels of a group. Quotients are a few steps beyond both ends at most, since the scale is made of the
/// largest, or subnormal.
template <typename L, typename Type, bool kSymmetric>
void set_levels(const float* weights, size_t group_size, float scale, float zero_point, uint32_t bits,
                uint8_t* levels) noexcept {
  constexpr float kRoundingMagic = 12582912.0F;
  const int32_t half = 1 << (bits - 1);
  const auto divisor = L::splat(scale);
  const auto shift = L::splat(zero_point - static_cast<float>(half));
  const auto offset = L::splat(std::bit_cast<int32_t>(kRoundingMagic) - half);
  const auto level = [&](size_t i) {
    auto steps = round_quotient<L, Type>(L::div(L::load(weights + i * L::kWidth), divisor));
    if constexpr (!kSymmetric) steps = round_sum<L, Type>(L::add(steps, shift));
    return L::sub(L::bits(L::add(steps, L::splat(kRoundingMagic))), offset);
  };
  const auto last = L::splat_bytes(static_cast<uint8_t>((1U << bits) - 1));
  for (const float* end = weights + group_size; weights != end; weights += 4 * L::kWidth) {
    const auto low = L::narrow(level(0), level(1));
    const auto high = L::narrow(level(2), level(3));
    L::store_bytes(levels, L::min_unsigned(L::narrow_unsigned(low, high), last));
    levels += 4 * L::kWidth;
  }
}

template <typename L, typename Type, bool kSymmetric>
[[nodiscard, gnu::noinline]] Status encode_integers(std::span<const float> weights, const CodecParameters& parameters,
                                                    IntegerPiece& piece) noexcept {
  const size_t size = parameters.group_size;
  const size_t groups = weights.size() / size;
  for (size_t group = 0; group < groups; group += L::kWidth) {
    set_scales<L, Type>(extents_of<L>(&weights[group * size], size), parameters, group, piece);
  }
  for (size_t group = 0; group < groups; ++group) {
    const size_t first = group * size;
    if (!std::isfinite(piece.scales[group])) return {StatusCode::kScaleOverflow, first};
    set_levels<L, Type, kSymmetric>(&weights[first], size, piece.scales[group], piece.zero_points[group],
                                    parameters.bits, &piece.levels[first]);
  }
  return {};
}

/// Encodes groups of finite weights of the type, a multiple of kWidth of them. kScaleOverflow: the scale of a group is
/// more than the type can hold.
template <typename L, typename Type>
[[nodiscard]] Status encode_integer_piece(std::span<const float> weights, const CodecParameters& parameters,
                                          IntegerPiece& piece) noexcept {
  return parameters.symmetric ? encode_integers<L, Type, true>(weights, parameters, piece)
                              : encode_integers<L, Type, false>(weights, parameters, piece);
}

}  // namespace arrowquant::compressed_tensors
