#include "codecs/iq/encoder.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "codecs/iq/level_scale.h"
#include "codecs/k_quants/k_quant_levels.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::iq {
namespace {

using Scales = std::array<float, kMostSubBlocks>;

/// Where the search of each sub-block begins: its first scale, and the value that the trials are fractions of. NaN
/// where sums overflowed, and 0 or less where the sub-block is to be zeros.
struct Starts {
  alignas(16) Scales scales;
  Scales largest;
};

template <typename Shape, typename Lanes>
void find_starts(const Rules& rules, const WeighedWeights& weighed, size_t sub_blocks, Starts& starts) noexcept {
  if constexpr (std::is_same_v<Shape, EightOfThree>) {
    if (rules.starts_from_levels) {
      for (size_t j = 0; j < sub_blocks; j += Lanes::kWidth) find_level_scales<Lanes>(weighed, j, starts.scales);
      for (size_t j = 0; j < sub_blocks; ++j) starts.largest[j] = starts.scales[j] * float{Shape::kLevels};
      return;
    }
  }
  constexpr float kTop = 2.0F * float{Shape::kLevels} - 1.0F;
  find_largest<Lanes>(weighed, rules.sub_block, std::span(starts.largest).first(sub_blocks));
  for (size_t j = 0; j < sub_blocks; ++j) {
    if (starts.largest[j] < rules.least) starts.largest[j] = 0.0F;
    starts.scales[j] = starts.largest[j] / kTop;
  }
}

/// Points and signs of sub-block j. False where sums overflow.
template <typename Shape, typename Lanes>
bool encode_sub_block(Grid& grid, const Rules& rules, const WeighedWeights& weighed, size_t j, float largest,
                      GridFit& fit, Encoded& encoded) noexcept {
  const size_t at = j * rules.sub_block;
  const SubBlock sub_block{std::span(weighed.values).subspan(at, rules.sub_block), &weighed.weights[at],
                           &weighed.roots[at], &weighed.products[at]};
  if (!search_grid<Shape, Lanes>(grid, rules.trials, largest, sub_block, fit)) return false;
  const uint8_t turned = fit.scale < 0.0F ? 0xFF : 0;
  for (size_t k = at / 8; k < (at + rules.sub_block) / 8; ++k) {
    encoded.signs[k] = static_cast<uint8_t>(weighed.signs[k] ^ turned);
  }
  for (size_t k = 0; k < rules.sub_block / Shape::kDimensions; ++k) {
    encoded.points[at / Shape::kDimensions + k] = static_cast<uint16_t>(grid.number_of(fit.keys[k]));
  }
  if (turned != 0) fit.scale = -fit.scale;
  return true;
}

/// Rounds the sub-blocks' scales to odd multiples of the block's, of which the largest is 31 times it.
void round_scales(const Rules& rules, const Scales& scales, size_t sub_blocks, Encoded& encoded) noexcept {
  const float largest = *std::max_element(scales.begin(), scales.end());
  if (largest == 0.0F) {
    if (!rules.keeps_points) encoded = {};
    return;
  }
  const float scale = largest / 31.0F;
  const float inverse = 1.0F / scale;
  for (size_t j = 0; j < sub_blocks; ++j) {
    const int32_t code = k_quant::nearest_integer(0.5F * (inverse * scales[j] - 1.0F));
    encoded.sub_scales[j] = static_cast<uint8_t>(std::clamp(code, 0, 15));
  }
  encoded.scale = scale * rules.fudge;
}

}  // namespace

template <typename Shape, typename Lanes>
Status encode_super_block(Grid& grid, const Rules& rules, Weighing weighing, const float* from, const float* importance,
                          Encoded& encoded) noexcept {
  WeighedWeights weighed;
  const Status status = weigh<Lanes>(from, importance, weighing, rules.even_signs, weighed);
  if (!status.ok()) return status;
  const size_t sub_blocks = kSuperBlock / rules.sub_block;
  Starts starts;
  find_starts<Shape, Lanes>(rules, weighed, sub_blocks, starts);
  Scales scales{};
  encoded = {};
  for (size_t j = 0; j < sub_blocks; ++j) {
    if (starts.largest[j] <= 0.0F) continue;
    GridFit fit{starts.scales[j]};
    if (std::isnan(starts.largest[j]) ||
        !encode_sub_block<Shape, Lanes>(grid, rules, weighed, j, starts.largest[j], fit, encoded)) {
      return {StatusCode::kScaleOverflow};
    }
    scales[j] = fit.scale;
    encoded.found |= 1U << j;
  }
  round_scales(rules, scales, sub_blocks, encoded);
  return {};
}

template Status encode_super_block<EightOfThree, WasmLanes>(Grid&, const Rules&, Weighing, const float*, const float*,
                                                            Encoded&) noexcept;
template Status encode_super_block<EightOfThree, ScalarLanes>(Grid&, const Rules&, Weighing, const float*, const float*,
                                                              Encoded&) noexcept;
template Status encode_super_block<FourOfEight, WasmLanes>(Grid&, const Rules&, Weighing, const float*, const float*,
                                                           Encoded&) noexcept;
template Status encode_super_block<FourOfEight, ScalarLanes>(Grid&, const Rules&, Weighing, const float*, const float*,
                                                             Encoded&) noexcept;

}  // namespace arrowquant::iq
