#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/weighted/signed_search.h"

/// The search of signed_search.h for the scale of a few numbers, such as the scales of sub-blocks, one spread a lane.
namespace arrowquant::weighted {

/// The spreads in the order in which they are tried; the last one fills up the lanes, and cannot beat itself.
inline constexpr std::array<float, 20> kSignedTrials = {0, -9, -8, -7, -6, -5, -4, -3, -2, -1,
                                                        1, 2,  3,  4,  5,  6,  7,  8,  9,  9};

/// Numbers, how much their errors count, and the magnitude of the lowest level.
struct SignedValues {
  std::span<const float> values;
  const float* counts;
  float half;
};

/// What least squares needs of each spread.
struct SignedTrials {
  alignas(16) std::array<float, kSignedTrials.size()> level_scale;
  alignas(16) std::array<float, kSignedTrials.size()> product;
  alignas(16) std::array<float, kSignedTrials.size()> level_squared;
};

template <typename Lanes>
void run_signed_trials(const SignedValues& from, float extreme, SignedTrials& trials) noexcept {
  const auto half = Lanes::splat(from.half);
  for (size_t t = 0; t < kSignedTrials.size(); t += Lanes::kWidth) {
    const auto top = Lanes::add(half, Lanes::mul(Lanes::splat(0.1F), Lanes::load(&kSignedTrials[t])));
    const auto level_scale = Lanes::div(Lanes::neg(top), Lanes::splat(extreme));
    SignedSums<Lanes> sums{Lanes::splat(0.0F), Lanes::splat(0.0F)};
    for (size_t i = 0; i < from.values.size(); ++i) {
      const auto spread = Lanes::mul(level_scale, Lanes::splat(from.values[i]));
      const auto level = k_quant::nearest_level<Lanes, false>(spread, Lanes::neg(half), Lanes::splat(from.half - 1.0F));
      const auto weighted = Lanes::mul(Lanes::splat(from.counts[i]), level);
      sums.product = Lanes::add(sums.product, Lanes::mul(Lanes::splat(from.counts[i] * from.values[i]), level));
      sums.level_squared = Lanes::add(sums.level_squared, Lanes::mul(weighted, level));
    }
    Lanes::store(&trials.level_scale[t], level_scale);
    Lanes::store(&trials.product[t], sums.product);
    Lanes::store(&trials.level_squared[t], sums.level_squared);
  }
}

/// The value of largest magnitude with its sign, the first one on a tie; 0 if all are zeros.
inline float extreme_of(std::span<const float> values) noexcept {
  float found = 0.0F;
  // Its magnitude is kept beside it: LLVM 19 drops the second fabs of `fabs(value) > fabs(found) ? value : found`.
  float magnitude = 0.0F;
  for (const float value : values) {
    if (std::fabs(value) <= magnitude) continue;
    magnitude = std::fabs(value);
    found = value;
  }
  return found;
}

/// Finds levels for finite numbers, counted from the lowest one, and returns their scale: 0 where nothing counts, NaN
/// where a sum overflows.
template <typename Lanes>
float find_signed_levels(const SignedValues& from, uint8_t* levels) noexcept {
  const float extreme = extreme_of(from.values);
  if (std::fabs(extreme) < kNothing) {
    std::fill_n(levels, from.values.size(), uint8_t{0});
    return 0.0F;
  }
  SignedTrials trials;
  run_signed_trials<Lanes>(from, extreme, trials);
  float level_scale = trials.level_scale[0];
  float scale = trials.level_squared[0] != 0.0F ? trials.product[0] / trials.level_squared[0] : 0.0F;
  float best = scale * trials.product[0];
  for (size_t t = 1; t < kSignedTrials.size(); ++t) {
    const float product = trials.product[t];
    const float squared = trials.level_squared[t];
    if (!(squared > 0.0F && product * product > best * squared)) continue;
    level_scale = trials.level_scale[t];
    scale = product / squared;
    best = scale * product;
  }
  const auto half = static_cast<int32_t>(from.half);
  for (size_t i = 0; i < from.values.size(); ++i) {
    const int32_t level = k_quant::nearest_integer(level_scale * from.values[i]);
    levels[i] = static_cast<uint8_t>(std::clamp(level, -half, half - 1) + half);
  }
  return scale;
}

}  // namespace arrowquant::weighted
