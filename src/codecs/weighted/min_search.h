#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <span>

#include "codecs/k_quants/k_quant_levels.h"

/// The search for the scale ≥ 0 and the min ≤ 0 of blocks such that scale · level + min is near the weight (llama.cpp's
/// `make_qkx2_quants` and `make_qkx3_quants`).
///
/// It first spreads the levels over min…max, then tries other spreads, each improved by weighted least squares, and
/// keeps the one with the least weighted error. The sums are f32 in index order, one block a lane.
namespace arrowquant::weighted {

/// Which spreads are tried: `steps + 1` of them, (first_step + step · i + max_level) / (max − min) for i = 0….
struct MinSearch {
  float max_level;
  float first_step;
  float step;
  int steps;
};

/// What llama.cpp tries where it is known how much each column counts.
constexpr MinSearch counted_search(int max_level) noexcept { return {static_cast<float>(max_level), -0.9F, 0.05F, 36}; }

/// What the search found for a vector of blocks. The levels are nearest_integer(level_scale · (weight − level_min)),
/// clamped to 0…max_level. A scale can come out negative.
template <typename Lanes>
struct MinFit {
  typename Lanes::F32 scale;
  typename Lanes::F32 min;
  typename Lanes::F32 level_scale;
  typename Lanes::F32 level_min;
  typename Lanes::F32 count;  ///< the sum of the counts
};

/// The weights at one index of the blocks, one block a lane, and how much their errors count; what belongs together is
/// side by side, so that one address serves it all.
template <typename Lanes>
struct MinRow {
  alignas(16) std::array<float, Lanes::kWidth> value;
  alignas(16) std::array<float, Lanes::kWidth> count;
  alignas(16) std::array<float, Lanes::kWidth> level;
};

template <typename Lanes>
using MinRows = std::span<MinRow<Lanes>>;

template <typename Lanes>
struct LevelSums {
  typename Lanes::F32 level;
  typename Lanes::F32 level_squared;
  typename Lanes::F32 product;
};

/// Rounds level_scale · (value − min) to levels, stores them and adds up what least squares needs.
template <typename Lanes, bool kWraps>
LevelSums<Lanes> sum_levels(MinRows<Lanes> rows, typename Lanes::F32 max_level, typename Lanes::F32 level_scale,
                            typename Lanes::F32 min) noexcept {
  const auto zero = Lanes::splat(0.0F);
  LevelSums<Lanes> sums{zero, zero, zero};
  for (MinRow<Lanes>& row : rows) {
    const auto value = Lanes::load(row.value.data());
    const auto spread = Lanes::mul(level_scale, Lanes::sub(value, min));
    const auto level = k_quant::nearest_level<Lanes, kWraps>(spread, zero, max_level);
    Lanes::store(row.level.data(), level);
    const auto weighted = Lanes::mul(Lanes::load(row.count.data()), level);
    sums.level = Lanes::add(sums.level, weighted);
    sums.level_squared = Lanes::add(sums.level_squared, Lanes::mul(weighted, level));
    sums.product = Lanes::add(sums.product, Lanes::mul(weighted, value));
  }
  return sums;
}

template <typename Lanes, bool kAbsoluteError>
typename Lanes::F32 weighted_error(MinRows<Lanes> rows, typename Lanes::F32 scale, typename Lanes::F32 min) noexcept {
  auto error = Lanes::splat(0.0F);
  for (const MinRow<Lanes>& row : rows) {
    const auto restored = Lanes::add(Lanes::mul(scale, Lanes::load(row.level.data())), min);
    const auto difference = Lanes::sub(restored, Lanes::load(row.value.data()));
    const auto loss = kAbsoluteError ? Lanes::abs(difference) : Lanes::mul(difference, difference);
    error = Lanes::add(error, Lanes::mul(Lanes::load(row.count.data()), loss));
  }
  return error;
}

/// The extent and the weighted sums of the blocks themselves.
template <typename Lanes>
struct ValueSums {
  typename Lanes::F32 lowest;
  typename Lanes::F32 highest;
  typename Lanes::F32 count;
  typename Lanes::F32 value;
};

template <typename Lanes>
ValueSums<Lanes> sum_values(MinRows<Lanes> rows) noexcept {
  const auto first = Lanes::load(rows[0].value.data());
  const auto first_count = Lanes::load(rows[0].count.data());
  ValueSums<Lanes> sums{first, first, first_count, Lanes::mul(first_count, first)};
  for (const MinRow<Lanes>& row : rows.subspan(1)) {
    const auto value = Lanes::load(row.value.data());
    const auto count = Lanes::load(row.count.data());
    sums.lowest = Lanes::pmin(sums.lowest, value);
    sums.highest = Lanes::pmax(sums.highest, value);
    sums.count = Lanes::add(sums.count, count);
    sums.value = Lanes::add(sums.value, Lanes::mul(count, value));
  }
  return sums;
}

/// The best scale and min so far, lane by lane.
template <typename Lanes>
struct MinCandidate {
  typename Lanes::F32 error;
  typename Lanes::F32 scale;
  typename Lanes::F32 min;
  typename Lanes::F32 level_scale;
  typename Lanes::F32 level_min;

  void replace_where(typename Lanes::Mask mask, const MinCandidate& other) noexcept {
    error = Lanes::select(mask, other.error, error);
    scale = Lanes::select(mask, other.scale, scale);
    min = Lanes::select(mask, other.min, min);
    level_scale = Lanes::select(mask, other.level_scale, level_scale);
    level_min = Lanes::select(mask, other.level_min, level_min);
  }
};

/// sum_levels, with the rounding that this spread needs: it grows with the value, so the two ends tell for all.
template <typename Lanes>
LevelSums<Lanes> spread_levels(MinRows<Lanes> rows, const ValueSums<Lanes>& values, typename Lanes::F32 max_level,
                               typename Lanes::F32 level_scale, typename Lanes::F32 min) noexcept {
  const auto limit = Lanes::splat(k_quant::kSteadyLimit);
  const auto low_end = Lanes::abs(Lanes::mul(level_scale, Lanes::sub(values.lowest, min)));
  const auto high_end = Lanes::abs(Lanes::mul(level_scale, Lanes::sub(values.highest, min)));
  if (Lanes::all(Lanes::mask_and(Lanes::le(low_end, limit), Lanes::le(high_end, limit)))) {
    return sum_levels<Lanes, false>(rows, max_level, level_scale, min);
  }
  return sum_levels<Lanes, true>(rows, max_level, level_scale, min);
}

/// One spread: least squares on its levels. Lanes whose system has no solution get a NaN error, which loses to all.
template <typename Lanes, bool kAbsoluteError>
MinCandidate<Lanes> try_spread(MinRows<Lanes> rows, const ValueSums<Lanes>& values, typename Lanes::F32 max_level,
                               typename Lanes::F32 level_scale, typename Lanes::F32 level_min) noexcept {
  using F32 = typename Lanes::F32;
  const auto cross = [](F32 a, F32 b, F32 c, F32 d) noexcept { return Lanes::sub(Lanes::mul(a, b), Lanes::mul(c, d)); };
  const F32 zero = Lanes::splat(0.0F);
  const auto sums = spread_levels<Lanes>(rows, values, max_level, level_scale, level_min);
  const F32 determinant = cross(values.count, sums.level_squared, sums.level, sums.level);
  F32 scale = Lanes::div(cross(values.count, sums.product, values.value, sums.level), determinant);
  F32 min = Lanes::div(cross(sums.level_squared, values.value, sums.level, sums.product), determinant);
  const auto above = Lanes::gt(min, zero);
  min = Lanes::select(above, zero, min);
  scale = Lanes::select(above, Lanes::div(sums.product, sums.level_squared), scale);
  const F32 error = weighted_error<Lanes, kAbsoluteError>(rows, scale, min);
  const F32 never = Lanes::splat(std::numeric_limits<float>::quiet_NaN());
  return {Lanes::select(Lanes::gt(determinant, zero), error, never), scale, min, level_scale, level_min};
}

/// Searches `Lanes::kWidth` blocks at once. Codecs share the function: it is not inlined, and knows no sizes.
template <typename Lanes, bool kAbsoluteError>
[[gnu::noinline]] MinFit<Lanes> search_scale_and_min(MinRows<Lanes> rows, const MinSearch& search) noexcept {
  const auto zero = Lanes::splat(0.0F);
  const auto one = Lanes::splat(1.0F);
  const auto max_level = Lanes::splat(search.max_level);
  const auto values = sum_values<Lanes>(rows);
  const auto start = Lanes::select(Lanes::gt(values.lowest, zero), zero, values.lowest);
  const auto flat = Lanes::eq(values.highest, start);
  // A flat lane has nothing to search; a width of 1 keeps it finite until its scale is set to 0 at the end.
  const auto width_from = [&](typename Lanes::F32 min) noexcept {
    return Lanes::select(flat, one, Lanes::sub(values.highest, min));
  };
  MinCandidate<Lanes> best;
  best.min = best.level_min = start;
  best.level_scale = Lanes::div(max_level, width_from(start));
  best.scale = Lanes::div(one, best.level_scale);
  spread_levels<Lanes>(rows, values, max_level, best.level_scale, start);
  best.error = weighted_error<Lanes, kAbsoluteError>(rows, best.scale, start);
  for (int step = 0; step <= search.steps; ++step) {
    const float top = search.first_step + search.step * static_cast<float>(step) + search.max_level;
    const auto level_scale = Lanes::div(Lanes::splat(top), width_from(best.min));
    const auto candidate = try_spread<Lanes, kAbsoluteError>(rows, values, max_level, level_scale, best.min);
    best.replace_where(Lanes::mask_andnot(Lanes::lt(candidate.error, best.error), flat), candidate);
  }
  return {Lanes::select(flat, zero, best.scale), Lanes::neg(best.min), Lanes::select(flat, zero, best.level_scale),
          best.level_min, values.count};
}

}  // namespace arrowquant::weighted
