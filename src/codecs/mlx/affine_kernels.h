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
  std::array<float, kPieceGroups> divisors;  ///< the scales, or what gives their levels where they are 0
  std::array<uint8_t, kTypedWeights> levels;
};

/// Smallest and largest of some weights. Lanes are sets of weights of their own.
template <typename L>
struct AffineExtent {
  typename L::F32 lo;
  typename L::F32 hi;
};

/// Of a group of whole fours of vectors.
template <typename L>
[[nodiscard]] AffineExtent<L> affine_extent(const float* weights, size_t group_size) noexcept {
  constexpr size_t kVectors = 4;
  AffineExtent<L> extent = {L::load(weights), L::load(weights)};
  for (const float* end = weights + group_size; weights != end; weights += kVectors * L::kWidth) {
    const auto a = L::load(weights);
    const auto b = L::load(weights + L::kWidth);
    const auto c = L::load(weights + 2 * L::kWidth);
    const auto d = L::load(weights + 3 * L::kWidth);
    extent.lo = L::pmin(extent.lo, L::pmin(L::pmin(a, b), L::pmin(c, d)));
    extent.hi = L::pmax(extent.hi, L::pmax(L::pmax(a, b), L::pmax(c, d)));
  }
  return extent;
}

/// kWidth groups, one in each lane.
template <typename L>
[[nodiscard]] AffineExtent<L> affine_extents(const float* weights, size_t group_size) noexcept {
  typename L::F32Square lo;
  typename L::F32Square hi;
  for (size_t r = 0; r < L::kWidth; ++r) {
    const AffineExtent<L> extent = affine_extent<L>(weights + r * group_size, group_size);
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

/// Sets scale, bias and divisor of kWidth groups from `group` on. The edge of larger magnitude, where lo = −hi the
/// upper one, becomes a whole number of steps, so that it and zero can both be told exactly.
template <typename L>
void set_affine_scales(const AffineExtent<L>& extent, uint32_t bits, size_t group, AffinePiece& piece) noexcept {
  const auto zero = L::splat(0.0F);
  const auto last = L::splat(static_cast<float>((1U << bits) - 1));
  const auto at_lo = L::gt(L::abs(extent.lo), L::abs(extent.hi));
  const auto step = L::pmax(L::div(L::sub(extent.hi, extent.lo), last), L::splat(1e-7F));
  const auto first = L::select(at_lo, step, L::neg(step));
  const auto edge = L::select(at_lo, extent.lo, extent.hi);
  const auto steps = L::nearest(L::div(edge, first));
  const auto moves = L::ne(steps, zero);
  const auto scale = L::select(moves, L::div(edge, steps), first);
  // More steps to the edge than f32 counts: the scale is a zero then. A tiny one gives the same levels, but for 0/0.
  const auto sign = L::bit_and(L::bits(scale), L::splat(std::numeric_limits<int32_t>::min()));
  const auto tiny = L::from_bits(L::bit_or(sign, L::bits(L::splat(std::numeric_limits<float>::min()))));
  L::store(&piece.scales[group], scale);
  L::store(&piece.biases[group], L::select(moves, edge, zero));
  L::store(&piece.divisors[group], L::select(L::eq(scale, zero), tiny, scale));
}

/// Writes the levels of a group: its weights in steps from the bias, half to even.
template <typename L>
void set_affine_levels(const float* weights, size_t group_size, float bias, float divisor, uint8_t last,
                       uint8_t* levels) noexcept {
  const auto start = L::splat(bias);
  const auto step = L::splat(divisor);
  // Bytes saturate at 0, and infinities beyond both ends.
  const auto level = [&](size_t i) {
    return L::round_magic(L::div(L::sub(L::load(weights + i * L::kWidth), start), step));
  };
  for (const float* end = weights + group_size; weights != end; weights += 4 * L::kWidth) {
    const auto low = L::narrow(level(0), level(1));
    const auto high = L::narrow(level(2), level(3));
    L::store_bytes(levels, L::min_unsigned(L::narrow_unsigned(low, high), L::splat_bytes(last)));
    levels += 4 * L::kWidth;
  }
}

/// Encodes groups of finite weights, a multiple of kWidth of them. kScaleOverflow: the extent of a group is more than
/// the largest float.
template <typename L>
[[nodiscard, gnu::noinline]] Status encode_affine_piece(std::span<const float> weights, size_t group_size,
                                                        uint32_t bits, AffinePiece& piece) noexcept {
  const size_t groups = weights.size() / group_size;
  for (size_t group = 0; group < groups; group += L::kWidth) {
    set_affine_scales<L>(affine_extents<L>(&weights[group * group_size], group_size), bits, group, piece);
  }
  const auto last = static_cast<uint8_t>((1U << bits) - 1);
  for (size_t group = 0; group < groups; ++group) {
    const size_t first = group * group_size;
    if (!std::isfinite(piece.scales[group])) return {StatusCode::kScaleOverflow, first};
    set_affine_levels<L>(&weights[first], group_size, piece.biases[group], piece.divisors[group], last,
                         &piece.levels[first]);
  }
  return {};
}

}  // namespace arrowquant::mlx
