#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "base/status.h"
#include "codecs/iq/grid_search.h"
#include "codecs/iq/super_block.h"
#include "codecs/k_quants/k_quant_levels.h"

/// What the encoders of IQ2 and IQ3 share. A format says
///
/// - `Block`, its bytes, all zeros where all its weights are; `Shape`; `grid()`; `kSubBlock` weights to a scale;
/// - `kTrials`; `kLeast`, below which the largest value of a sub-block counts as nothing; `kFudge`, by which ggml
///   multiplies the scale that it stores; `kEvenSigns`, and `kKeepsSigns` where a block of scale 0 keeps what was
///   found;
/// - `kPlain` and `kWeighted`, how weights count without importance and with it; `start`, which finds the Starts;
/// - `store_signs` and `store_point` for each group, and `store_scale` for the four bits of a sub-block's scale.
///
/// weight ≈ scale · (2 · sub-block's scale + 1) · (2 · level + 1).
namespace arrowquant::iq {

/// A sub-block's first scale, and the largest value, of which the trials are fractions. NaN where sums overflowed, and
/// 0 or less where the sub-block is to be zeros.
struct Start {
  float scale;
  float largest;
};

/// Codes 0…15 of the sub-blocks' scales: those of the largest one are 15, or next to it.
template <size_t kCount>
std::array<uint32_t, kCount> scale_codes(const std::array<float, kCount>& scales, float scale) noexcept {
  const float inverse = 1.0F / scale;
  std::array<uint32_t, kCount> codes;
  for (size_t i = 0; i < kCount; ++i) {
    const int32_t code = k_quant::nearest_integer(0.5F * (inverse * scales[i] - 1.0F));
    codes[i] = static_cast<uint32_t>(std::clamp(code, 0, 15));
  }
  return codes;
}

template <typename Format, size_t kCount>
[[nodiscard]] bool store_scales(const std::array<float, kCount>& scales, typename Format::Block& block) noexcept {
  const float largest = *std::max_element(scales.begin(), scales.end());
  if (largest == 0.0F) {
    if constexpr (!Format::kKeepsSigns) block = {};
    return true;
  }
  const float scale = largest / 31.0F;
  const auto codes = scale_codes(scales, scale);
  for (size_t i = 0; i < kCount; ++i) Format::store_scale(i, codes[i], block);
  return k_quant::store_half(block.scale, scale * Format::kFudge);
}

/// False if the scale is infinite in f16, or sums overflow, so that ggml would end the process or write zeros.
template <typename Format, typename Lanes>
bool encode_super_block(Grid& grid, const float* from, const float* importance, Weighing weighing,
                        typename Format::Block& block) noexcept {
  constexpr size_t kSubBlock = Format::kSubBlock;
  constexpr size_t kSubBlocks = kSuperBlock / kSubBlock;
  WeighedWeights weighed;
  if (!weigh<Lanes>(from, importance, weighing, weighed)) return false;
  if constexpr (Format::kEvenSigns) make_signs_even(weighed);
  block = {};
  std::array<Start, kSubBlocks> starts;
  Format::template start<Lanes>(weighed, starts);
  std::array<float, kSubBlocks> scales{};
  for (size_t j = 0; j < kSubBlocks; ++j) {
    const size_t at = j * kSubBlock;
    if (starts[j].largest <= 0.0F) continue;
    const SubBlock sub_block{std::span(weighed.values).subspan(at, kSubBlock), &weighed.weights[at], &weighed.roots[at],
                             &weighed.products[at]};
    GridFit fit{starts[j].scale};
    using Shape = typename Format::Shape;
    if (!search_grid<Shape, Lanes>(grid, Format::kTrials, starts[j].largest, sub_block, fit)) return false;
    const uint8_t turned = fit.scale < 0.0F ? 0xFF : 0;
    const uint8_t* signs = &weighed.signs[at / 8];
    for (size_t k = 0; k < kSubBlock / 8; ++k) {
      Format::store_signs(at / 8 + k, static_cast<uint8_t>(signs[k] ^ turned), block);
    }
    for (size_t k = 0; k < kSubBlock / Shape::kDimensions; ++k) {
      Format::store_point(at / Shape::kDimensions + k, grid.number_of(fit.keys[k]), block);
    }
    scales[j] = turned != 0 ? -fit.scale : fit.scale;
  }
  return store_scales<Format>(scales, block);
}

/// The first scale of most formats: the largest value becomes the highest level.
template <typename Format, typename Lanes, size_t kCount>
void start_at_largest(const WeighedWeights& weighed, std::array<Start, kCount>& starts) noexcept {
  constexpr float kTop = 2.0F * float{Format::Shape::kLevels} - 1.0F;
  for (size_t j = 0; j < kCount; ++j) {
    const float largest = largest_value<Lanes>(&weighed.values[j * Format::kSubBlock], Format::kSubBlock);
    starts[j] = largest < Format::kLeast ? Start{0.0F, 0.0F} : Start{largest / kTop, largest};
  }
}

/// Runs it over super-blocks; `importance` has a number for each weight, or is nullptr.
template <typename Format, typename Lanes>
Status encode_blocks(std::span<const float> weights, const float* importance, Weighing weighing,
                     std::span<uint8_t> bytes) noexcept {
  auto* blocks = reinterpret_cast<typename Format::Block*>(bytes.data());
  Grid& grid = Format::grid();
  for (size_t at = 0; at < weights.size(); at += kSuperBlock) {
    const float* from = &weights[at];
    const size_t not_finite = k_quant::first_not_finite<Lanes>(from);
    if (not_finite < kSuperBlock) return {StatusCode::kNotFinite, at + not_finite};
    const float* counts = importance == nullptr ? nullptr : importance + at;
    auto& block = blocks[at / kSuperBlock];
    if (!encode_super_block<Format, Lanes>(grid, from, counts, weighing, block)) {
      return {StatusCode::kScaleOverflow, at};
    }
  }
  return {};
}

template <typename Format, typename Lanes>
Status encode(std::span<const float> weights, std::span<uint8_t> bytes) noexcept {
  return encode_blocks<Format, Lanes>(weights, nullptr, Format::kPlain, bytes);
}

template <typename Format, typename Lanes>
Status encode_weighed(std::span<const float> weights, const float* importance, std::span<uint8_t> bytes) noexcept {
  return encode_blocks<Format, Lanes>(weights, importance, Format::kWeighted, bytes);
}

}  // namespace arrowquant::iq
