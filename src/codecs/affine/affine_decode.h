#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "codecs/affine/affine.h"

namespace arrowquant {

/// What decodes in one step.
template <typename L>
inline constexpr size_t kAffineDecodeStep = 8 * L::kWidth;

/// The levels of one step as bytes, in order.
template <typename L>
struct LevelBytes {
  typename L::Bytes first;
  typename L::Bytes second;
};

template <typename L, uint32_t kBits>
[[nodiscard]] LevelBytes<L> unpack_levels(const uint8_t* packed) noexcept {
  const auto split = [](typename L::Bytes joined) {
    return LevelBytes<L>{L::bit_and(joined, L::splat_bytes((1U << kBits) - 1)), L::shr_logical(joined, kBits)};
  };
  if constexpr (kBits == 8) {
    return {L::load_bytes(packed), L::load_bytes(packed + 4 * L::kWidth)};
  } else if constexpr (kBits == 4) {
    const auto [even, odd] = split(L::load_bytes(packed));
    return {L::zip_low(even, odd), L::zip_high(even, odd)};
  } else {
    const auto quads = L::load_half_bytes(packed);
    const auto pairs = L::zip_low(L::bit_and(quads, L::splat_bytes(15)), L::shr_logical(quads, 4));
    const auto [even, odd] = split(pairs);
    return {L::zip_low(even, odd), L::zip_high(even, odd)};
  }
}

/// Decodes 4·kWidth levels.
template <typename L>
void restore_levels(typename L::Bytes levels, typename L::F32 scale, typename L::I16 zero_point,
                    float* weights) noexcept {
  const auto low = L::sub(L::widen_low_unsigned(levels), zero_point);
  const auto high = L::sub(L::widen_high_unsigned(levels), zero_point);
  const auto store = [&](size_t i, typename L::I32 steps) {
    L::store(weights + i * L::kWidth, L::mul(L::to_f32(steps), scale));
  };
  store(0, L::widen_low(low));
  store(1, L::widen_high(low));
  store(2, L::widen_low(high));
  store(3, L::widen_high(high));
}

/// Decodes whole steps that share a scale.
template <typename L, uint32_t kBits>
void decode_affine_steps(const uint8_t* packed, AffineScale parameters, std::span<float> weights) noexcept {
  const auto scale = L::splat(parameters.scale);
  const auto zero_point = L::splat_i16(parameters.zero_point);
  for (size_t at = 0; at < weights.size(); at += kAffineDecodeStep<L>) {
    const auto levels = unpack_levels<L, kBits>(packed + at * kBits / 8);
    restore_levels<L>(levels.first, scale, zero_point, weights.data() + at);
    restore_levels<L>(levels.second, scale, zero_point, weights.data() + at + 4 * L::kWidth);
  }
}

template <typename L, uint32_t kBits>
void decode_affine_group(const uint8_t* packed, AffineScale parameters, std::span<float> weights) noexcept {
  const size_t rest = weights.size() % kAffineDecodeStep<L>;
  const size_t done = weights.size() - rest;
  decode_affine_steps<L, kBits>(packed, parameters, weights.first(done));
  if (rest == 0) return;
  std::array<uint8_t, kAffineDecodeStep<L> * kBits / 8> padded{};
  std::array<float, kAffineDecodeStep<L>> restored;
  std::memcpy(padded.data(), packed + done * kBits / 8, (rest * kBits + 7) / 8);
  decode_affine_steps<L, kBits>(padded.data(), parameters, restored);
  std::copy_n(restored.begin(), rest, weights.begin() + static_cast<ptrdiff_t>(done));
}

template <typename L, uint32_t kBits>
void decode_affine_all(const AffineInput& input, size_t group_size, std::span<float> weights) noexcept {
  const size_t step = group_size == 0 ? weights.size() : group_size;
  for (size_t at = 0, group = 0; at < weights.size(); at += step, ++group) {
    decode_affine_group<L, kBits>(input.packed.data() + at * kBits / 8, {input.scales[group], input.zero_points[group]},
                                  weights.subspan(at, std::min(step, weights.size() - at)));
  }
}

}  // namespace arrowquant
