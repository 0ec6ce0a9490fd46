#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "codecs/codec.h"
#include "codecs/group_search/zero_point_search.h"
#include "codecs/minifloat.h"
#include "codecs/onnx/block_search.h"
#include "codecs/onnx/clamped_half.h"
#include "codecs/onnx/column_levels.h"
#include "simd/half_lanes.h"

namespace arrowquant::onnx {

/// What becomes of a scale.
enum class Scales : uint8_t {
  kF32,          ///< nothing
  kHalved,       ///< f16 as float16.py makes them, when the levels are there
  kHalvesFirst,  ///< f16, half to even, before the levels follow from it: what weights of f16 get
};

/// How a weight becomes a level.
enum class Levels : uint8_t {
  kRoundedSums,      ///< x/scale + zero_point is rounded: MatMulNBits
  kRoundedProducts,  ///< x/scale is rounded, a byte each; symmetric ones are signed, in the lowest 4 bits:
                     ///< DequantizeLinear
};

/// What is made of weights.
struct Formula {
  uint32_t bits;  ///< of a level
  bool symmetric;
  Scales scales = Scales::kF32;
  Levels levels = Levels::kRoundedSums;
  /// kBetter searches for a scale and zero point that lose less, but not where it is symmetric; kBest for those that
  /// lose least.
  Effort effort = Effort::kReference;

  /// Of the plane of levels.
  [[nodiscard]] constexpr uint32_t stored_bits() const noexcept { return levels == Levels::kRoundedSums ? bits : 8; }
  [[nodiscard]] constexpr bool is_signed() const noexcept { return symmetric && levels == Levels::kRoundedProducts; }
};

[[nodiscard]] constexpr size_t scale_bytes(Scales scales) noexcept { return scales == Scales::kF32 ? 4 : 2; }

/// A block of rows, all columns of it.
struct Block {
  const float* weights;
  size_t columns;
  size_t rows;       ///< of a whole block
  size_t real_rows;  ///< those before the end of the tensor
  uint8_t* levels;
  uint8_t* scales;
  uint8_t* zero_points;
  const uint8_t* above;     ///< levels of the block above, where its last byte shows in this one's
  const float* importance;  ///< of each of the real rows; nullptr where all count the same
};

/// The columns of a strip that one vector holds.
struct Columns {
  size_t first;
  size_t count;  ///< the others are padding
};

/// Encodes blocks, a strip of columns at a time.
template <typename L>
class BlockEncoder {
 public:
  explicit BlockEncoder(const Formula& formula) noexcept
      : formula_(formula),
        steps_(static_cast<float>((1U << formula.bits) - 1)),
        middle_(static_cast<float>(1U << (formula.bits - 1))) {
    importance_.fill(1.0F);
  }

  /// False: a weight is not finite, or a scale is not.
  [[nodiscard]] bool encode(const Block& block) noexcept {
    const size_t together = strips_together(block.rows) * kStripColumns<L>;
    if (block.importance != nullptr) load_importance(block);
    for (size_t first = 0; first < block.columns; first += together) {
      const size_t count = std::min(together, block.columns - first);
      load_strips(block, first, count);
      for (size_t at = 0; at < count; at += L::kWidth) {
        if (!encode_columns(block, {first + at, std::min(L::kWidth, count - at)}, at)) return false;
      }
    }
    return true;
  }

  /// Whether all weights of a column, which are finite, have a finite scale.
  [[nodiscard]] bool has_scale(const Block& block, size_t column) noexcept {
    load_strips(block, column, 1);
    return encode_columns(block, {column, 1}, 0);
  }

 private:
  /// The same in all lanes.
  void load_importance(const Block& block) noexcept {
    for (size_t r = 0; r < block.real_rows; ++r) {
      L::store(importance_.data() + r * L::kWidth, L::splat(block.importance[r]));
    }
  }

  /// Rows that are scanned of one strip before the next one: as many lines of a cache as may have the same place in it.
  static constexpr size_t kRowsTogether = 8;

  /// Puts columns into the tile and finds their peaks. Zeros stand for those that the last strip is short of.
  void load_strips(const Block& block, size_t first, size_t count) noexcept {
    const size_t whole = count / kStripColumns<L>;
    peaks_.fill({});
    for (size_t row = 0; row < block.real_rows; row += kRowsTogether) {
      const size_t rows = std::min(kRowsTogether, block.real_rows - row);
      const float* const from = block.weights + row * block.columns + first;
      for (size_t strip = 0; strip < whole; ++strip) {
        float* const tile = tile_of(block, strip) + row * kStripColumns<L>;
        scan_rows<L>(from + strip * kStripColumns<L>, block.columns, rows, tile, peaks_[strip]);
      }
    }
    const size_t rest = count % kStripColumns<L>;
    if (rest == 0) return;
    float* const tile = tile_of(block, whole);
    for (size_t r = 0; r < block.real_rows; ++r) {
      float* const row = tile + r * kStripColumns<L>;
      std::copy_n(block.weights + r * block.columns + first + count - rest, rest, row);
      std::fill(row + rest, row + kStripColumns<L>, 0.0F);
    }
    scan_rows<L>(tile, kStripColumns<L>, block.real_rows, tile, peaks_[whole]);
  }

  [[nodiscard]] float* tile_of(const Block& block, size_t strip) noexcept {
    return tile_.data() + strip * block.rows * kStripColumns<L>;
  }

  /// Of those that are loaded, kWidth from `at` on.
  [[nodiscard]] bool encode_columns(const Block& block, Columns columns, size_t at) noexcept {
    const size_t strip = at / kStripColumns<L>;
    const ColumnPeaks<L>& peaks = peaks_[strip][at % kStripColumns<L> / L::kWidth];
    float* const tile = tile_of(block, strip) + at % kStripColumns<L>;
    const auto high = peaks.high();
    const auto depth = peaks.depth();
    const auto infinity = L::splat(std::numeric_limits<float>::infinity());
    if (!L::all(L::mask_and(L::lt(high, infinity), L::lt(depth, infinity)))) return false;
    ScalePair<L> pair = plain_scale(high, depth, L::load(tile));
    if (formula_.effort == Effort::kBest) {
      pair = best_scale(block, pair, tile);
    } else if (formula_.effort == Effort::kBetter && !formula_.symmetric) {
      pair = searched_scale(block, pair, tile);
    }
    const auto [scale, zero_point] = pair;
    if (!L::all(L::lt(L::abs(scale), infinity))) return false;
    store_scales(block, columns, scale, zero_point);
    const auto vanishes = L::eq(scale, L::splat(0.0F));
    const auto inverse = L::select(vanishes, L::splat(0.0F), L::div(L::splat(1.0F), scale));
    ColumnScales<L> levels = {inverse, zero_point, L::splat(steps_)};
    if (formula_.levels == Levels::kRoundedProducts || block.real_rows < block.rows ||
        !is_bounded(high, depth, levels)) {
      finish_levels(block, columns, levels, tile);
      levels = {L::splat(1.0F), L::splat(0.0F), L::splat(steps_)};
    }
    write(block, columns, levels, tile);
    return true;
  }

  [[nodiscard]] ScalePair<L> plain_scale(typename L::F32 high, typename L::F32 depth,
                                         typename L::F32 first) const noexcept {
    if (formula_.symmetric) {
      return {stored(symmetric_scale(high, depth, first)), L::splat(formula_.is_signed() ? 0 : middle_)};
    }
    const auto scale = affine_scale(high, depth);
    return {stored(scale), zero_point_of(depth, scale)};
  }

  /// What a search finds where it loses less than `plain` does.
  [[nodiscard]] ScalePair<L> searched_scale(const Block& block, const ScalePair<L>& plain,
                                            const float* tile) const noexcept {
    const BlockSearch<L> search(tile, block.real_rows, steps_);
    ScalePair<L> found = search.search();
    found.scale = stored(found.scale);
    const auto is_better = L::lt(search.loss(found), search.loss(plain));
    return {L::select(is_better, found.scale, plain.scale), L::select(is_better, found.zero_point, plain.zero_point)};
  }

  /// The same with the least error by importance.
  [[nodiscard]] ScalePair<L> best_scale(const Block& block, const ScalePair<L>& plain,
                                        const float* tile) const noexcept {
    const auto found = block.importance == nullptr ? least<false>(block, plain, tile) : least<true>(block, plain, tile);
    const ScalePair<L> best = {restored(found.scale), found.zero_point};
    const auto is_better =
        group_search::is_surely_less<L>(loss(best, tile, block.real_rows), loss(plain, tile, block.real_rows));
    return {L::select(is_better, best.scale, plain.scale), L::select(is_better, best.zero_point, plain.zero_point)};
  }

  template <bool kWeighs>
  [[nodiscard]] group_search::ZeroPointScale<L> least(const Block& block, const ScalePair<L>& plain,
                                                      const float* tile) const noexcept {
    const group_search::ZeroPointSearch<L, kWeighs> search(tile, kStripColumns<L>, importance_.data(), block.real_rows,
                                                           steps_);
    const group_search::ZeroPointScale<L> own = {plain.scale, plain.zero_point};
    return formula_.symmetric ? search.search_symmetric(own) : search.search(own);
  }

  [[nodiscard, gnu::noinline]] typename L::F32 loss(const ScalePair<L>& pair, const float* tile,
                                                    size_t rows) const noexcept {
    const ColumnScales<L> scales = {L::div(L::splat(1.0F), pair.scale), pair.zero_point, L::splat(steps_)};
    const auto scale = restored(pair.scale);
    auto sum = L::splat(0.0F);
    for (size_t r = 0; r < rows; ++r) {
      const auto x = L::load(tile + r * kStripColumns<L>);
      const auto steps = L::sub(rounded_sum(x, scales), pair.zero_point);
      const auto error = L::sub(x, L::mul(steps, scale));
      sum = L::add(sum, L::mul(L::load(importance_.data() + r * L::kWidth), L::mul(error, error)));
    }
    return sum;
  }

  /// What levels are multiplied with once they are read again.
  [[nodiscard]] typename L::F32 restored(typename L::F32 scale) const noexcept {
    if (formula_.scales == Scales::kF32) return scale;
    return minifloat::InF16::round<L>(formula_.scales == Scales::kHalved ? clamp_for_half<L>(scale) : scale);
  }

  /// What is left of a scale for the levels to follow from.
  [[nodiscard]] typename L::F32 stored(typename L::F32 scale) const noexcept {
    return formula_.scales == Scales::kHalvesFirst ? minifloat::InF16::round<L>(scale) : scale;
  }

  /// −extreme/2^(bits − 1), of which only the sign depends on the first weight where all are zeros.
  [[nodiscard]] typename L::F32 symmetric_scale(typename L::F32 high, typename L::F32 depth,
                                                typename L::F32 first) const noexcept {
    const auto extreme = L::select(L::gt(high, depth), high, L::neg(depth));
    const auto all_zeros = L::eq(extreme, L::splat(0.0F));
    return L::div(L::neg(L::select(all_zeros, first, extreme)), L::splat(middle_));
  }

  [[nodiscard]] typename L::F32 affine_scale(typename L::F32 high, typename L::F32 depth) const noexcept {
    return L::div(L::add(high, depth), L::splat(steps_));
  }

  [[nodiscard]] typename L::F32 zero_point_of(typename L::F32 depth, typename L::F32 scale) const noexcept {
    const auto steps = L::pmin(L::div(depth, scale), L::splat(steps_));
    return round_half_up<L>(L::select(L::eq(scale, L::splat(0.0F)), L::splat(0.0F), steps));
  }

  /// Whether the fast way to levels is right: for all usual scales. Those so small that their inverse is infinite, or
  /// that f16 rounds much, are not among them.
  [[nodiscard]] bool is_bounded(typename L::F32 high, typename L::F32 depth,
                                const ColumnScales<L>& scales) const noexcept {
    const auto least = L::splat(-1.25F);
    return L::all(L::mask_and(L::gt(scaled_weight<L>(high, scales), least),
                              L::gt(scaled_weight<L>(L::neg(depth), scales), least)));
  }

  /// Puts levels where the weights are, as numbers, and behind the end of the tensor what the program leaves there: a
  /// byte that the last row shares with none keeps in its free places the levels of the byte before it.
  void finish_levels(const Block& block, Columns columns, const ColumnScales<L>& scales, float* tile) const noexcept {
    const bool rounds_sums = formula_.levels == Levels::kRoundedSums;
    for (size_t r = 0; r < block.real_rows; ++r) {
      float* const row = tile + r * kStripColumns<L>;
      const auto x = L::load(row);
      L::store(row, rounds_sums ? rounded_sum(x, scales) : rounded_product(x, scales));
    }
    const size_t in_byte = 8 / formula_.stored_bits();
    const size_t in_bytes = (block.real_rows + in_byte - 1) / in_byte * in_byte;
    for (size_t r = block.real_rows; r < block.rows; ++r) {
      float* const row = tile + r * kStripColumns<L>;
      if (r >= in_bytes) {
        L::store(row, L::splat(0.0F));
      } else if (r >= in_byte) {
        L::store(row, L::load(row - in_byte * kStripColumns<L>));
      } else {
        load_above(block, columns, r, row);
      }
    }
  }

  /// What is not a number becomes 0, as on x86.
  [[nodiscard]] typename L::F32 rounded_sum(typename L::F32 x, const ColumnScales<L>& scales) const noexcept {
    const auto steps = L::pmax(L::splat(0.0F), scaled_weight<L>(x, scales));
    return round_half_up<L>(L::pmin(steps, scales.last));
  }

  /// What is no integer of 32 bits becomes the least level, as on x86.
  [[nodiscard]] typename L::F32 rounded_product(typename L::F32 x, const ColumnScales<L>& scales) const noexcept {
    const auto product = L::mul(x, scales.inverse);
    const auto magnitude = round_half_up<L>(L::abs(product));
    const auto rounded = L::select(L::lt(product, L::splat(0.0F)), L::neg(magnitude), magnitude);
    const auto least = L::splat(formula_.is_signed() ? -middle_ : 0.0F);
    const auto level = L::pmin(L::pmax(L::add(rounded, scales.zero_point), least), L::add(least, scales.last));
    const auto known = L::select(L::lt(L::abs(product), L::splat(0x1p31F)), level, least);
    return L::add(known, L::select(L::lt(known, L::splat(0.0F)), L::splat(16.0F), L::splat(0.0F)));
  }

  void load_above(const Block& block, Columns columns, size_t row, float* levels) const noexcept {
    L::store(levels, L::splat(0.0F));
    if (block.above == nullptr) return;
    const size_t unit = unit_bytes(block);
    for (size_t i = 0; i < columns.count; ++i) {
      const uint8_t byte = block.above[(columns.first + i + 1) * unit - 1];
      levels[i] = static_cast<float>(byte >> (formula_.bits * row) & ((1U << formula_.bits) - 1));
    }
  }

  void store_scales(const Block& block, Columns columns, typename L::F32 scale,
                    typename L::F32 zero_point) const noexcept {
    std::array<float, L::kWidth> floats;
    std::array<uint8_t, 2 * L::kWidth> halves;
    std::array<uint8_t, L::kWidth> zero_points;
    uint8_t* const to = block.scales + columns.first * scale_bytes(formula_.scales);
    if (formula_.scales == Scales::kF32) {
      L::store(floats.data(), scale);
      copy_items<L, 4>(floats.data(), columns.count, to);
    } else {
      const auto kept = formula_.scales == Scales::kHalved ? clamp_for_half<L>(scale) : scale;
      L::store_u16(halves.data(), float_to_half<L>(kept));
      copy_items<L, 2>(halves.data(), columns.count, to);
    }
    L::store_u8(zero_points.data(), L::truncate(zero_point));
    copy_items<L, 1>(zero_points.data(), columns.count, block.zero_points + columns.first);
  }

  void write(const Block& block, Columns columns, const ColumnScales<L>& scales, const float* tile) const noexcept {
    uint8_t* const units = block.levels + columns.first * unit_bytes(block);
    if (formula_.stored_bits() == 8) {
      write_units<L, 8>(tile, block.rows, scales, columns.count, units);
    } else if (formula_.bits == 4) {
      write_units<L, 4>(tile, block.rows, scales, columns.count, units);
    } else {
      write_units<L, 2>(tile, block.rows, scales, columns.count, units);
    }
  }

  [[nodiscard]] size_t unit_bytes(const Block& block) const noexcept { return block.rows * formula_.stored_bits() / 8; }

  Formula formula_;
  float steps_;   ///< from the least level to the greatest
  float middle_;  ///< 2^(bits − 1)
  std::array<StripPeaks<L>, kMostStrips> peaks_;
  Tile<L> tile_;
  std::array<float, kMostBlockRows * L::kWidth> importance_;
};

}  // namespace arrowquant::onnx
