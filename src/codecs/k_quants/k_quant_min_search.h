#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/weighted/min_search.h"
#include "simd/lanes_pair.h"

/// The search for the scales and mins of Q2_K, Q4_K and Q5_K, sub-block by sub-block (weighted/min_search.h).
namespace arrowquant::k_quant {

/// What the search found. `min` is what decoding subtracts (≥ 0). The search's own levels are
/// nearest_integer(level_scale · (weight − level_min)); they are used only where the stored scale becomes 0.
template <size_t kCount>
struct MinFits {
  alignas(16) std::array<float, kCount> scale;
  alignas(16) std::array<float, kCount> min;
  alignas(16) std::array<float, kCount> level_scale;
  alignas(16) std::array<float, kCount> level_min;
  alignas(16) std::array<float, kCount> count;  ///< the sums of how much the errors of the weights count
};

template <typename Lanes>
using PairedRow = weighted::MinRow<PairLanes<Lanes>>;

template <typename Rule>
using SuperBlockFits = MinFits<kSuperBlock / Rule::kWeights>;

/// What llama.cpp's reference has errors count: |value|, plus the sub-block's root mean square if the rule says so.
template <typename Lanes, typename Rule>
void count_errors(std::span<weighted::MinRow<Lanes>> rows) noexcept {
  auto base = Lanes::splat(0.0F);
  if constexpr (Rule::kRootMeanSquare) {
    for (const auto& row : rows) {
      const auto value = Lanes::load(row.value.data());
      base = Lanes::add(base, Lanes::mul(value, value));
    }
    base = Lanes::sqrt(Lanes::div(base, Lanes::splat(static_cast<float>(Rule::kWeights))));
  }
  for (auto& row : rows) {
    Lanes::store(row.count.data(), Lanes::add(base, Lanes::abs(Lanes::load(row.value.data()))));
  }
}

/// Searches all sub-blocks of a super-block, two vectors of them at a time. `fill(first, rows)` puts the weights and
/// counts of those from `first` on into the rows.
template <typename Lanes, typename Rule, bool kAbsoluteError, typename Fill>
SuperBlockFits<Rule> fit_sub_blocks(const weighted::MinSearch& search, Fill fill) noexcept {
  using Wide = PairLanes<Lanes>;
  std::array<PairedRow<Lanes>, Rule::kWeights> rows;
  SuperBlockFits<Rule> fits;
  for (size_t first = 0; first < fits.scale.size(); first += Wide::kWidth) {
    fill(first, rows);
    const auto fit = weighted::search_scale_and_min<Wide, kAbsoluteError>(rows, search);
    Wide::store(&fits.scale[first], fit.scale);
    Wide::store(&fits.min[first], fit.min);
    Wide::store(&fits.level_scale[first], fit.level_scale);
    Wide::store(&fits.level_min[first], fit.level_min);
    Wide::store(&fits.count[first], fit.count);
  }
  return fits;
}

/// As llama.cpp's reference does it.
template <typename Lanes, typename Rule>
SuperBlockFits<Rule> fit_super_block(const float* weights) noexcept {
  constexpr weighted::MinSearch kSearch{float{Rule::kMaxLevel}, Rule::kFirstStep, 0.1F, Rule::kSteps};
  return fit_sub_blocks<Lanes, Rule, Rule::kAbsoluteError>(kSearch, [&](size_t first, auto& rows) noexcept {
    interleave<Lanes>(weights + first * Rule::kWeights, rows, &PairedRow<Lanes>::value);
    count_errors<PairLanes<Lanes>, Rule>(rows);
  });
}

/// As llama.cpp does it with importance: `counts` says of each weight how much its error counts.
template <typename Lanes, typename Rule>
SuperBlockFits<Rule> fit_counted(const float* weights, const float* counts) noexcept {
  constexpr auto kSearch = weighted::counted_search(Rule::kMaxLevel);
  return fit_sub_blocks<Lanes, Rule, false>(kSearch, [&](size_t first, auto& rows) noexcept {
    interleave<Lanes>(weights + first * Rule::kWeights, rows, &PairedRow<Lanes>::value);
    interleave<Lanes>(counts + first * Rule::kWeights, rows, &PairedRow<Lanes>::count);
  });
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
