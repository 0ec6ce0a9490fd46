#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "base/bytes.h"
#include "base/half.h"
#include "base/status.h"
#include "simd/half_lanes.h"
#include "simd/lanes_scalar.h"

/// What the formats with blocks of 32 weights share.
///
/// A block is a struct of bytes, so that it may lie at any address. The scales of `kWidth` blocks are computed at once,
/// one block a lane; then each block's levels are, several weights at once. All of it is exact or element by element,
/// so that the order of the weights has no say in the bytes.
namespace arrowquant::blocks_of_32 {

inline constexpr size_t kWeights = 32;
inline constexpr int32_t kInfinityBits = 0x7F800000;
inline constexpr int32_t kHalfExponent = 0x7C00;
inline constexpr int32_t kSign = std::numeric_limits<int32_t>::min();

// --- Encoding --------------------------------------------------------------------------------------------------------

/// Why a block was refused: the first NaN or infinity in it, else a scale that f16 cannot hold.
inline Status refusal(std::span<const float> block) noexcept {
  for (size_t i = 0; i < block.size(); ++i) {
    if ((std::bit_cast<int32_t>(block[i]) & kInfinityBits) == kInfinityBits) return {StatusCode::kNotFinite, i};
  }
  return {StatusCode::kScaleOverflow, 0};
}

/// Lane r of the result is the fold of all lanes of rows[r].
template <typename Lanes, typename Square, typename Fold>
auto fold_rows(const Square& rows, Fold fold) noexcept {
  const Square columns = Lanes::transpose(rows);
  auto folded = columns[0];
  for (size_t i = 1; i < Lanes::kWidth; ++i) folded = fold(folded, columns[i]);
  return folded;
}

/// The magnitudes of the greatest and of the least weight of each block, as bits; 0 where no weight has that sign.
template <typename Lanes>
struct Peaks {
  typename Lanes::I32 positive;
  typename Lanes::I32 negative;
};

/// Finds the peaks of kWidth blocks by comparing bit patterns: as signed integers the greatest is the greatest weight,
/// as unsigned ones it is the least weight below zero. A NaN or an infinity is beyond every number in both.
template <typename Lanes>
class PeakScan {
 public:
  /// Takes the block `from` as block `r`.
  void scan(const float* from, size_t r) noexcept {
    auto highest = Lanes::bits(Lanes::load(from));
    auto lowest = highest;
    for (size_t i = Lanes::kWidth; i < kWeights; i += Lanes::kWidth) {
      const auto bits = Lanes::bits(Lanes::load(from + i));
      highest = Lanes::max(highest, bits);
      lowest = Lanes::max_unsigned(lowest, bits);
    }
    highest_[r] = highest;
    lowest_[r] = lowest;
  }
  void scan_all(const float* from) noexcept {
    for (size_t r = 0; r < Lanes::kWidth; ++r) scan(from + r * kWeights, r);
  }
  [[nodiscard]] Peaks<Lanes> peaks() const noexcept {
    const auto zero = Lanes::splat(int32_t{0});
    const auto high = fold_rows<Lanes>(highest_, [](auto a, auto b) noexcept { return Lanes::max(a, b); });
    const auto low = fold_rows<Lanes>(lowest_, [](auto a, auto b) noexcept { return Lanes::max_unsigned(a, b); });
    const auto low_magnitude = Lanes::bit_xor(low, Lanes::splat(kSign));
    return {Lanes::max(high, zero), Lanes::select(Lanes::lt(low, zero), low_magnitude, zero)};
  }

 private:
  typename Lanes::I32Square highest_;
  typename Lanes::I32Square lowest_;
};

/// How many blocks `Format::encode<Lanes>(from, blocks)` encodes, `kAtOnce` in each call, before it returns false
/// because it must refuse one.
///
/// A format may scan ahead: it is then called with a PeakScan of its blocks, too, and with the weights to scan next, so
/// that the scan, which is integer work, goes on beside the present blocks' float work.
template <typename Format, typename Lanes, size_t kBlockWeights, size_t kAtOnce>
size_t encode_groups(std::span<const float> weights, typename Format::Block* blocks) noexcept {
  const size_t count = weights.size() / kBlockWeights;
  const float* from = weights.data();
  size_t i = 0;
  if constexpr (requires(PeakScan<Lanes> scan) { Format::template encode<Lanes>(from, blocks, scan, from); }) {
    PeakScan<Lanes> scan;
    if (kAtOnce <= count) scan.scan_all(from);
    for (; i + kAtOnce <= count; i += kAtOnce, from += kAtOnce * kBlockWeights) {
      const float* next = i + 2 * kAtOnce <= count ? from + kAtOnce * kBlockWeights : from;
      if (!Format::template encode<Lanes>(from, blocks + i, scan, next)) break;
    }
  } else {
    for (; i + kAtOnce <= count; i += kAtOnce, from += kAtOnce * kBlockWeights) {
      if (!Format::template encode<Lanes>(from, blocks + i)) break;
    }
  }
  return i;
}

/// Encodes each of some blocks beside zeros that fill the lanes up: the lanes cannot tell which of them is refused.
template <typename Format, typename Lanes, size_t kBlockWeights, size_t kAtOnce>
Status encode_singly(std::span<const float> weights, typename Format::Block* blocks) noexcept {
  std::array<float, kAtOnce * kBlockWeights> padded{};
  std::array<typename Format::Block, kAtOnce> encoded;
  for (size_t at = 0; at < weights.size(); at += kBlockWeights) {
    const auto block = weights.subspan(at, kBlockWeights);
    std::copy(block.begin(), block.end(), padded.begin());
    if (encode_groups<Format, Lanes, kBlockWeights, kAtOnce>(padded, encoded.data()) == 0) {
      return refusal(block).offset_by(at);
    }
    *blocks++ = encoded[0];
  }
  return {};
}

/// Encodes blocks with `Format`.
template <typename Format, typename Lanes, size_t kBlockWeights = kWeights, size_t kAtOnce = Lanes::kWidth>
Status encode(std::span<const float> weights, std::span<uint8_t> bytes) noexcept {
  using Block = typename Format::Block;
  auto* blocks = reinterpret_cast<Block*>(bytes.data());
  const size_t encoded = encode_groups<Format, Lanes, kBlockWeights, kAtOnce>(weights, blocks);
  const size_t done = encoded * kBlockWeights;
  if (done == weights.size()) return {};
  if constexpr (kAtOnce == 1) {
    return refusal(weights.subspan(done, kBlockWeights)).offset_by(done);
  } else {
    // Those that do not fill the lanes, or a group with one to be refused.
    const auto rest = weights.subspan(done, std::min(kAtOnce * kBlockWeights, weights.size() - done));
    const Status status = encode_singly<Format, Lanes, kBlockWeights, kAtOnce>(rest, blocks + encoded);
    return status.ok() ? status : status.offset_by(done);
  }
}

/// The largest magnitude of `count` weights, a multiple of 4, as bits: at least kInfinityBits if a weight is not
/// finite.
template <typename Lanes>
int32_t largest_bits(const float* from, size_t count) noexcept {
  auto largest = Lanes::splat(int32_t{0});
  for (size_t i = 0; i < count; i += Lanes::kWidth) {
    largest = Lanes::max(largest, Lanes::bit_and(Lanes::bits(Lanes::load(from + i)), Lanes::splat(~kSign)));
  }
  std::array<int32_t, Lanes::kWidth> lanes;
  Lanes::store(lanes.data(), largest);
  int32_t found = 0;
  for (const int32_t lane : lanes) found = lane > found ? lane : found;
  return found;
}

/// 1/scale; 0 where that is infinite or NaN.
///
/// So is it for a scale of 0, as in llama.cpp, and for one below 2^−128. There llama.cpp's products are infinite or
/// NaN, and x86 turns those into integers with a lowest byte of 0: all levels of such a block are 0.
template <typename Lanes>
typename Lanes::F32 invert(typename Lanes::F32 scale) noexcept {
  const auto inverse = Lanes::div(Lanes::splat(1.0F), scale);
  const auto infinity = Lanes::from_bits(Lanes::splat(kInfinityBits));
  const auto is_number = Lanes::mask_bits(Lanes::lt(Lanes::abs(inverse), infinity));
  return Lanes::from_bits(Lanes::bit_and(Lanes::bits(inverse), is_number));
}

/// Where a block has an f16.
template <typename Block>
using HalfMember = std::array<uint8_t, 2> Block::*;

/// The f16 of `value`, half to even, becomes the blocks' `member`. Returns the exponents, as bits: kHalfExponent where
/// the value is infinite in f16 or NaN.
template <typename Lanes, typename Block>
typename Lanes::I32 store_halves(Block* blocks, HalfMember<Block> member, typename Lanes::F32 value) noexcept {
  const auto half = number_to_half<Lanes>(value);
  Lanes::scatter_u16((blocks->*member).data(), sizeof(Block), half);
  return Lanes::bit_and(half, Lanes::splat(kHalfExponent));
}

template <typename Lanes>
bool all_fit(typename Lanes::I32 exponents) noexcept {
  return Lanes::all(Lanes::lt(exponents, Lanes::splat(kHalfExponent)));
}

/// `level(i)` for i = 0…4·kWidth − 1, called for kWidth of them at a time, as bytes. They must be whole numbers in
/// 0…255.
template <typename Lanes, typename Level>
typename Lanes::Bytes to_bytes(Level level) noexcept {
  const auto integer = [&](size_t quarter) noexcept { return Lanes::round_magic(level(quarter * Lanes::kWidth)); };
  return Lanes::narrow_unsigned(Lanes::narrow(integer(0), integer(1)), Lanes::narrow(integer(2), integer(3)));
}

// --- Nibbles ---------------------------------------------------------------------------------------------------------

/// Byte j holds level j in its low half and level j + 16 in its high half.
using Nibbles = std::array<uint8_t, kWeights / 2>;

/// The fifth bits of the levels: level j's is bit j of a little-endian number.
using FifthBits = std::array<uint8_t, 4>;

/// Packs the levels that `levels(i)` makes of weights i…i + 4·kWidth − 1.
template <typename Lanes, typename Levels>
void pack_nibbles(Levels levels, Nibbles& nibbles) noexcept {
  for (size_t i = 0; i < kWeights / 2; i += 4 * Lanes::kWidth) {
    Lanes::store_bytes(&nibbles[i], Lanes::join_nibbles(levels(i), levels(i + kWeights / 2)));
  }
}

/// The same with five bits a level.
template <typename Lanes, typename Levels>
void pack_nibbles(Levels levels, Nibbles& nibbles, FifthBits& fifth_bits) noexcept {
  const auto low_half = Lanes::splat_bytes(15);
  // 16 and more get the highest bit.
  const auto to_top = Lanes::splat_bytes(0x80 - 16);
  uint32_t fifth = 0;
  for (size_t i = 0; i < kWeights / 2; i += 4 * Lanes::kWidth) {
    const auto low = levels(i);
    const auto high = levels(i + kWeights / 2);
    fifth |= Lanes::bitmask(Lanes::add(low, to_top)) << i;
    fifth |= Lanes::bitmask(Lanes::add(high, to_top)) << (i + kWeights / 2);
    Lanes::store_bytes(&nibbles[i], Lanes::join_nibbles(Lanes::bit_and(low, low_half), Lanes::bit_and(high, low_half)));
  }
  store_u32(fifth_bits.data(), fifth);
}

/// Calls `put(i, levels)` with the levels of weights i…i + 4·kWidth − 1.
template <typename Lanes, typename Put>
void unpack_nibbles(const Nibbles& nibbles, Put put) noexcept {
  for (size_t i = 0; i < kWeights / 2; i += 4 * Lanes::kWidth) {
    const auto packed = Lanes::load_bytes(&nibbles[i]);
    put(i, Lanes::bit_and(packed, Lanes::splat_bytes(15)));
    put(i + kWeights / 2, Lanes::shr_logical(packed, 4));
  }
}

/// The same with five bits a level.
template <typename Lanes, typename Put>
void unpack_nibbles(const Nibbles& nibbles, const FifthBits& fifth_bits, Put put) noexcept {
  std::array<uint8_t, kWeights> fifth;
  for (size_t i = 0; i < kWeights; ++i) fifth[i] = static_cast<uint8_t>((fifth_bits[i / 8] >> i % 8 & 1) << 4);
  unpack_nibbles<Lanes>(nibbles, [&](size_t i, typename Lanes::Bytes levels) noexcept {
    put(i, Lanes::bit_or(levels, Lanes::load_bytes(&fifth[i])));
  });
}

// --- Decoding --------------------------------------------------------------------------------------------------------

/// Runs `Format::decode<Lanes>(block, to)` over whole blocks.
template <typename Format, typename Lanes, size_t kBlockWeights = kWeights>
void decode(std::span<const uint8_t> bytes, std::span<float> weights) noexcept {
  const auto* blocks = reinterpret_cast<const typename Format::Block*>(bytes.data());
  for (size_t i = 0; i < weights.size() / kBlockWeights; ++i) {
    Format::template decode<Lanes>(blocks[i], &weights[i * kBlockWeights]);
  }
}

inline float load_half(const std::array<uint8_t, 2>& bytes) noexcept { return half_to_float(load_u16(bytes.data())); }

/// `weight(level)` of 4·kWidth levels, which are bytes in two's complement.
template <typename Lanes, typename Weight>
void from_levels(typename Lanes::Bytes levels, float* to, Weight weight) noexcept {
  const auto put = [&](size_t quarter, typename Lanes::I32 level) noexcept {
    Lanes::store(to + quarter * Lanes::kWidth, weight(Lanes::to_f32(level)));
  };
  const auto low = Lanes::widen_low_signed(levels);
  const auto high = Lanes::widen_high_signed(levels);
  put(0, Lanes::widen_low(low));
  put(1, Lanes::widen_high(low));
  put(2, Lanes::widen_low(high));
  put(3, Lanes::widen_high(high));
}

}  // namespace arrowquant::blocks_of_32
