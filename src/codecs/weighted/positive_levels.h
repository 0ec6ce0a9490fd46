#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/weighted/weigh.h"

/// The search for the scale of a few numbers that ought not to be negative: scales and mins of sub-blocks (llama.cpp's
/// `make_qp_quants`). All sums are f32 in index order.
namespace arrowquant::weighted {

/// The spreads that are tried beside the one to the largest value.
inline constexpr std::array<float, 8> kPositiveTrials = {-4, -3, -2, -1, 1, 2, 3, 4};

/// Numbers, how much their errors count, and the highest level.
struct PositiveValues {
  std::span<const float> values;
  const float* counts;
  int max_level;
};

/// The weighted errors of the spreads of kPositiveTrials over 0…top, several spreads at a time.
template <typename Lanes>
std::array<float, kPositiveTrials.size()> positive_errors(const PositiveValues& from,
                                                          const float* level_scales) noexcept {
  const auto high = Lanes::splat(static_cast<float>(from.max_level));
  const auto low = Lanes::splat(-k_quant::kSteadyLimit - 1.0F);
  alignas(16) std::array<float, kPositiveTrials.size()> errors;
  for (size_t t = 0; t < errors.size(); t += Lanes::kWidth) {
    const auto level_scale = Lanes::load(level_scales + t);
    const auto scale = Lanes::div(Lanes::splat(1.0F), level_scale);
    auto error = Lanes::splat(0.0F);
    for (size_t i = 0; i < from.values.size(); ++i) {
      const auto value = Lanes::splat(from.values[i]);
      const auto level = k_quant::nearest_level<Lanes, true>(Lanes::mul(level_scale, value), low, high);
      const auto difference = Lanes::sub(value, Lanes::mul(scale, level));
      const auto weighted = Lanes::mul(Lanes::splat(from.counts[i]), difference);
      error = Lanes::add(error, Lanes::mul(weighted, difference));
    }
    Lanes::store(&errors[t], error);
  }
  return errors;
}

/// 1/scale of the spread with the least weighted error. llama.cpp counts the first one's levels below zero as bytes.
template <typename Lanes>
float best_level_scale(const PositiveValues& from, float top) noexcept {
  const auto highest = static_cast<float>(from.max_level);
  alignas(16) std::array<float, kPositiveTrials.size()> level_scales;
  for (size_t t = 0; t < level_scales.size(); ++t) level_scales[t] = (0.1F * kPositiveTrials[t] + highest) / top;
  const auto errors = positive_errors<Lanes>(from, level_scales.data());
  float best = highest / top;
  float least = 0.0F;
  for (size_t i = 0; i < from.values.size(); ++i) {
    const auto level = static_cast<uint8_t>(k_quant::nearest_integer(best * from.values[i]));
    const float difference = from.values[i] - 1.0F / best * static_cast<float>(level);
    least += from.counts[i] * difference * difference;
  }
  for (size_t t = 0; t < errors.size(); ++t) {
    if (!(errors[t] < least)) continue;
    least = errors[t];
    best = level_scales[t];
  }
  return best;
}

struct PositiveSums {
  float product = 0.0F;
  float squared = 0.0F;

  void add(float count, float value, float level) noexcept {
    product += count * value * level;
    squared += count * level * level;
  }
};

/// Moves each number to the level that is best with all others as they are. False when none has moved.
inline bool move_levels(const PositiveValues& from, uint8_t* levels, PositiveSums& sums) noexcept {
  bool moved = false;
  for (size_t i = 0; i < from.values.size(); ++i) {
    const float value = from.values[i];
    const float count = from.counts[i];
    const auto old_level = static_cast<float>(levels[i]);
    PositiveSums rest{sums.product - count * value * old_level, sums.squared - count * old_level * old_level};
    if (!(rest.product > 0.0F && rest.squared > 0.0F)) continue;
    const int level = std::min(k_quant::nearest_integer(value * rest.squared / rest.product), from.max_level);
    if (level == levels[i]) continue;
    rest.add(count, value, static_cast<float>(level));
    if (!(rest.product * rest.product * sums.squared > sums.product * sums.product * rest.squared)) continue;
    levels[i] = static_cast<uint8_t>(level);
    sums = rest;
    moved = true;
  }
  return moved;
}

/// Finds levels for numbers, and returns their scale: 0 where nothing counts. A number below zero gets the lowest byte
/// of its level. NaN where a sum overflows. Codecs share the function: it is not inlined, and knows no sizes.
template <typename Lanes>
[[gnu::noinline]] float find_positive_levels(const PositiveValues& from, uint8_t* levels) noexcept {
  constexpr int kRounds = 5;
  float top = 0.0F;
  for (const float value : from.values) top = std::max(top, value);
  if (top < kNothing) {
    std::fill_n(levels, from.values.size(), uint8_t{0});
    return 0.0F;
  }
  const float level_scale = best_level_scale<Lanes>(from, top);
  PositiveSums sums;
  for (size_t i = 0; i < from.values.size(); ++i) {
    const int level = std::min(k_quant::nearest_integer(level_scale * from.values[i]), from.max_level);
    levels[i] = static_cast<uint8_t>(level);
    sums.add(from.counts[i], from.values[i], static_cast<float>(level));
  }
  for (int round = 0; round < kRounds; ++round) {
    if (!move_levels(from, levels, sums)) break;
  }
  return sums.squared > 0.0F ? sums.product / sums.squared : 0.0F;
}

}  // namespace arrowquant::weighted
