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

/// Weights of some strips of a block, strip after strip, each row by row.
template <typename L>
using Tile = std::array<float, kMostBlockRows * kStripColumns<L>>;

/// Strips that are loaded together: long pieces of rows come faster from memory.
inline constexpr size_t kMostStrips = 4;

[[nodiscard]] constexpr size_t strips_together(size_t block_rows) noexcept {
  return std::min(kMostStrips, kMostBlockRows / block_rows);
}

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
  typename L::I32 highest = L::splat(std::numeric_limits<int32_t>::min());
  typename L::I32 lowest = L::splat(0);

  void take(typename L::F32 x) noexcept {
    highest = L::max(highest, L::bits(x));
    lowest = L::max_unsigned(lowest, L::bits(x));
  }

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

/// Copies `rows` rows that lie `stride` floats apart to where they belong in a tile, and adds them to the peaks.
template <typename L>
void scan_rows(const float* from, size_t stride, size_t rows, float* tile, StripPeaks<L>& peaks) noexcept {
  StripPeaks<L> seen = peaks;
  for (size_t r = 0; r < rows; ++r, from += stride, tile += kStripColumns<L>) {
    for (size_t v = 0; v < kStripVectors; ++v) {
      const auto x = L::load(from + v * L::kWidth);
      L::store(tile + v * L::kWidth, x);
      seen[v].take(x);
    }
  }
  peaks = seen;
}

/// level = min(round_half_up(x·inverse + zero_point), last)
template <typename L>
struct ColumnScales {
  typename L::F32 inverse;
  typename L::F32 zero_point;
  typename L::F32 last;

  /// What to add to a product for both the zero point and the half that rounds. A sum with the zero point and that sum
  /// plus a half are rounded alike where they have the same exponent, and where they have not, the half alone decides.
  /// Only next to zero is there a number that half would round up: 0.49999997, and only where the zero point is 0.
  [[nodiscard]] typename L::F32 offset() const noexcept {
    const auto is_zero = L::eq(zero_point, L::splat(0.0F));
    return L::select(is_zero, L::splat(kJustBelowHalf), L::add(zero_point, L::splat(0.5F)));
  }
};

/// x·inverse + zero_point, not rounded to an integer.
template <typename L>
[[nodiscard]] typename L::F32 scaled_weight(typename L::F32 x, const ColumnScales<L>& scales) noexcept {
  return L::add(L::mul(x, scales.inverse), scales.zero_point);
}

/// The same for a whole block.
template <typename L>
struct ColumnSteps {
  typename L::F32 inverse;
  typename L::F32 offset;
  typename L::F32 end;  ///< above the last level, but less than one
};

/// 32 bits of levels of kWidth columns, the first row's in the lowest bits. The levels must be above −1.5.
template <typename L, uint32_t kBits>
[[nodiscard]] typename L::I32 pack_rows(const float* tile, const ColumnSteps<L>& steps) noexcept {
  constexpr size_t kRows = 16 / kBits;
  // 2^(23 − n) has n bits of fraction less than 2^23 has none: the level, added to it, lies n bits further up.
  const auto power = [](size_t row) noexcept { return static_cast<int32_t>((150 - kBits * row) << 23); };
  uint32_t powers = 0;
  std::array<typename L::I32, 2> halves;
  for (size_t half = 0; half < 2; ++half) {
    for (size_t row = 0; row < kRows; ++row, tile += kStripColumns<L>) {
      const auto sum = L::add(L::mul(L::load(tile), steps.inverse), steps.offset);
      const auto level = L::whole_part(L::pmin(sum, steps.end));
      const auto placed = L::bits(L::add(level, L::from_bits(L::splat(power(row)))));
      halves[half] = row == 0 ? placed : L::add(halves[half], placed);
      if (half == 0) powers += static_cast<uint32_t>(power(row));
    }
  }
  const auto joined = L::add(halves[0], L::shl(halves[1], 16));
  return L::sub(joined, L::splat(static_cast<int32_t>(powers + (powers << 16))));
}

/// Copies the first `count` of kWidth items. Only a number of bytes that is known is copied without a call.
template <typename L, size_t kItemBytes>
void copy_items(const void* from, size_t count, uint8_t* to) noexcept {
  if (count == L::kWidth) {
    std::memcpy(to, from, L::kWidth * kItemBytes);
  } else {
    std::memcpy(to, from, count * kItemBytes);
  }
}

/// Writes the units of the first `columns` of kWidth columns of a tile, one behind the other.
template <typename L, uint32_t kBits>
void write_units(const float* tile, size_t block_rows, const ColumnScales<L>& scales, size_t columns,
                 uint8_t* units) noexcept {
  constexpr size_t kWordRows = 32 / kBits;
  const size_t words = block_rows / kWordRows;
  const ColumnSteps<L> steps = {scales.inverse, scales.offset(), L::add(scales.last, L::splat(0.75F))};
  // A column of less than kWidth words is followed by what the next one overwrites.
  std::array<int32_t, (kMostBlockRows / kWordRows + 1) * L::kWidth> room;
  for (size_t word = 0; word < words; word += L::kWidth) {
    typename L::I32Square square;
    for (size_t i = 0; i < L::kWidth; ++i) {
      const float* const from = tile + (word + i) * kWordRows * kStripColumns<L>;
      square[i] = word + i < words ? pack_rows<L, kBits>(from, steps) : L::splat(0);
    }
    L::store_transposed(room.data() + word, words, square);
  }
  constexpr size_t kWordBytes = sizeof(int32_t);
  if (columns == L::kWidth) {
    for (size_t i = 0; i < words; ++i) {
      std::memcpy(units + i * L::kWidth * kWordBytes, &room[i * L::kWidth], L::kWidth * kWordBytes);
    }
  } else {
    std::memcpy(units, room.data(), columns * words * kWordBytes);
  }
}

}  // namespace arrowquant::onnx
