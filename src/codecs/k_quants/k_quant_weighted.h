#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/k_quants/k_quant_min_search.h"
#include "codecs/weighted/positive_levels.h"
#include "codecs/weighted/weigh.h"

/// What the K-quants share where it is known how much each column counts.
namespace arrowquant::k_quant {

/// Whether all are numbers: where a sum has overflowed, what llama.cpp writes decodes to zeros or NaN.
template <size_t kCount>
[[nodiscard]] bool all_finite(const std::array<float, kCount>& values) noexcept {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

/// The factors of a super-block, f16 and stored, and the levels of its sub-blocks' scales or mins.
template <size_t kCount>
struct PositiveFactors {
  std::array<uint8_t, kCount> levels;
  HalfBytes factor;
};

/// False if the factor is infinite in f16, or a sum overflows.
template <typename Lanes, size_t kCount>
[[nodiscard]] bool find_positive_factors(const std::array<float, kCount>& values,
                                         const std::array<float, kCount>& counts, int max_level,
                                         PositiveFactors<kCount>& found) noexcept {
  const float factor = weighted::find_positive_levels<Lanes>({values, counts.data(), max_level}, found.levels.data());
  return std::isfinite(factor) && store_half(found.factor, factor);
}

/// Scales and mins of a super-block for what the search has found. False as find_positive_factors.
template <typename Lanes, size_t kCount>
[[nodiscard]] bool find_factor_pairs(const MinFits<kCount>& fits, int max_level, PositiveFactors<kCount>& scales,
                                     PositiveFactors<kCount>& mins) noexcept {
  return all_finite(fits.count) && all_finite(fits.scale) && all_finite(fits.min) &&
         find_positive_factors<Lanes>(fits.scale, fits.count, max_level, scales) &&
         find_positive_factors<Lanes>(fits.min, fits.count, max_level, mins);
}

/// Runs `Format::encode_counted<Lanes>(from, counts, block)` over super-blocks; it returns false where a scale
/// overflows f16 or a sum f32. `Format::kMeanSquares` of the block's mean squares are what the weights' own are added
/// to; 0: importance alone counts.
template <typename Format, typename Lanes>
Status encode_weighted(std::span<const float> weights, const float* importance, std::span<uint8_t> bytes) noexcept {
  auto* blocks = reinterpret_cast<typename Format::Block*>(bytes.data());
  const size_t count = weights.size() / kSuperBlock;
  alignas(16) std::array<float, kSuperBlock> counts;
  alignas(16) std::array<float, Lanes::kWidth> sums{};
  counts.fill(1.0F);
  for (size_t i = 0; i < count; ++i) {
    const size_t at = i * kSuperBlock;
    const float* from = &weights[at];
    const float* columns = importance == nullptr ? nullptr : importance + at;
    if constexpr (Format::kMeanSquares != 0.0F) {
      const size_t lane = i % Lanes::kWidth;
      if (lane == 0) weighted::sum_squares_of_blocks<Lanes>(from, kSuperBlock, count - i, sums.data());
      const float mean = Format::kMeanSquares * sums[lane] / float{kSuperBlock};
      weighted::weigh<Lanes>({from, kSuperBlock}, columns, mean, counts.data());
    }
    const float* used = Format::kMeanSquares == 0.0F && columns != nullptr ? columns : counts.data();
    const size_t not_finite = first_not_finite<Lanes>(from);
    if (not_finite < kSuperBlock) return {StatusCode::kNotFinite, at + not_finite};
    if (!Format::template encode_counted<Lanes>(from, used, blocks[i])) return {StatusCode::kScaleOverflow, at};
  }
  return {};
}

}  // namespace arrowquant::k_quant
