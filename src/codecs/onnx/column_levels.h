#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

/// How blocks that run down the columns of a matrix become levels: columns are lanes, so that nothing is transposed but
/// the packed levels. ONNX Runtime's formulas, in f32, one rounding an operation.
namespace arrowquant::onnx {

inline constexpr size_t kMostBlockRows = 256;

/// Vectors of columns that are done together: with four lanes, a cache line of a row.
inline constexpr size_t kStripVectors = 4;
template <typename L>
inline constexpr size_t kStripColumns{kStripVectors * L::kWidth};

/// A block of rows of kStripColumns columns, row by row.
template <typename L>
using Tile = std::array<float, kMostBlockRows * kStripColumns<L>>;

/// The greatest float below a half: adding it and dropping the fraction rounds what is not negative and below 2^23 half
/// away from zero, where adding a half would round 0.49999997 up.
inline constexpr float kJustBelowHalf = 0.49999997F;

/// Half away from zero, of lanes above −1.5; those from there to a half become ±0.
template <typename L>
[[nodiscard]] typename L::F32 round_half_up(typename L::F32 x) noexcept {
  return L::whole_part(L::add(x, L::splat(kJustBelowHalf)));
}

/// The extents of kWidth columns as bits: as signed integers the greatest is the greatest weight, as unsigned ones it
/// is the least weight below zero. A NaN or an infinity is beyond every number in both.
template <typename L>
struct ColumnPeaks {
  typename L::I32 highest;
  typename L::I32 lowest;

  /// The greatest weight, or 0 where none is positive.
  [[nodiscard]] typename L::F32 high() const noexcept { return L::from_bits(L::max(highest, L::splat(0))); }
  /// The magnitude of the least weight, or 0 where none is negative.
  [[nodiscard]] typename L::F32 depth() const noexcept {
    const auto magnitude = L::bit_xor(lowest, L::splat(std::numeric_limits<int32_t>::min()));
    return L::from_bits(L::select(L::lt(lowest, L::splat(0)), magnitude, L::splat(0)));
  }
};

template <typename L>
using StripPeaks = std::array<ColumnPeaks<L>, kStripVectors>;

/// Copies `rows` rows, at least one, that lie `stride` floats apart, into a tile and finds the peaks of its columns.
template <typename L>
[[nodiscard]] StripPeaks<L> scan_strip(const float* from, size_t stride, size_t rows, float* tile) noexcept {
  StripPeaks<L> peaks;
  for (size_t v = 0; v < kStripVectors; ++v) {
    const auto first = L::bits(L::load(from + v * L::kWidth));
    peaks[v] = {first, first};
  }
  for (size_t r = 0; r < rows; ++r, from += stride, tile += kStripColumns<L>) {
    for (size_t v = 0; v < kStripVectors; ++v) {
      const auto x = L::load(from + v * L::kWidth);
      L::store(tile + v * L::kWidth, x);
      peaks[v].highest = L::max(peaks[v].highest, L::bits(x));
      peaks[v].lowest = L::max_unsigned(peaks[v].lowest, L::bits(x));
    }
  }
  return peaks;
}

/// level = min(round_half_up(x·inverse + zero_point), last)
template <typename L>
struct ColumnScales {
  typename L::F32 inverse;
  typename L::F32 zero_point;
  typename L::F32 last;
};

/// x·inverse + zero_point, not rounded to an integer.
template <typename L>
[[nodiscard]] typename L::F32 scaled_weight(typename L::F32 x, const ColumnScales<L>& scales) noexcept {
  return L::add(L::mul(x, scales.inverse), scales.zero_point);
}

/// 32 bits of levels of kWidth columns, the first row's in the lowest bits. The levels must be above −1.5.
template <typename L, uint32_t kBits>
[[nodiscard]] typename L::I32 pack_rows(const float* tile, const ColumnScales<L>& scales) noexcept {
  constexpr size_t kRows = 16 / kBits;
  // 2^(23 − n) has n bits of fraction less than 2^23 has none: the level, added to it, lies n bits further up.
  const auto power = [](size_t row) noexcept { return static_cast<int32_t>((150 - kBits * row) << 23); };
  uint32_t powers = 0;
  std::array<typename L::I32, 2> halves;
  for (size_t half = 0; half < 2; ++half) {
    for (size_t row = 0; row < kRows; ++row, tile += kStripColumns<L>) {
      const auto level = round_half_up<L>(L::pmin(scaled_weight<L>(L::load(tile), scales), scales.last));
      const auto placed = L::bits(L::add(level, L::from_bits(L::splat(power(row)))));
      halves[half] = row == 0 ? placed : L::add(halves[half], placed);
      if (half == 0) powers += static_cast<uint32_t>(power(row));
    }
  }
  const auto joined = L::add(halves[0], L::shl(halves[1], 16));
  return L::sub(joined, L::splat(static_cast<int32_t>(powers + (powers << 16))));
}

/// Writes the units of the first `columns` of kWidth columns of a tile, one behind the other.
template <typename L, uint32_t kBits>
void write_units(const float* tile, size_t block_rows, const ColumnScales<L>& scales, size_t columns,
                 uint8_t* units) noexcept {
  constexpr size_t kWordRows = 32 / kBits;
  const size_t words = block_rows / kWordRows;
  // A column of less than kWidth words is followed by what the next one overwrites.
  std::array<int32_t, (kMostBlockRows / kWordRows + 1) * L::kWidth> room;
  for (size_t word = 0; word < words; word += L::kWidth) {
    typename L::I32Square square;
    for (size_t i = 0; i < L::kWidth; ++i) {
      const float* const from = tile + (word + i) * kWordRows * kStripColumns<L>;
      square[i] = word + i < words ? pack_rows<L, kBits>(from, scales) : L::splat(0);
    }
    L::store_transposed(room.data() + word, words, square);
  }
  std::memcpy(units, room.data(), columns * words * sizeof(int32_t));
}

}  // namespace arrowquant::onnx
