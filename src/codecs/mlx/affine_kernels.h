#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "base/status.h"
#include "codecs/foreign/float_type.h"
#include "codecs/weight_range.h"

namespace arrowquant::mlx {

/// Groups of a piece at most.
inline constexpr size_t kPieceGroups = kTypedWeights / 32;

/// What a piece is encoded to, and what its groups are stored with.
struct AffinePiece {
  std::array<float, kPieceGroups> scales;
  std::array<float, kPieceGroups> biases;
  std::array<float, kPieceGroups> inverses;  ///< of the scales
  std::array<float, kPieceGroups> starts;    ///< what to add to weight · inverse, see AffineSum
  /// A level a byte; those of 4 bits are in pairs, the first one in the low bits.
  std::array<uint8_t, kTypedWeights> levels;
};

/// Vectors of weights in a step.
inline constexpr size_t kAffineVectors = 8;
template <typename L>
inline constexpr size_t kAffineStep = kAffineVectors* L::kWidth;
template <typename L>
using AffineVectors = std::array<typename L::F32, kAffineVectors>;

template <typename L>
[[nodiscard]] AffineVectors<L> load_affine_step(const float* weights) noexcept {
  AffineVectors<L> vectors;
  for (size_t i = 0; i < kAffineVectors; ++i) vectors[i] = L::load(weights + i * L::kWidth);
  return vectors;
}

// --- Extents ---------------------------------------------------------------------------------------------------------

/// Smallest and largest of some weights, of which NaN may be passed over. Lanes are sets of weights of their own.
template <typename L>
struct AffineExtent {
  typename L::F32 lo;
  typename L::F32 hi;
};

template <typename L>
[[nodiscard]] AffineExtent<L> extent_of_group(const float* weights, size_t group_size) noexcept {
  AffineExtent<L> extent = {L::load(weights), L::load(weights)};
  for (const float* end = weights + group_size; weights != end; weights += kAffineStep<L>) {
    const auto [a, b, c, d, e, f, g, h] = load_affine_step<L>(weights);
    const auto low = L::pmin(L::pmin(L::pmin(a, b), L::pmin(c, d)), L::pmin(L::pmin(e, f), L::pmin(g, h)));
    const auto high = L::pmax(L::pmax(L::pmax(a, b), L::pmax(c, d)), L::pmax(L::pmax(e, f), L::pmax(g, h)));
    extent.lo = L::pmin(extent.lo, low);
    extent.hi = L::pmax(extent.hi, high);
  }
  return extent;
}

/// kWidth groups, one in each lane.
template <typename L>
[[nodiscard]] AffineExtent<L> extents_of_groups(const float* weights, size_t group_size) noexcept {
  typename L::F32Square lo;
  typename L::F32Square hi;
  for (size_t r = 0; r < L::kWidth; ++r) {
    const AffineExtent<L> extent = extent_of_group<L>(weights + r * group_size, group_size);
    lo[r] = extent.lo;
    hi[r] = extent.hi;
  }
  lo = L::transpose(lo);
  hi = L::transpose(hi);
  AffineExtent<L> merged = {lo[0], hi[0]};
  for (size_t c = 1; c < L::kWidth; ++c) {
    merged.lo = L::pmin(merged.lo, lo[c]);
    merged.hi = L::pmax(merged.hi, hi[c]);
  }
  return merged;
}

// --- Levels ----------------------------------------------------------------------------------------------------------

/// How levels are told without a division. The sum weight · inverse + start is 2^kWhole, plus the level, plus a rest of
/// kFraction bits.
///
/// Let n = 2^bits − 1 and s the steps from bias to zero, not 0 and at most kMostSteps. (w − bias)/scale is in 0 … n +
/// 1, and as MLX rounds it, wrong by at most (n + 1) · 2^−23. Here w · inverse is wrong by at most s · 2^−23; the start
/// takes s for −bias/scale, which is wrong by s · 2^−24; and the sum is rounded to its fraction. Together that is less
/// than kNear last places. So the level is right unless its rounding was nearer to the other one than that: then the
/// rest is kFirstNear or more, because the start is so much less.
template <uint32_t kWholeBits>
struct AffineSum {
  static constexpr uint32_t kWhole = kWholeBits;
  static constexpr uint32_t kFraction = 23 - kWholeBits;
  static constexpr int32_t kNear = 3;
  static constexpr int32_t kFirstNear = (1 << kFraction) - 1 - 2 * kNear;
  /// Steps, and levels plus a half, are less than 2^kWhole.
  static constexpr float kMostSteps = static_cast<float>((1 << kWholeBits) - 2);
  static constexpr float kStart =
      static_cast<float>(1 << kWholeBits) + 0.5F - static_cast<float>(kNear + 1) / static_cast<float>(1 << kFraction);
  /// The bits of 2^kWhole.
  static constexpr int32_t kPower = (127 + static_cast<int32_t>(kWholeBits)) << 23;
};

/// Levels of up to 6 bits, in the upper halves of sums.
template <typename L>
struct NarrowSums : AffineSum<7> {
  typename L::I32 most = L::splat(int32_t{0});  ///< of each half by itself

  /// The levels of two sums, as bits; raised, so that the last level is 255.
  [[nodiscard]] typename L::I16 levels(typename L::I32 a, typename L::I32 b, uint32_t last) noexcept {
    most = L::max_unsigned_halves(most, L::max_unsigned_halves(a, b));
    const auto upper = L::narrow(L::shr_logical(a, kFraction), L::shr_logical(b, kFraction));
    return L::sub(upper, L::splat_i16(static_cast<int16_t>((kPower >> kFraction) - 255 + static_cast<int32_t>(last))));
  }

  /// Whether none was near another level, and all were numbers.
  [[nodiscard]] bool were_right() const noexcept {
    const auto limit = L::splat((kPower | 0x7F << kFraction) | (kFirstNear - 1));
    return !L::any(L::bit_xor(L::max_unsigned_halves(most, limit), limit));
  }
};

/// Levels of 8 bits, and one more.
template <typename L>
struct WideSums : AffineSum<9> {
  typename L::I32 most = L::splat(int32_t{0});
  typename L::I32 most_rest = L::splat(int32_t{0});

  [[nodiscard]] typename L::I16 levels(typename L::I32 a, typename L::I32 b, uint32_t /*last*/) noexcept {
    const auto power = L::splat(kPower);
    const auto own_a = L::sub(a, power);
    const auto own_b = L::sub(b, power);
    most = L::max_unsigned(most, L::max_unsigned(own_a, own_b));
    most_rest = L::max_unsigned(most_rest, L::max_unsigned(L::shl(a, kWhole + 9), L::shl(b, kWhole + 9)));
    return L::narrow(L::shr_logical(own_a, kFraction), L::shr_logical(own_b, kFraction));
  }

  [[nodiscard]] bool were_right() const noexcept {
    const auto limit = L::splat(0x7FFFFF);
    const auto limit_rest = L::shl(L::splat(kFirstNear - 1), kWhole + 9);
    const auto above = L::bit_xor(L::max_unsigned(most, limit), limit);
    const auto above_rest = L::bit_xor(L::max_unsigned(most_rest, limit_rest), limit_rest);
    return !L::any(L::bit_or(above, above_rest));
  }
};

/// Sets what a piece knows of kWidth groups from `group` on. The edge of larger magnitude, where lo = −hi the upper
/// one, becomes a whole number of steps, so that it and zero can both be told exactly. Returns whether all scales are
/// finite.
template <typename L, typename Sums>
[[nodiscard]] bool set_affine_scales(const AffineExtent<L>& extent, float last, size_t group,
                                     AffinePiece& piece) noexcept {
  const auto zero = L::splat(0.0F);
  const auto infinity = L::splat(std::numeric_limits<float>::infinity());
  const auto at_lo = L::gt(L::abs(extent.lo), L::abs(extent.hi));
  const auto step = L::pmax(L::div(L::sub(extent.hi, extent.lo), L::splat(last)), L::splat(1e-7F));
  const auto first = L::select(at_lo, step, L::neg(step));
  const auto edge = L::select(at_lo, extent.lo, extent.hi);
  const auto steps = L::nearest(L::div(edge, first));
  const auto moves = L::ne(steps, zero);
  const auto scale = L::select(moves, L::div(edge, steps), first);
  // The inverse of larger scales would be subnormal, and not be as exact. What cannot be told from sums is made to look
  // like no number. Steps are negative.
  const auto is_near = L::mask_and(L::le(L::abs(steps), L::splat(Sums::kMostSteps)),
                                   L::mask_and(moves, L::le(L::abs(scale), L::splat(0x1p120F))));
  L::store(&piece.scales[group], scale);
  L::store(&piece.biases[group], L::select(moves, edge, zero));
  L::store(&piece.inverses[group], L::select(is_near, L::div(L::splat(1.0F), scale), zero));
  L::store(&piece.starts[group], L::select(is_near, L::sub(L::splat(Sums::kStart), steps), infinity));
  return L::all(L::lt(L::abs(scale), infinity));
}

/// Writes levels of two vectors of bytes, with ones above them, in pairs or with zeros above them. Returns where the
/// next ones go.
template <typename L>
uint8_t* store_levels(typename L::Bytes first, typename L::Bytes second, uint32_t last, uint8_t* to) noexcept {
  if (last == 15) {
    L::store_bytes(to, L::template join_pairs<4>(first, second));
    return to + kAffineStep<L> / 2;
  }
  const auto mask = L::splat_bytes(static_cast<uint8_t>(last));
  L::store_bytes(to, L::bit_and(first, mask));
  L::store_bytes(to + kAffineStep<L> / 2, L::bit_and(second, mask));
  return to + kAffineStep<L>;
}

/// Writes the levels of a step by division: whole steps from bias to weight, half to even. They are in 0 … n + 1,
/// unless the scale is 0 or not finite, or the weight is not: then they are none, and it returns false.
template <typename L>
[[nodiscard, gnu::noinline]] bool divide_step(const float* weights, float bias, float scale, uint32_t last,
                                              uint8_t* to) noexcept {
  auto seen = L::splat_i16(0);
  const auto four = [&](const float* from) {
    const auto level = [&](size_t i) {
      return L::round_magic(L::div(L::sub(L::load(from + i * L::kWidth), L::splat(bias)), L::splat(scale)));
    };
    const auto low = L::narrow(level(0), level(1));
    const auto high = L::narrow(level(2), level(3));
    seen = L::bit_or(seen, L::bit_or(low, high));
    const auto levels = L::min_unsigned(L::narrow_unsigned(low, high), L::splat_bytes(static_cast<uint8_t>(last)));
    return L::bit_or(levels, L::splat_bytes(static_cast<uint8_t>(255 - last)));
  };
  const auto first = four(weights);
  store_levels<L>(first, four(weights + kAffineStep<L> / 2), last, to);
  return !L::any(L::bit_and(seen, L::splat_i16(static_cast<int16_t>(~0x1FF))));
}

// --- Pieces ----------------------------------------------------------------------------------------------------------

template <typename L, typename Sums>
class AffinePieceEncoder {
 public:
  AffinePieceEncoder(std::span<const float> weights, size_t group_size, uint32_t bits, AffinePiece& piece) noexcept
      : weights_(weights), size_(group_size), last_((1U << bits) - 1), piece_(piece) {}

  /// False: some of the levels are none, and all are unspecified.
  [[nodiscard]] bool encode() noexcept {
    for (size_t at = 0; at < weights_.size(); at += size_ * L::kWidth) {
      const auto extent = extents_of_groups<L>(&weights_[at], size_);
      if (!set_affine_scales<L, Sums>(extent, static_cast<float>(last_), at / size_, piece_)) return false;
    }
    const size_t step_bytes = last_ == 15 ? kAffineStep<L> / 2 : kAffineStep<L>;
    const size_t group_bytes = size_ / kAffineStep<L> * step_bytes;
    uint8_t* to = piece_.levels.data();
    for (size_t group = 0; group < weights_.size() / size_; ++group, to += group_bytes) {
      const uint32_t wrong = set_levels(group, to);
      if (wrong != 0 && !divide(group, wrong, to, step_bytes)) return false;
    }
    return true;
  }

 private:
  /// Those of a group. Returns which steps may have wrong ones, a bit for each. It calls nothing, so that all of it
  /// stays in registers.
  [[nodiscard, gnu::always_inline]] uint32_t set_levels(size_t group, uint8_t* to) const noexcept {
    const auto inverse = L::splat(piece_.inverses[group]);
    const auto start = L::splat(piece_.starts[group]);
    const float* from = &weights_[group * size_];
    const auto steps = static_cast<uint32_t>(size_ / kAffineStep<L>);
    uint32_t wrong = 0;
    for (uint32_t step = 0; step < steps; from += kAffineStep<L>, ++step) {
      Sums sums;
      const auto sum = [&](size_t i) { return L::bits(L::add(L::mul(L::load(from + i * L::kWidth), inverse), start)); };
      const auto four = [&](size_t i) {
        const auto low = sums.levels(sum(i), sum(i + 1), last_);
        return L::narrow_unsigned(low, sums.levels(sum(i + 2), sum(i + 3), last_));
      };
      const auto first = four(0);
      to = store_levels<L>(first, four(4), last_, to);
      wrong |= (sums.were_right() ? 0U : 1U) << step;
    }
    return wrong;
  }

  /// Writes the levels of steps again, by division. False: some are none.
  [[nodiscard, gnu::noinline]] bool divide(size_t group, uint32_t wrong, uint8_t* to,
                                           size_t step_bytes) const noexcept {
    const float* from = &weights_[group * size_];
    bool good = true;
    for (; wrong != 0; wrong >>= 1, from += kAffineStep<L>, to += step_bytes) {
      if (wrong % 2 == 0) continue;
      good = divide_step<L>(from, piece_.biases[group], piece_.scales[group], last_, to) && good;
    }
    return good;
  }

  std::span<const float> weights_;
  size_t size_;
  uint32_t last_;
  AffinePiece& piece_;
};

/// What is to be done when some levels are none. kNotFinite: the first weight that is not, of the first group at fault.
/// kScaleOverflow: its extent is more than the largest float. Otherwise some scales are 0, because f32 does not count
/// as many steps as there are from the bias to zero; then 0/0 gives the level 0.
[[nodiscard, gnu::noinline]] inline Status set_affine_levels(std::span<const float> weights, size_t group_size,
                                                             uint32_t bits, AffinePiece& piece) noexcept {
  const auto last = static_cast<float>((1U << bits) - 1);
  for (size_t at = 0; at < weights.size(); ++at) {
    const size_t group = at / group_size;
    if (at % group_size == 0) {
      const Status status = find_not_finite(weights.subspan(at, group_size));
      if (!status.ok()) return status.offset_by(at);
      if (!std::isfinite(piece.scales[group])) return {StatusCode::kScaleOverflow, at};
    }
    const float steps = (weights[at] - piece.biases[group]) / piece.scales[group];
    const auto level = static_cast<uint8_t>(std::nearbyint(steps > 0 ? std::min(steps, last) : 0));
    uint8_t& to = piece.levels[bits == 4 ? at / 2 : at];
    to = bits == 4 && at % 2 == 1 ? static_cast<uint8_t>(to | level << 4) : level;
  }
  return {};
}

/// Encodes up to kTypedWeights weights, a multiple of kWidth whole groups.
template <typename L>
[[nodiscard, gnu::noinline]] Status encode_affine_piece(std::span<const float> weights, size_t group_size,
                                                        uint32_t bits, AffinePiece& piece) noexcept {
  const bool done = bits == 8 ? AffinePieceEncoder<L, WideSums<L>>(weights, group_size, bits, piece).encode()
                              : AffinePieceEncoder<L, NarrowSums<L>>(weights, group_size, bits, piece).encode();
  return done ? Status{} : set_affine_levels(weights, group_size, bits, piece);
}

}  // namespace arrowquant::mlx
