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

/// Which ends the levels of a spread can be beyond. The extreme value is at −(half + step / 10), all others are nearer
/// to 0: up to 4 that rounds to −half at most, and down to −6 to half − 1 on the other side, too.
enum class Clamps : uint8_t { kNone, kHigh, kBoth };

constexpr Clamps clamps_of(int step) noexcept {
  if (step > 4) return Clamps::kBoth;
  return step > -6 ? Clamps::kHigh : Clamps::kNone;
}

/// |level_scale · value| is at most half + 1, so that the rounding needs no check.
template <typename Lanes, Clamps kClamps>
SignedSums<Lanes> sum_signed_levels(SignedRows<Lanes> rows, float half, typename Lanes::F32 level_scale) noexcept {
  const auto low = Lanes::splat(-half);
  const auto high = Lanes::splat(half - 1.0F);
  SignedSums<Lanes> sums{Lanes::splat(0.0F), Lanes::splat(0.0F)};
  for (const SignedRow<Lanes>& row : rows) {
    auto level = Lanes::nearest(Lanes::mul(level_scale, Lanes::load(row.value.data())));
    if constexpr (kClamps != Clamps::kNone) level = Lanes::pmin(high, level);
    if constexpr (kClamps == Clamps::kBoth) level = Lanes::pmax(low, level);
    const auto weighted = Lanes::mul(Lanes::load(row.count.data()), level);
    sums.product = Lanes::add(sums.product, Lanes::mul(Lanes::load(row.product.data()), level));
    sums.level_squared = Lanes::add(sums.level_squared, Lanes::mul(weighted, level));
  }
  return sums;
}

/// The same for the spread of this step.
template <typename Lanes>
SignedSums<Lanes> sum_step(SignedRows<Lanes> rows, float half, int step, typename Lanes::F32 level_scale) noexcept {
  switch (clamps_of(step)) {
    case Clamps::kNone:
      return sum_signed_levels<Lanes, Clamps::kNone>(rows, half, level_scale);
    case Clamps::kHigh:
      return sum_signed_levels<Lanes, Clamps::kHigh>(rows, half, level_scale);
    default:
      return sum_signed_levels<Lanes, Clamps::kBoth>(rows, half, level_scale);
  }
}

/// Searches `Lanes::kWidth` blocks at once. Codecs share the function: it is not inlined, and knows no sizes.
template <typename Lanes>
[[gnu::noinline]] SignedFit<Lanes> search_signed_scale(SignedRows<Lanes> rows, float half) noexcept {
  const auto zero = Lanes::splat(0.0F);
  const auto extreme = find_extreme<Lanes>(rows);
  auto level_scale = Lanes::div(Lanes::splat(-half), extreme.value);
  const auto start = sum_step<Lanes>(rows, half, 0, level_scale);
  auto scale =
      Lanes::select(Lanes::ne(start.level_squared, zero), Lanes::div(start.product, start.level_squared), zero);
  auto best = Lanes::mul(scale, start.product);
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const float top = -(half + 0.1F * static_cast<float>(step));
    const auto candidate = Lanes::div(Lanes::splat(top), extreme.value);
    const auto sums = sum_step<Lanes>(rows, half, step, candidate);
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
