#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include "codecs/affine/affine.h"
#include "codecs/affine/affine_scale.h"

namespace arrowquant {

inline constexpr size_t kMaxAffineGroup = 256;

/// Vectors of weights in a step: at 4 bits they make one vector of bytes.
inline constexpr size_t kAffineVectors = 8;
template <typename L>
inline constexpr size_t kAffineStep{kAffineVectors * L::kWidth};
template <typename L>
using AffineVectors = std::array<typename L::F32, kAffineVectors>;

/// Adding it rounds a float below 2^22 to an integer, half to even, and leaves the integer in the low bits.
inline constexpr float kRoundingMagic = 12582912.0F;

template <typename L>
[[nodiscard]] AffineVectors<L> load_affine_step(const float* weights) noexcept {
  AffineVectors<L> vectors;
  for (size_t i = 0; i < kAffineVectors; ++i) vectors[i] = L::load(weights + i * L::kWidth);
  return vectors;
}

// --- Ranges ----------------------------------------------------------------------------------------------------------

/// Smallest and largest of zero and some weights; NaN are passed over. Lanes are sets of weights of their own.
template <typename L>
struct AffineExtent {
  typename L::F32 lo = L::splat(0.0F);
  typename L::F32 hi = L::splat(0.0F);

  /// In pairs, pairs of pairs and so on, so that no minimum waits for more than three others.
  void take(const AffineVectors<L>& weights) noexcept {
    static_assert(kAffineVectors == 8);
    const auto [a, b, c, d, e, f, g, h] = weights;
    const auto low = L::pmin(L::pmin(L::pmin(a, b), L::pmin(c, d)), L::pmin(L::pmin(e, f), L::pmin(g, h)));
    const auto high = L::pmax(L::pmax(L::pmax(a, b), L::pmax(c, d)), L::pmax(L::pmax(e, f), L::pmax(g, h)));
    lo = L::pmin(lo, low);
    hi = L::pmax(hi, high);
  }
};

/// kWidth groups, one in each row.
template <typename L>
using AffineExtents = std::array<AffineExtent<L>, L::kWidth>;

/// The same groups, one in each lane.
template <typename L>
[[nodiscard]] AffineExtent<L> merge_lanes(const AffineExtents<L>& groups) noexcept {
  typename L::F32Square lo;
  typename L::F32Square hi;
  for (size_t r = 0; r < L::kWidth; ++r) {
    lo[r] = groups[r].lo;
    hi[r] = groups[r].hi;
  }
  lo = L::transpose(lo);
  hi = L::transpose(hi);
  AffineExtent<L> merged;
  for (size_t c = 0; c < L::kWidth; ++c) {
    merged.lo = L::pmin(merged.lo, lo[c]);
    merged.hi = L::pmax(merged.hi, hi[c]);
  }
  return merged;
}

template <typename L>
[[nodiscard]] AffineExtents<L> scan_affine_groups(const float* weights, size_t group_size) noexcept {
  AffineExtents<L> extents;
  for (AffineExtent<L>& extent : extents) {
    for (const float* end = weights + group_size; weights != end; weights += kAffineStep<L>) {
      extent.take(load_affine_step<L>(weights));
    }
  }
  return extents;
}

/// Lane r: the value of largest magnitude of group r, the first one met on a tie.
template <typename L>
[[nodiscard]] typename L::F32 affine_extremes(const float* weights, size_t group_size,
                                              const AffineExtent<L>& extent) noexcept {
  const auto [lo, hi] = extent;
  const auto tie = L::mask_and(L::eq(hi, L::neg(lo)), L::gt(hi, L::splat(0.0F)));
  if (!L::any(tie)) return L::select(L::gt(hi, L::neg(lo)), hi, lo);
  std::array<float, L::kWidth> los;
  std::array<float, L::kWidth> his;
  L::store(los.data(), lo);
  L::store(his.data(), hi);
  for (size_t r = 0; r < L::kWidth; ++r) {
    his[r] = extreme_of({weights + r * group_size, group_size}, los[r], his[r]);
  }
  return L::load(his.data());
}

// --- Levels ----------------------------------------------------------------------------------------------------------

/// What to subtract from the bits of x·inv_scale + kRoundingMagic to get the level, raised so that the last level is
/// 255: then saturating to a byte clamps it.
template <typename L, uint32_t kBits>
[[nodiscard]] typename L::I32 affine_offset(int32_t zero_point) noexcept {
  constexpr int32_t kRaise = 256 - (1 << kBits);
  return L::splat(std::bit_cast<int32_t>(kRoundingMagic) - zero_point - kRaise);
}

/// Rounds one step of x·inv_scale and writes its levels, low bits first. Magnitudes must be at most 2^22. `seen`
/// collects the bits of the levels before they were clamped.
template <typename L, uint32_t kBits>
void write_levels(const AffineVectors<L>& scaled, typename L::I32 offset, typename L::I16& seen,
                  uint8_t* packed) noexcept {
  const auto level = [&](size_t i) { return L::sub(L::bits(L::add(scaled[i], L::splat(kRoundingMagic))), offset); };
  const auto a = L::narrow(level(0), level(1));
  const auto b = L::narrow(level(2), level(3));
  const auto c = L::narrow(level(4), level(5));
  const auto d = L::narrow(level(6), level(7));
  seen = L::bit_or(seen, L::bit_or(L::bit_or(a, b), L::bit_or(c, d)));
  const auto first = L::narrow_unsigned(a, b);
  const auto second = L::narrow_unsigned(c, d);
  if constexpr (kBits == 8) {
    L::store_bytes(packed, first);
    L::store_bytes(packed + kAffineStep<L> / 2, second);
  } else {
    const auto pairs = L::template join_pairs<kBits>(first, second);
    if constexpr (kBits == 4) {
      L::store_bytes(packed, pairs);
    } else {
      L::store_half_bytes(packed, L::template join_pairs<4>(pairs, pairs));
    }
  }
}

/// A raised level of a finite weight inside its group's range is at most 256; that of a NaN saturates to ±32767.
template <typename L>
[[nodiscard]] bool saw_nan(typename L::I16 seen) noexcept {
  return L::any(L::bit_and(seen, L::splat_i16(static_cast<int16_t>(~0x1FF))));
}

/// Copies the first `count` levels and clears the bits of the last byte that belong to none of them.
template <uint32_t kBits>
void copy_levels(const uint8_t* from, size_t count, uint8_t* to) noexcept {
  const size_t bits = count * kBits;
  std::memcpy(to, from, bits / 8);
  if (bits % 8 != 0) to[bits / 8] = static_cast<uint8_t>(from[bits / 8] & ((1U << bits % 8) - 1));
}

// --- Groups ----------------------------------------------------------------------------------------------------------

/// Encodes kWidth groups at a time: their parameters together, a group in each lane, then their levels.
template <typename L, uint32_t kBits>
class AffineGroupsEncoder {
 public:
  AffineGroupsEncoder(const CodecParameters& parameters, const AffineOutput& output) noexcept
      : size_(parameters.group_size), symmetric_(parameters.symmetric), output_(output) {}

  /// `count` is a multiple of kWidth. False: one of the weights is not finite.
  ///
  /// The weights are read twice, for their range and for their levels. The first time is while the groups before them
  /// get their levels: that leaves the processor something to do while it waits for memory.
  [[nodiscard]] bool encode(const float* weights, size_t count) noexcept {
    if (count == 0) return true;
    auto extents = scan_affine_groups<L>(weights, size_);
    for (size_t group = 0; group + L::kWidth < count; group += L::kWidth) {
      prepare(weights + group * size_, group, extents);
      extents = encode_prepared<true>(weights + group * size_, group);
    }
    const size_t last = count - L::kWidth;
    prepare(weights + last * size_, last, extents);
    encode_prepared<false>(weights + last * size_, last);
    return L::all(L::le(largest_, L::splat(std::numeric_limits<float>::max()))) && !saw_nan<L>(seen_);
  }

 private:
  /// Writes the parameters of the groups from `group` on and keeps their 1/scale.
  void prepare(const float* weights, size_t group, const AffineExtents<L>& extents) noexcept {
    const auto extent = merge_lanes<L>(extents);
    largest_ = L::pmax(largest_, L::pmax(extent.hi, L::neg(extent.lo)));
    const auto extremes = symmetric_ ? affine_extremes<L>(weights, size_, extent) : extent.hi;
    const auto lanes = affine_scale_lanes<L>(extent.lo, extent.hi, extremes, kBits, symmetric_);
    L::store(output_.scales.data() + group, lanes.scale);
    L::store_u8(output_.zero_points.data() + group, lanes.zero_point);
    L::store(inv_scales_.data(), lanes.inv_scale);
  }

  /// Writes the levels of the groups from `group` on and, with kLookAhead, returns the extents of those after them.
  /// |x·inv_scale| ≤ 2^kBits, far from where kRoundingMagic ends.
  template <bool kLookAhead>
  AffineExtents<L> encode_prepared(const float* weights, size_t group) noexcept {
    AffineExtents<L> ahead;
    uint8_t* packed = output_.packed.data() + group * size_ * kBits / 8;
    const size_t distance = size_ * L::kWidth;
    auto seen = seen_;
    for (size_t r = 0; r < L::kWidth; ++r) {
      const auto inv_scale = L::splat(inv_scales_[r]);
      const auto offset = affine_offset<L, kBits>(output_.zero_points[group + r]);
      AffineExtent<L> extent;
      for (const float* end = weights + size_; weights != end; weights += kAffineStep<L>) {
        AffineVectors<L> scaled = load_affine_step<L>(weights);
        for (auto& vector : scaled) vector = L::mul(vector, inv_scale);
        write_levels<L, kBits>(scaled, offset, seen, packed);
        if constexpr (kLookAhead) extent.take(load_affine_step<L>(weights + distance));
        packed += kAffineStep<L> * kBits / 8;
      }
      ahead[r] = extent;
    }
    seen_ = seen;
    return ahead;
  }

  size_t size_;
  bool symmetric_;
  AffineOutput output_;
  std::array<float, L::kWidth> inv_scales_ = {};
  typename L::F32 largest_ = L::splat(0.0F);  ///< infinities show here
  typename L::I16 seen_ = L::splat_i16(0);    ///< and NaN here
};

/// Encodes less than kWidth whole groups, through a block that zeros fill up: a zero changes no range.
template <typename L, uint32_t kBits>
[[nodiscard]] bool encode_affine_rest(std::span<const float> weights, const CodecParameters& parameters,
                                      const AffineOutput& output) noexcept {
  std::array<float, kMaxAffineGroup * L::kWidth> padded;
  std::array<uint8_t, kMaxAffineGroup * L::kWidth * kBits / 8> packed;
  std::array<float, L::kWidth> scales;
  std::array<uint8_t, L::kWidth> zero_points;
  const auto filled = std::copy(weights.begin(), weights.end(), padded.begin());
  std::fill(filled, padded.begin() + static_cast<ptrdiff_t>(parameters.group_size * L::kWidth), 0.0F);
  AffineGroupsEncoder<L, kBits> encoder(parameters, {packed, scales, zero_points});
  const bool finite = encoder.encode(padded.data(), L::kWidth);
  copy_levels<kBits>(packed.data(), weights.size(), output.packed.data());
  std::copy_n(scales.begin(), output.scales.size(), output.scales.begin());
  std::copy_n(zero_points.begin(), output.zero_points.size(), output.zero_points.begin());
  return finite;
}

template <typename L, uint32_t kBits>
[[nodiscard]] bool encode_affine_all(std::span<const float> weights, const CodecParameters& parameters,
                                     const AffineOutput& output) noexcept {
  const size_t groups = weights.size() / (parameters.group_size * L::kWidth) * L::kWidth;
  const size_t done = groups * parameters.group_size;
  const bool finite = AffineGroupsEncoder<L, kBits>(parameters, output).encode(weights.data(), groups);
  if (done == weights.size()) return finite;
  const AffineOutput rest = {output.packed.subspan(done * kBits / 8), output.scales.subspan(groups),
                             output.zero_points.subspan(groups)};
  return encode_affine_rest<L, kBits>(weights.subspan(done), parameters, rest) && finite;
}

// --- With a known scale ----------------------------------------------------------------------------------------------

/// Encodes whole steps. Here weights may lie outside the range, so the clamp comes before the rounding. It keeps a NaN
/// but hides infinities, so finiteness has a sum of its own.
template <typename L, uint32_t kBits>
[[nodiscard]] bool encode_affine_scaled_steps(std::span<const float> weights, AffineScale scale,
                                              uint8_t* packed) noexcept {
  const auto inv_scale = L::splat(1.0F / scale.scale);
  const auto offset = affine_offset<L, kBits>(scale.zero_point);
  const auto low = L::splat(-static_cast<float>(scale.zero_point));
  const auto high = L::splat(static_cast<float>((1 << kBits) - 1 - scale.zero_point));
  auto seen = L::splat_i16(0);
  auto zeros = L::splat(0.0F);
  for (size_t at = 0; at < weights.size(); at += kAffineStep<L>) {
    AffineVectors<L> scaled = load_affine_step<L>(weights.data() + at);
    for (auto& vector : scaled) {
      zeros = L::add(zeros, L::mul(vector, L::splat(0.0F)));
      vector = L::pmin(L::pmax(L::mul(vector, inv_scale), low), high);
    }
    write_levels<L, kBits>(scaled, offset, seen, packed + at * kBits / 8);
  }
  return L::all(L::eq(zeros, L::splat(0.0F)));
}

template <typename L, uint32_t kBits>
[[nodiscard]] bool encode_affine_scaled_all(std::span<const float> weights, AffineScale scale,
                                            uint8_t* packed) noexcept {
  const size_t done = weights.size() - weights.size() % kAffineStep<L>;
  const bool finite = encode_affine_scaled_steps<L, kBits>(weights.first(done), scale, packed);
  if (done == weights.size()) return finite;
  std::array<float, kAffineStep<L>> padded{};
  std::array<uint8_t, kAffineStep<L> * kBits / 8> levels;
  std::copy(weights.begin() + static_cast<ptrdiff_t>(done), weights.end(), padded.begin());
  const bool rest_finite = encode_affine_scaled_steps<L, kBits>(padded, scale, levels.data());
  copy_levels<kBits>(levels.data(), weights.size() - done, packed + done * kBits / 8);
  return finite && rest_finite;
}

}  // namespace arrowquant
