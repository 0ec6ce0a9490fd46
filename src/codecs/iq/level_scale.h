#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "codecs/iq/super_block.h"
#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/weighted/weigh.h"

/// Where IQ2_XXS begins to search: the scale that llama.cpp's `make_qp_quants` finds for levels 0…4 of 32 weights, one
/// sub-block a lane. Values may be negative, and levels are bytes there, so that one below 0 counts as 256 more.
namespace arrowquant::iq {

inline constexpr size_t kLevelWeights = 32;
inline constexpr int32_t kTopOfLevels = 4;

/// A weight of each sub-block.
template <typename Lanes>
struct LevelRow {
  typename Lanes::F32 value;
  typename Lanes::F32 weight;
  typename Lanes::F32 product;  ///< weight · value
  typename Lanes::F32 level;
};

template <typename Lanes>
using LevelRows = std::array<LevelRow<Lanes>, kLevelWeights>;

template <typename Lanes>
typename Lanes::I32 nearest_integers(typename Lanes::F32 value) noexcept {
  const auto sum = Lanes::bits(Lanes::add(value, Lanes::splat(k_quant::kMagic)));
  return Lanes::sub(Lanes::bit_and(sum, Lanes::splat(k_quant::kMantissa)), Lanes::splat(k_quant::kMantissaOfZero));
}

/// nearest_integers, of which none is above the highest level.
template <typename Lanes>
typename Lanes::I32 nearest_levels(typename Lanes::F32 value) noexcept {
  return Lanes::min(nearest_integers<Lanes>(value), Lanes::splat(kTopOfLevels));
}

template <typename Lanes>
typename Lanes::F32 as_byte(typename Lanes::I32 level) noexcept {
  return Lanes::to_f32(Lanes::bit_and(level, Lanes::splat(int32_t{255})));
}

template <typename Lanes>
typename Lanes::F32 squared_error(const LevelRow<Lanes>& row, typename Lanes::F32 scale,
                                  typename Lanes::F32 level) noexcept {
  const auto difference = Lanes::sub(row.value, Lanes::mul(scale, level));
  return Lanes::mul(Lanes::mul(row.weight, difference), difference);
}

/// Sub-blocks `first` and those after it.
template <typename Lanes>
void load_rows(const WeighedWeights& weighed, size_t first, LevelRows<Lanes>& rows) noexcept {
  const size_t from = first * kLevelWeights;
  for (size_t i = 0; i < kLevelWeights; i += Lanes::kWidth) {
    const auto values = Lanes::load_transposed(&weighed.values[from + i], kLevelWeights);
    const auto weights = Lanes::load_transposed(&weighed.weights[from + i], kLevelWeights);
    for (size_t c = 0; c < Lanes::kWidth; ++c) {
      rows[i + c] = {values[c], weights[c], Lanes::mul(weights[c], values[c]), Lanes::splat(0.0F)};
    }
  }
}

/// The reciprocal of the scale with the least error of nine: the levels of the first one are not held to the highest.
template <typename Lanes>
typename Lanes::F32 best_inverse(const LevelRows<Lanes>& rows, typename Lanes::F32 largest) noexcept {
  constexpr int kReach = 4;
  auto inverse = Lanes::div(Lanes::splat(float{kTopOfLevels}), largest);
  auto scale = Lanes::div(Lanes::splat(1.0F), inverse);
  auto least = Lanes::splat(0.0F);
  for (const auto& row : rows) {
    const auto level = as_byte<Lanes>(nearest_integers<Lanes>(Lanes::mul(inverse, row.value)));
    least = Lanes::add(least, squared_error<Lanes>(row, scale, level));
  }
  for (int is = -kReach; is <= kReach; ++is) {
    if (is == 0) continue;
    const auto numerator = Lanes::splat(0.1F * static_cast<float>(is) + float{kTopOfLevels});
    const auto trial = Lanes::div(numerator, largest);
    scale = Lanes::div(Lanes::splat(1.0F), trial);
    auto error = Lanes::splat(0.0F);
    for (const auto& row : rows) {
      const auto level = Lanes::to_f32(nearest_levels<Lanes>(Lanes::mul(trial, row.value)));
      error = Lanes::add(error, squared_error<Lanes>(row, scale, level));
    }
    const auto better = Lanes::lt(error, least);
    least = Lanes::select(better, error, least);
    inverse = Lanes::select(better, trial, inverse);
  }
  return inverse;
}

/// Σ weight · value · level and Σ weight · level².
template <typename Lanes>
struct LevelSums {
  typename Lanes::F32 product = Lanes::splat(0.0F);
  typename Lanes::F32 square = Lanes::splat(0.0F);

  [[nodiscard]] LevelSums with(const LevelRow<Lanes>& row, typename Lanes::F32 level) const noexcept {
    return {Lanes::add(product, Lanes::mul(row.product, level)),
            Lanes::add(square, Lanes::mul(Lanes::mul(row.weight, level), level))};
  }
  [[nodiscard]] LevelSums without(const LevelRow<Lanes>& row) const noexcept {
    return {Lanes::sub(product, Lanes::mul(row.product, row.level)),
            Lanes::sub(square, Lanes::mul(Lanes::mul(row.weight, row.level), row.level))};
  }
};

/// Moves each weight to the level that is best with all others as they are. False when nothing changed in any lane:
/// what did not change in one round does not change in the next, so lanes that are done may go along.
template <typename Lanes>
bool improve_levels(LevelRows<Lanes>& rows, LevelSums<Lanes>& sums) noexcept {
  const auto zero = Lanes::splat(0.0F);
  bool changed = false;
  for (auto& row : rows) {
    const auto rest = sums.without(row);
    const auto level = nearest_levels<Lanes>(Lanes::div(Lanes::mul(row.value, rest.square), rest.product));
    const auto number = Lanes::to_f32(level);
    const auto moved = Lanes::mask_and(Lanes::mask_and(Lanes::gt(rest.product, zero), Lanes::gt(rest.square, zero)),
                                       Lanes::ne(number, row.level));
    if (!Lanes::any(moved)) continue;
    const auto then = rest.with(row, number);
    const auto now = Lanes::mul(Lanes::mul(then.product, then.product), sums.square);
    const auto before = Lanes::mul(Lanes::mul(sums.product, sums.product), then.square);
    const auto better = Lanes::mask_and(moved, Lanes::gt(now, before));
    changed = changed || Lanes::any(better);
    row.level = Lanes::select(better, as_byte<Lanes>(level), row.level);
    sums.product = Lanes::select(better, then.product, sums.product);
    sums.square = Lanes::select(better, then.square, sums.square);
  }
  return changed;
}

/// The scales of kWidth sub-blocks: 0 where there is nothing to scale, NaN where sums overflowed.
template <typename Lanes, size_t kCount>
void find_level_scales(const WeighedWeights& weighed, size_t first, std::array<float, kCount>& scales) noexcept {
  constexpr int kRounds = 5;
  LevelRows<Lanes> rows;
  load_rows<Lanes>(weighed, first, rows);
  const auto zero = Lanes::splat(0.0F);
  auto largest = zero;
  for (const auto& row : rows) largest = Lanes::pmax(largest, row.value);
  const auto inverse = best_inverse<Lanes>(rows, largest);
  LevelSums<Lanes> sums;
  for (auto& row : rows) {
    const auto level = nearest_levels<Lanes>(Lanes::mul(inverse, row.value));
    row.level = as_byte<Lanes>(level);
    sums = sums.with(row, Lanes::to_f32(level));
  }
  for (int round = 0; round < kRounds; ++round) {
    if (!improve_levels<Lanes>(rows, sums)) break;
  }
  const auto infinity = Lanes::splat(std::numeric_limits<float>::infinity());
  const auto nothing =
      Lanes::mask_or(Lanes::lt(largest, Lanes::splat(weighted::kNothing)), Lanes::le(sums.square, zero));
  // NaN comes out of infinity / infinity, and of infinity - infinity.
  const auto is_number = Lanes::lt(Lanes::abs(sums.square), infinity);
  const auto scale = Lanes::div(sums.product, Lanes::select(is_number, sums.square, Lanes::sub(infinity, infinity)));
  Lanes::store(&scales[first], Lanes::select(nothing, zero, scale));
}

}  // namespace arrowquant::iq
