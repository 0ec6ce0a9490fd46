#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "codecs/foreign/typed_weights.h"

namespace arrowquant::mlx {

/// Groups of a piece at most.
inline constexpr size_t kPieceGroups = kTypedWeights / 32;

/// What a piece is encoded to: a level a byte, and for each group what it is stored with.
struct AffinePiece {
  std::array<float, kPieceGroups> scales;
  std::array<float, kPieceGroups> biases;
  std::array<float, kPieceGroups> inverses;  ///< of the scales; 0 where levels take divisions
  std::array<float, kPieceGroups> starts;    ///< what to add to weight · inverse, see set_near_levels
  std::array<uint8_t, kTypedWeights> levels;
};

// --- Extents ---------------------------------------------------------------------------------------------------------

/// What is seen of the weights of a piece: the extent of kWidth groups, one in each lane, and whether rounding to the
/// type changes weights.
template <typename L>
struct AffineSight {
  typename L::F32 lo;
  typename L::F32 hi;
  typename L::I32 lost = L::splat(int32_t{0});  ///< bits that are set where the type has not a weight
};

/// Bits that are set where the type has not a finite weight, as long as it is less than the type's largest number.
template <typename L, typename Type>
[[nodiscard]] typename L::I32 lost_bits(typename L::F32 weight) noexcept {
  if constexpr (Type::kElement == ElementType::kF32) {
    return L::splat(int32_t{0});
  } else if constexpr (Type::kElement == ElementType::kBF16) {
    return L::bit_and(L::bits(weight), L::splat(0xFFFF));
  } else {
    // Eleven bits count, and 2^−24 is the least step: that of sums from 0.5 on, and those of larger sums lose nothing.
    const auto shift = L::splat(0.75F);
    const auto difference = L::sub(L::sub(L::add(weight, shift), shift), weight);
    return L::bit_or(L::bit_and(L::bits(weight), L::splat(0x1FFF)), L::bits(difference));
  }
}

/// Takes in a group of whole fours of vectors, of which lanes are sets of weights of their own.
template <typename L, typename Type>
void see_group(const float* weights, size_t group_size, AffineSight<L>& sight) noexcept {
  sight.lo = sight.hi = L::load(weights);
  for (const float* end = weights + group_size; weights != end; weights += 4 * L::kWidth) {
    const auto a = L::load(weights);
    const auto b = L::load(weights + L::kWidth);
    const auto c = L::load(weights + 2 * L::kWidth);
    const auto d = L::load(weights + 3 * L::kWidth);
    sight.lo = L::pmin(sight.lo, L::pmin(L::pmin(a, b), L::pmin(c, d)));
    sight.hi = L::pmax(sight.hi, L::pmax(L::pmax(a, b), L::pmax(c, d)));
    if constexpr (Type::kElement != ElementType::kF32) {
      const auto first = L::bit_or(lost_bits<L, Type>(a), lost_bits<L, Type>(b));
      const auto second = L::bit_or(lost_bits<L, Type>(c), lost_bits<L, Type>(d));
      sight.lost = L::bit_or(sight.lost, L::bit_or(first, second));
    }
  }
}

/// Takes in kWidth groups.
template <typename L, typename Type>
void see_groups(const float* weights, size_t group_size, AffineSight<L>& sight) noexcept {
  typename L::F32Square lo;
  typename L::F32Square hi;
  for (size_t r = 0; r < L::kWidth; ++r) {
    see_group<L, Type>(weights + r * group_size, group_size, sight);
    lo[r] = sight.lo;
    hi[r] = sight.hi;
  }
  lo = L::transpose(lo);
  hi = L::transpose(hi);
  sight.lo = lo[0];
  sight.hi = hi[0];
  for (size_t c = 1; c < L::kWidth; ++c) {
    sight.lo = L::pmin(sight.lo, lo[c]);
    sight.hi = L::pmax(sight.hi, hi[c]);
  }
}

// --- Levels ----------------------------------------------------------------------------------------------------------

/// How levels are told without a division. The sum weight · inverse + start is a whole number, 2^kWhole, the level and
/// 2^−kFraction times the rest; where the rest is at most 2 · kNear it may be rounding that made the level, see
/// set_near_levels.
template <uint32_t kWholeBits>
struct AffineSum {
  static constexpr uint32_t kWhole = kWholeBits;
  static constexpr uint32_t kFraction = 23 - kWholeBits;
  static constexpr int32_t kNear = 3;
  /// Beyond so many steps from bias to zero the errors are larger. Level and steps stay below 2^kWhole together.
  static constexpr float kMostSteps = static_cast<float>((1 << kWholeBits) - 2);
  static constexpr float kStart =
      static_cast<float>(1 << kWholeBits) + 0.5F + static_cast<float>(kNear) / static_cast<float>(1 << kFraction);
};

/// For levels of up to 6 bits, which are then the third byte of a sum, and of 8 bits.
using NarrowSum = AffineSum<7>;
using WideSum = AffineSum<9>;

/// Sets all but the levels of kWidth groups from `group` on. The edge of larger magnitude, where lo = −hi the upper
/// one, becomes a whole number of steps, so that it and zero can both be told exactly.
template <typename L>
[[gnu::noinline]] void set_affine_scales(const AffineSight<L>& sight, uint32_t bits, size_t group,
                                         AffinePiece& piece) noexcept {
  const auto zero = L::splat(0.0F);
  const auto last = L::splat(static_cast<float>((1U << bits) - 1));
  const auto at_lo = L::gt(L::abs(sight.lo), L::abs(sight.hi));
  const auto step = L::pmax(L::div(L::sub(sight.hi, sight.lo), last), L::splat(1e-7F));
  const auto first = L::select(at_lo, step, L::neg(step));
  const auto edge = L::select(at_lo, sight.lo, sight.hi);
  const auto steps = L::nearest(L::div(edge, first));
  const auto moves = L::ne(steps, zero);
  const auto scale = L::select(moves, L::div(edge, steps), first);
  L::store(&piece.scales[group], scale);
  L::store(&piece.biases[group], L::select(moves, edge, zero));
  const auto most = L::splat(bits == 8 ? WideSum::kMostSteps : NarrowSum::kMostSteps);
  // The inverse of larger scales would be subnormal, and not be as exact.
  const auto is_near = L::mask_and(L::le(L::abs(steps), most), L::le(L::abs(scale), L::splat(0x1p120F)));
  L::store(&piece.inverses[group], L::select(is_near, L::div(L::splat(1.0F), scale), zero));
  // Steps are negative.
  const auto start = L::splat(bits == 8 ? WideSum::kStart : NarrowSum::kStart);
  L::store(&piece.starts[group], L::sub(start, steps));
}

/// Writes the levels of a group of finite weights: its weights in steps from the bias, half to even; 0/0 gives 0.
template <typename L>
[[gnu::noinline]] void set_affine_levels(std::span<const float> weights, float bias, float scale, uint8_t last,
                                         uint8_t* levels) noexcept {
  const auto zero = L::splat(0.0F);
  const auto most = L::splat(static_cast<float>(last));
  for (size_t at = 0; at < weights.size(); at += L::kWidth) {
    const auto steps = L::div(L::sub(L::load(&weights[at]), L::splat(bias)), L::splat(scale));
    L::store_u8(levels + at, L::round_magic(L::pmin(L::pmax(zero, steps), most)));
  }
}

/// The same, without a division; false where the levels may be others, or one of the weights is NaN.
///
/// Let n = 2^bits − 1 and s the steps from bias to zero, at most kMostSteps. (w − bias)/scale is in 0 … n + 1, and as
/// MLX rounds it, wrong by at most (n + 1) · 2^−23. Here w · inverse is wrong by at most s · 2^−23; the start takes s
/// for −bias/scale, which is wrong by s · 2^−24; and the sum is rounded to its fraction. Together that is less than
/// kNear of its last places, for both sums. Hence, where the sum is further than that from where its whole part
/// changes, it is the level.
template <typename L, typename Sum>
[[nodiscard]] bool set_near_levels(std::span<const float> weights, float inverse, float start, uint8_t last,
                                   uint8_t* levels) noexcept {
  constexpr bool kIsThirdByte = Sum::kFraction == 16;
  constexpr int32_t kRest = (1 << Sum::kFraction) - 1;
  const auto factor = L::splat(inverse);
  const auto base = L::splat(start);
  auto nearest = L::splat(-1);
  auto seen = L::splat_i16(0);
  auto seen_wide = L::splat(int32_t{0});
  const auto pair = [&](const float* from) {
    const auto a = L::bits(L::add(L::mul(L::load(from), factor), base));
    const auto b = L::bits(L::add(L::mul(L::load(from + L::kWidth), factor), base));
    if constexpr (kIsThirdByte) {
      nearest = L::min_unsigned_halves(L::min_unsigned_halves(nearest, a), b);
      const auto upper = L::narrow(L::shr_logical(a, 16), L::shr_logical(b, 16));
      seen = L::bit_or(seen, upper);
      return L::bit_and(upper, L::splat_i16(0xFF));
    } else {
      constexpr uint32_t kAbove = 32 - Sum::kFraction;
      nearest = L::min_unsigned(L::min_unsigned(nearest, L::shl(a, kAbove)), L::shl(b, kAbove));
      seen_wide = L::bit_or(L::bit_or(seen_wide, a), b);
      const auto level = [](typename L::I32 sum) {
        return L::bit_and(L::shr_logical(sum, Sum::kFraction), L::splat((1 << Sum::kWhole) - 1));
      };
      return L::narrow(level(a), level(b));
    }
  };
  const float* from = weights.data();
  for (const float* end = from + weights.size(); from != end; from += 4 * L::kWidth, levels += 4 * L::kWidth) {
    const auto low = pair(from);
    const auto all = L::narrow_unsigned(low, pair(from + 2 * L::kWidth));
    L::store_bytes(levels, L::min_unsigned(all, L::splat_bytes(last)));
  }
  // What a sum has besides the bits of its mantissa, and NaN has more.
  constexpr int32_t kPower = (127 + static_cast<int32_t>(Sum::kWhole)) << 23;
  if constexpr (kIsThirdByte) {
    if (L::any(L::bit_and(seen, L::splat_i16(static_cast<int16_t>(~(kPower >> 16 | 0x7F)))))) return false;
    return !L::any(L::le(L::bit_and(nearest, L::splat(kRest)), L::splat(2 * Sum::kNear)));
  } else {
    if (L::any(L::ne(L::bit_and(seen_wide, L::splat(~(kPower | 0x7FFFFF))), L::splat(0)))) return false;
    return !L::any(L::le(L::shr_logical(nearest, 32 - Sum::kFraction), L::splat(2 * Sum::kNear)));
  }
}

// --- Pieces ----------------------------------------------------------------------------------------------------------

/// Sets all but the levels of groups of weights, a multiple of kWidth of them. Returns whether the type has all of the
/// weights, or they are not finite.
template <typename L, typename Type>
[[nodiscard]] bool see_affine_piece(std::span<const float> weights, size_t group_size, uint32_t bits,
                                    AffinePiece& piece) noexcept {
  AffineSight<L> sight;
  auto largest = L::splat(0.0F);
  for (size_t at = 0; at < weights.size(); at += group_size * L::kWidth) {
    see_groups<L, Type>(&weights[at], group_size, sight);
    largest = L::pmax(largest, L::pmax(sight.hi, L::neg(sight.lo)));
    set_affine_scales<L>(sight, bits, at / group_size, piece);
  }
  const auto fits = L::lt(L::bits(largest), L::splat(static_cast<int32_t>(Type::kOverflow)));
  return Type::kElement == ElementType::kF32 || (L::all(L::eq(sight.lost, L::splat(0))) && L::all(fits));
}

/// Writes the levels of groups whose scales are set. kNotFinite: the first weight that is not, within the first group
/// that has one. kScaleOverflow: the extent of a group is more than the largest float.
template <typename L, typename Sum>
[[nodiscard, gnu::noinline]] Status set_piece_levels(std::span<const float> weights, size_t group_size, uint8_t last,
                                                     AffinePiece& piece) noexcept {
  for (size_t at = 0, group = 0; at < weights.size(); at += group_size, ++group) {
    const auto own = weights.subspan(at, group_size);
    uint8_t* levels = &piece.levels[at];
    const float inverse = piece.inverses[group];
    if (inverse != 0 && set_near_levels<L, Sum>(own, inverse, piece.starts[group], last, levels)) continue;
    const Status status = find_not_finite(own);
    if (!status.ok()) return status.offset_by(at);
    if (!std::isfinite(piece.scales[group])) return {StatusCode::kScaleOverflow, at};
    set_affine_levels<L>(own, piece.biases[group], piece.scales[group], last, levels);
  }
  return {};
}

/// Encodes a piece of weights, up to kTypedWeights and a multiple of kWidth whole groups of them, rounded to the type
/// first; where that changes any, they are in `room` then.
template <typename L, typename Type>
[[nodiscard]] Status encode_affine_piece(std::span<const float> weights, size_t group_size, uint32_t bits,
                                         TypedRoom& room, AffinePiece& piece) noexcept {
  if (!see_affine_piece<L, Type>(weights, group_size, bits, piece)) {
    const Status status = find_not_finite_in<Type>(weights);
    if (!status.ok()) return status;
    round_to_type<L, Type>(weights, room.data());
    weights = std::span(room).first(weights.size());
    static_cast<void>(see_affine_piece<L, minifloat::InF32>(weights, group_size, bits, piece));
  }
  const auto last = static_cast<uint8_t>((1U << bits) - 1);
  if (bits == 8) return set_piece_levels<L, WideSum>(weights, group_size, last, piece);
  return set_piece_levels<L, NarrowSum>(weights, group_size, last, piece);
}

}  // namespace arrowquant::mlx
