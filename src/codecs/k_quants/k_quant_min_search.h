#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "codecs/k_quants/k_quant_levels.h"
#include "simd/lanes_pair.h"

/// The search behind Q2_K, Q4_K and Q5_K (llama.cpp's `make_qkx2_quants`): for each sub-block a scale ≥ 0 and a
/// min ≤ 0 such that scale · level + min is near the weight.
///
/// It first spreads the levels over min…max, then tries `kSteps + 1` other spreads, each improved by weighted least
/// squares, and keeps the one with the least weighted error. The sums are f32 in index order, one sub-block a lane.
namespace arrowquant::k_quant {

/// What the search found. `min` is what decoding subtracts (≥ 0). The search's own levels are
/// nearest_integer(level_scale · (weight − level_min)); they are used only where the stored scale becomes 0.
template <size_t kCount>
struct MinFits {
  alignas(16) std::array<float, kCount> scale;
  alignas(16) std::array<float, kCount> min;
  alignas(16) std::array<float, kCount> level_scale;
  alignas(16) std::array<float, kCount> level_min;
};

/// The weights at one index of the sub-blocks, one sub-block a lane; what belongs together is side by side, so that
/// one address serves it all.
template <typename Lanes>
struct MinRow {
  alignas(16) std::array<float, Lanes::kWidth> value;
  alignas(16) std::array<float, Lanes::kWidth> importance;
  alignas(16) std::array<float, Lanes::kWidth> level;
};

template <typename Lanes, typename Rule>
using MinRows = std::array<MinRow<Lanes>, Rule::kWeights>;

template <typename Lanes>
struct LevelSums {
  typename Lanes::F32 level;
  typename Lanes::F32 level_squared;
  typename Lanes::F32 product;
};

/// Rounds level_scale · (value − min) to levels, stores them and adds up what least squares needs.
template <typename Lanes, typename Rule, bool kWraps>
LevelSums<Lanes> sum_levels(MinRows<Lanes, Rule>& rows, typename Lanes::F32 level_scale,
                            typename Lanes::F32 min) noexcept {
  const auto zero = Lanes::splat(0.0F);
  LevelSums<Lanes> sums{zero, zero, zero};
  for (MinRow<Lanes>& row : rows) {
    const auto value = Lanes::load(row.value.data());
    const auto spread = Lanes::mul(level_scale, Lanes::sub(value, min));
    const auto level = nearest_level<Lanes, 0, Rule::kMaxLevel, kWraps>(spread);
    Lanes::store(row.level.data(), level);
    const auto weighted = Lanes::mul(Lanes::load(row.importance.data()), level);
    sums.level = Lanes::add(sums.level, weighted);
    sums.level_squared = Lanes::add(sums.level_squared, Lanes::mul(weighted, level));
    sums.product = Lanes::add(sums.product, Lanes::mul(weighted, value));
  }
  return sums;
}

template <typename Lanes, typename Rule>
typename Lanes::F32 weighted_error(const MinRows<Lanes, Rule>& rows, typename Lanes::F32 scale,
                                   typename Lanes::F32 min) noexcept {
  auto error = Lanes::splat(0.0F);
  for (const MinRow<Lanes>& row : rows) {
    const auto restored = Lanes::add(Lanes::mul(scale, Lanes::load(row.level.data())), min);
    const auto difference = Lanes::sub(restored, Lanes::load(row.value.data()));
    const auto loss = Rule::kAbsoluteError ? Lanes::abs(difference) : Lanes::mul(difference, difference);
    error = Lanes::add(error, Lanes::mul(Lanes::load(row.importance.data()), loss));
  }
  return error;
}

/// The extent and the weighted sums of the sub-blocks themselves.
template <typename Lanes>
struct ValueSums {
  typename Lanes::F32 lowest;
  typename Lanes::F32 highest;
  typename Lanes::F32 importance;
  typename Lanes::F32 value;
};

template <typename Lanes, typename Rule>
ValueSums<Lanes> sum_values(const MinRows<Lanes, Rule>& rows) noexcept {
  const auto first = Lanes::load(rows[0].value.data());
  const auto first_importance = Lanes::load(rows[0].importance.data());
  ValueSums<Lanes> sums{first, first, first_importance, Lanes::mul(first_importance, first)};
  for (size_t i = 1; i < Rule::kWeights; ++i) {
    const auto value = Lanes::load(rows[i].value.data());
    const auto importance = Lanes::load(rows[i].importance.data());
    sums.lowest = Lanes::pmin(sums.lowest, value);
    sums.highest = Lanes::pmax(sums.highest, value);
    sums.importance = Lanes::add(sums.importance, importance);
    sums.value = Lanes::add(sums.value, Lanes::mul(importance, value));
  }
  return sums;
}

/// |value|, plus the sub-block's root mean square if the rule says so.
template <typename Lanes, typename Rule>
void weigh(MinRows<Lanes, Rule>& rows) noexcept {
  auto base = Lanes::splat(0.0F);
  if constexpr (Rule::kRootMeanSquare) {
    for (const MinRow<Lanes>& row : rows) {
      const auto value = Lanes::load(row.value.data());
      base = Lanes::add(base, Lanes::mul(value, value));
    }
    base = Lanes::sqrt(Lanes::div(base, Lanes::splat(static_cast<float>(Rule::kWeights))));
  }
  for (MinRow<Lanes>& row : rows) {
    Lanes::store(row.importance.data(), Lanes::add(base, Lanes::abs(Lanes::load(row.value.data()))));
  }
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
template <typename Lanes, typename Rule>
LevelSums<Lanes> spread_levels(MinRows<Lanes, Rule>& rows, const ValueSums<Lanes>& values,
                               typename Lanes::F32 level_scale, typename Lanes::F32 min) noexcept {
  const auto limit = Lanes::splat(kSteadyLimit);
  const auto low_end = Lanes::abs(Lanes::mul(level_scale, Lanes::sub(values.lowest, min)));
  const auto high_end = Lanes::abs(Lanes::mul(level_scale, Lanes::sub(values.highest, min)));
  if (Lanes::all(Lanes::mask_and(Lanes::le(low_end, limit), Lanes::le(high_end, limit)))) {
    return sum_levels<Lanes, Rule, false>(rows, level_scale, min);
  }
  return sum_levels<Lanes, Rule, true>(rows, level_scale, min);
}

/// One spread: least squares on its levels. Lanes whose system has no solution get a NaN error, which loses to all.
template <typename Lanes, typename Rule>
MinCandidate<Lanes> try_spread(MinRows<Lanes, Rule>& rows, const ValueSums<Lanes>& values,
                               typename Lanes::F32 level_scale, typename Lanes::F32 level_min) noexcept {
  using F32 = typename Lanes::F32;
  const auto cross = [](F32 a, F32 b, F32 c, F32 d) noexcept { return Lanes::sub(Lanes::mul(a, b), Lanes::mul(c, d)); };
  const F32 zero = Lanes::splat(0.0F);
  const auto sums = spread_levels<Lanes, Rule>(rows, values, level_scale, level_min);
  const F32 determinant = cross(values.importance, sums.level_squared, sums.level, sums.level);
  F32 scale = Lanes::div(cross(values.importance, sums.product, values.value, sums.level), determinant);
  F32 min = Lanes::div(cross(sums.level_squared, values.value, sums.level, sums.product), determinant);
  const auto above = Lanes::gt(min, zero);
  min = Lanes::select(above, zero, min);
  scale = Lanes::select(above, Lanes::div(sums.product, sums.level_squared), scale);
  const F32 error = weighted_error<Lanes, Rule>(rows, scale, min);
  const F32 never = Lanes::splat(std::numeric_limits<float>::quiet_NaN());
  return {Lanes::select(Lanes::gt(determinant, zero), error, never), scale, min, level_scale, level_min};
}

/// Searches `Lanes::kWidth` sub-blocks at once and stores what it found at `fits[first…]`.
template <typename Lanes, typename Rule, size_t kCount>
void search_scale_and_min(MinRows<Lanes, Rule>& rows, MinFits<kCount>& fits, size_t first) noexcept {
  constexpr auto kTop = static_cast<float>(Rule::kMaxLevel);
  const auto zero = Lanes::splat(0.0F);
  const auto one = Lanes::splat(1.0F);
  const auto values = sum_values<Lanes, Rule>(rows);
  const auto start = Lanes::select(Lanes::gt(values.lowest, zero), zero, values.lowest);
  const auto flat = Lanes::eq(values.highest, start);
  // A flat lane has nothing to search; a width of 1 keeps it finite until its scale is set to 0 at the end.
  const auto width_from = [&](typename Lanes::F32 min) noexcept {
    return Lanes::select(flat, one, Lanes::sub(values.highest, min));
  };
  MinCandidate<Lanes> best;
  best.min = best.level_min = start;
  best.level_scale = Lanes::div(Lanes::splat(kTop), width_from(start));
  best.scale = Lanes::div(one, best.level_scale);
  spread_levels<Lanes, Rule>(rows, values, best.level_scale, start);
  best.error = weighted_error<Lanes, Rule>(rows, best.scale, start);
  for (int step = 0; step <= Rule::kSteps; ++step) {
    const float top = Rule::kFirstStep + 0.1F * static_cast<float>(step) + kTop;
    const auto level_scale = Lanes::div(Lanes::splat(top), width_from(best.min));
    const auto candidate = try_spread<Lanes, Rule>(rows, values, level_scale, best.min);
    best.replace_where(Lanes::mask_andnot(Lanes::lt(candidate.error, best.error), flat), candidate);
  }
  Lanes::store(&fits.scale[first], Lanes::select(flat, zero, best.scale));
  Lanes::store(&fits.min[first], Lanes::neg(best.min));
  Lanes::store(&fits.level_scale[first], Lanes::select(flat, zero, best.level_scale));
  Lanes::store(&fits.level_min[first], best.level_min);
}

/// Searches all sub-blocks of a super-block, two vectors of them at a time.
template <typename Lanes, typename Rule>
MinFits<kSuperBlock / Rule::kWeights> fit_super_block(const float* weights) noexcept {
  using Wide = PairLanes<Lanes>;
  constexpr size_t kCount = kSuperBlock / Rule::kWeights;
  MinRows<Wide, Rule> rows;
  MinFits<kCount> fits;
  for (size_t first = 0; first < kCount; first += Wide::kWidth) {
    interleave<Lanes>(weights + first * Rule::kWeights, rows);
    weigh<Wide, Rule>(rows);
    search_scale_and_min<Wide, Rule>(rows, fits, first);
  }
  return fits;
}

/// Largest of the values, at least 0; NaN is passed over.
template <size_t kCount>
float largest(const std::array<float, kCount>& values) noexcept {
  float found = 0.0F;
  for (const float value : values) found = value > found ? value : found;
  return found;
}

/// The levels of sub-block `j` for a stored scale and min. Where the scale became 0 the search's own levels stand.
template <typename Lanes, typename Rule, size_t kCount>
void min_levels(const float* weights, const MinFits<kCount>& fits, size_t j, float scale, float min,
                uint8_t* levels) noexcept {
  if (scale != 0.0F) {
    round_sub_block<Lanes, 0, Rule::kMaxLevel>({weights, Rule::kWeights}, scale, min, levels);
    return;
  }
  for (size_t i = 0; i < Rule::kWeights; ++i) {
    const int32_t level = nearest_integer(fits.level_scale[j] * (weights[i] - fits.level_min[j]));
    levels[i] = static_cast<uint8_t>(std::clamp(level, 0, Rule::kMaxLevel));
  }
}

}  // namespace arrowquant::k_quant
