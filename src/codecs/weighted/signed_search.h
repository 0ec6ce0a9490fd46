#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/weighted/weigh.h"

/// The search for the scale of blocks such that scale · level is near the weight, with levels on both sides of 0 and
/// scales of either sign (llama.cpp's `make_qx_quants`).
///
/// It first spreads the levels over the extreme value, then tries 18 other spreads, and keeps the one whose
/// least-squares scale explains most. The sums are f32 in index order, one block a lane.
namespace arrowquant::weighted {

/// A weight of each block, how much its error counts, and that times the weight.
template <typename Lanes>
struct SignedRow {
  alignas(16) std::array<float, Lanes::kWidth> value;
  alignas(16) std::array<float, Lanes::kWidth> count;
  alignas(16) std::array<float, Lanes::kWidth> product;
};

template <typename Lanes>
using SignedRows = std::span<const SignedRow<Lanes>>;

/// What the search found for a vector of blocks. The levels are nearest_integer(level_scale · weight), clamped to
/// −half…half − 1; all the lowest where level_scale is 0, as it is for blocks of nothing. NaN where a sum overflows.
template <typename Lanes>
struct SignedFit {
  typename Lanes::F32 scale;
  typename Lanes::F32 level_scale;
};

/// The value of largest magnitude of each block with its sign, the first one on a tie.
template <typename Lanes>
struct Extreme {
  typename Lanes::F32 value;
  typename Lanes::Mask nothing;
};

/// `rows[i].value` holds weight i of the blocks, one a lane. Lanes of nothing get the value 1, to divide by.
template <typename Lanes, typename Rows>
Extreme<Lanes> find_extreme(const Rows& rows) noexcept {
  auto magnitude = Lanes::splat(0.0F);
  auto extreme = magnitude;
  for (const auto& row : rows) {
    const auto value = Lanes::load(row.value.data());
    const auto absolute = Lanes::abs(value);
    extreme = Lanes::select(Lanes::gt(absolute, magnitude), value, extreme);
    magnitude = Lanes::pmax(magnitude, absolute);
  }
  const auto nothing = Lanes::lt(magnitude, Lanes::splat(kNothing));
  return {Lanes::select(nothing, Lanes::splat(1.0F), extreme), nothing};
}

template <typename Lanes>
struct SignedSums {
  typename Lanes::F32 product;
  typename Lanes::F32 level_squared;
};

/// |level_scale · value| is at most half + 1, so that the rounding needs no check.
template <typename Lanes>
SignedSums<Lanes> sum_signed_levels(SignedRows<Lanes> rows, float half, typename Lanes::F32 level_scale) noexcept {
  const auto low = Lanes::splat(-half);
  const auto high = Lanes::splat(half - 1.0F);
  SignedSums<Lanes> sums{Lanes::splat(0.0F), Lanes::splat(0.0F)};
  for (const SignedRow<Lanes>& row : rows) {
    const auto spread = Lanes::mul(level_scale, Lanes::load(row.value.data()));
    const auto level = k_quant::nearest_level<Lanes, false>(spread, low, high);
    const auto weighted = Lanes::mul(Lanes::load(row.count.data()), level);
    sums.product = Lanes::add(sums.product, Lanes::mul(Lanes::load(row.product.data()), level));
    sums.level_squared = Lanes::add(sums.level_squared, Lanes::mul(weighted, level));
  }
  return sums;
}

/// Searches `Lanes::kWidth` blocks at once. Codecs share the function: it is not inlined, and knows no sizes.
template <typename Lanes>
[[gnu::noinline]] SignedFit<Lanes> search_signed_scale(SignedRows<Lanes> rows, float half) noexcept {
  const auto zero = Lanes::splat(0.0F);
  const auto extreme = find_extreme<Lanes>(rows);
  auto level_scale = Lanes::div(Lanes::splat(-half), extreme.value);
  const auto start = sum_signed_levels<Lanes>(rows, half, level_scale);
  auto scale =
      Lanes::select(Lanes::ne(start.level_squared, zero), Lanes::div(start.product, start.level_squared), zero);
  auto best = Lanes::mul(scale, start.product);
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const float top = -(half + 0.1F * static_cast<float>(step));
    const auto candidate = Lanes::div(Lanes::splat(top), extreme.value);
    const auto sums = sum_signed_levels<Lanes>(rows, half, candidate);
    const auto more = Lanes::gt(Lanes::mul(sums.product, sums.product), Lanes::mul(best, sums.level_squared));
    const auto better = Lanes::mask_and(Lanes::gt(sums.level_squared, zero), more);
    const auto candidate_scale = Lanes::div(sums.product, sums.level_squared);
    scale = Lanes::select(better, candidate_scale, scale);
    best = Lanes::select(better, Lanes::mul(candidate_scale, sums.product), best);
    level_scale = Lanes::select(better, candidate, level_scale);
  }
  return {Lanes::select(extreme.nothing, zero, scale), Lanes::select(extreme.nothing, zero, level_scale)};
}

}  // namespace arrowquant::weighted
