#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/half.h"
#include "base/status.h"

/// What the K-quants share: super-blocks of 256 weights, llama.cpp's rounding, levels to bytes and back.
namespace arrowquant::k_quant {

inline constexpr size_t kSuperBlock = 256;

/// The levels of a super-block, from 0, before they are packed.
using Levels = std::array<uint8_t, kSuperBlock>;

/// 1.5·2^23. Its last place is 1, so that adding it rounds half to even and leaves the integer in the mantissa.
inline constexpr float kMagic = 12582912.0F;
inline constexpr int32_t kMagicBits = 0x4B400000;
inline constexpr int32_t kMantissa = 0x007FFFFF;
inline constexpr int32_t kMantissaOfZero = kMagicBits & kMantissa;
/// Up to here the mantissa of |value| + kMagic holds the rounded value; beyond it, it wraps.
inline constexpr float kSteadyLimit = 4194303.0F;

/// llama.cpp's `nearest_int`: half to even up to kSteadyLimit. Beyond it (and for infinities, NaN) the low 23 bits are
/// what they are, and they decide bytes, so they are computed in the same way.
inline int32_t nearest_integer(float value) noexcept {
  return (std::bit_cast<int32_t>(value + kMagic) & kMantissa) - kMantissaOfZero;
}

/// nearest_integer clamped to low…high, as a float. `kWraps` false is right only where |value| ≤ kSteadyLimit.
template <typename Lanes, bool kWraps>
typename Lanes::F32 nearest_level(typename Lanes::F32 value, typename Lanes::F32 low,
                                  typename Lanes::F32 high) noexcept {
  if constexpr (!kWraps) return Lanes::pmax(low, Lanes::pmin(high, Lanes::nearest(value)));
  const auto magic = Lanes::splat(kMagic);
  auto bits = Lanes::bits(Lanes::add(value, magic));
  bits = Lanes::bit_or(Lanes::bit_and(bits, Lanes::splat(kMantissa)), Lanes::splat(kMagicBits & ~kMantissa));
  return Lanes::pmax(low, Lanes::pmin(high, Lanes::sub(Lanes::from_bits(bits), magic)));
}

/// nearest_integer((weight + shift) / scale) clamped to kLow…kHigh, minus kLow, for each weight of a sub-block.
template <typename Lanes, int32_t kLow, int32_t kHigh>
void round_sub_block(std::span<const float> weights, float scale, float shift, uint8_t* levels) noexcept {
  constexpr size_t kStep = Lanes::kWidth;
  const auto divisor = Lanes::splat(scale);
  const auto added = Lanes::splat(shift);
  const auto level = [&](size_t i) noexcept {
    const auto value = Lanes::div(Lanes::add(Lanes::load(&weights[i]), added), divisor);
    const auto rounded = Lanes::bit_and(Lanes::bits(Lanes::add(value, Lanes::splat(kMagic))), Lanes::splat(kMantissa));
    const auto relative = Lanes::sub(rounded, Lanes::splat(kMantissaOfZero + kLow));
    return Lanes::max(Lanes::min(relative, Lanes::splat(kHigh - kLow)), Lanes::splat(int32_t{0}));
  };
  for (size_t i = 0; i < weights.size(); i += 4 * kStep) {
    const auto low = Lanes::narrow(level(i), level(i + kStep));
    const auto high = Lanes::narrow(level(i + 2 * kStep), level(i + 3 * kStep));
    Lanes::store_bytes(levels + i, Lanes::narrow_unsigned(low, high));
  }
}

/// scale · (level + kLow) − min for each level of a sub-block.
template <typename Lanes, int32_t kLow>
void expand_sub_block(const uint8_t* levels, float scale, float min, std::span<float> weights) noexcept {
  constexpr size_t kStep = Lanes::kWidth;
  const auto put = [&](size_t i, typename Lanes::I32 level) noexcept {
    const auto number = Lanes::to_f32(Lanes::add(level, Lanes::splat(kLow)));
    Lanes::store(&weights[i], Lanes::sub(Lanes::mul(Lanes::splat(scale), number), Lanes::splat(min)));
  };
  for (size_t i = 0; i < weights.size(); i += 4 * kStep) {
    const auto bytes = Lanes::load_bytes(levels + i);
    const auto low = Lanes::widen_low_unsigned(bytes);
    const auto high = Lanes::widen_high_unsigned(bytes);
    put(i, Lanes::widen_low(low));
    put(i + kStep, Lanes::widen_high(low));
    put(i + 2 * kStep, Lanes::widen_low(high));
    put(i + 3 * kStep, Lanes::widen_high(high));
  }
}

/// Number i of sub-block s of `from` becomes (rows[i].*member)[s], for the sub-blocks that fill a row.
template <typename Lanes, typename Row, size_t kWeights, size_t kBlocks>
void interleave(const float* from, std::array<Row, kWeights>& rows, std::array<float, kBlocks> Row::*member) noexcept {
  for (size_t s = 0; s < kBlocks; s += Lanes::kWidth) {
    for (size_t i = 0; i < kWeights; i += Lanes::kWidth) {
      const auto columns = Lanes::load_transposed(from + s * kWeights + i, kWeights);
      for (size_t c = 0; c < Lanes::kWidth; ++c) Lanes::store(&(rows[i + c].*member)[s], columns[c]);
    }
  }
}

/// Index of the first NaN or infinity of a super-block; kSuperBlock if there is none.
template <typename Lanes>
size_t first_not_finite(const float* weights) noexcept {
  constexpr int32_t kExponent = 0x7F800000;
  const auto exponent = Lanes::splat(kExponent);
  auto found = Lanes::eq(exponent, Lanes::splat(int32_t{0}));
  for (size_t i = 0; i < kSuperBlock; i += Lanes::kWidth) {
    const auto bits = Lanes::bits(Lanes::load(weights + i));
    found = Lanes::mask_or(found, Lanes::eq(Lanes::bit_and(bits, exponent), exponent));
  }
  if (!Lanes::any(found)) return kSuperBlock;
  size_t i = 0;
  while ((std::bit_cast<int32_t>(weights[i]) & kExponent) != kExponent) ++i;
  return i;
}

/// Runs `Format::encode<Lanes>(from, block)` over super-blocks; it returns false where a scale overflows f16.
template <typename Format, typename Lanes>
Status encode(std::span<const float> weights, std::span<uint8_t> bytes) noexcept {
  auto* blocks = reinterpret_cast<typename Format::Block*>(bytes.data());
  for (size_t i = 0; i < weights.size() / kSuperBlock; ++i) {
    const float* from = &weights[i * kSuperBlock];
    const size_t not_finite = first_not_finite<Lanes>(from);
    if (not_finite < kSuperBlock) return {StatusCode::kNotFinite, i * kSuperBlock + not_finite};
    if (!Format::template encode<Lanes>(from, blocks[i])) return {StatusCode::kScaleOverflow, i * kSuperBlock};
  }
  return {};
}

/// Runs `Format::decode<Lanes>(block, to)` over super-blocks.
template <typename Format, typename Lanes>
void decode(std::span<const uint8_t> bytes, std::span<float> weights) noexcept {
  const auto* blocks = reinterpret_cast<const typename Format::Block*>(bytes.data());
  for (size_t i = 0; i < weights.size() / kSuperBlock; ++i) {
    Format::template decode<Lanes>(blocks[i], &weights[i * kSuperBlock]);
  }
}

/// A little-endian f16, at any address.
using HalfBytes = std::array<uint8_t, 2>;

inline float load_half(HalfBytes half) noexcept { return half_to_float(load_u16(half.data())); }

/// Half to even. False if it becomes infinite.
[[nodiscard]] inline bool store_half(HalfBytes& to, float value) noexcept {
  const uint16_t half = float_to_half(value);
  store_u16(to.data(), half);
  return (half & 0x7FFF) != 0x7C00;
}

}  // namespace arrowquant::k_quant
