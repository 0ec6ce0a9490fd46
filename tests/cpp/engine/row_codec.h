#pragma once

#include <cmath>
#include <cstring>

#include "codecs/codec.h"

namespace arrowquant::testing {

/// Three planes, whole rows, importance and effort: what no codec of the package has together. Each row's scale is its
/// largest magnitude, weighed by importance, in every group of 32; a stamp of 16 weights tells where they thought to
/// lie.
inline constexpr uint32_t kRowGroup = 32;
inline constexpr uint32_t kRowStamp = 16;
inline constexpr std::array kRowBits = {8U};
inline constexpr std::array kRowGroups = {kRowGroup};

inline uint8_t stamp_of(uint64_t row, size_t column) { return static_cast<uint8_t>(row * 31 + column / kRowStamp); }

inline Status encode_rows(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  const size_t row_weights = context.row_weights;
  if (row_weights == 0 || weights.size() % row_weights != 0 || context.first_column != 0) {
    return {StatusCode::kInvalidArgument, 0};
  }
  for (size_t at = 0; at < weights.size(); at += row_weights) {
    float scale = 0;
    for (size_t i = 0; i < row_weights; ++i) {
      if (!std::isfinite(weights[at + i])) return {StatusCode::kNotFinite, at + i};
      const float importance = context.importance.empty() ? 1.0F : context.importance[i];
      scale = std::max(scale, std::fabs(weights[at + i]) * importance);
    }
    scale /= 127;
    for (size_t i = 0; i < row_weights; ++i) {
      const float level = scale == 0 ? 0 : std::nearbyint(weights[at + i] / scale);
      const auto clamped = static_cast<int8_t>(std::fmax(-127.0F, std::fmin(level, 127.0F)));
      planes[0][at + i] = static_cast<uint8_t>(clamped + (context.effort > Effort::kReference ? 1 : 0));
      if (i % kRowGroup == 0) std::memcpy(&planes[1][(at + i) / kRowGroup * sizeof(float)], &scale, sizeof(float));
      if (i % kRowStamp == 0) planes[2][(at + i) / kRowStamp] = stamp_of(context.first_row + at / row_weights, i);
    }
  }
  return {};
}

inline void decode_rows(const ConstPlanes& planes, const CodecParameters& /*parameters*/,
                        std::span<float> weights) noexcept {
  for (size_t i = 0; i < weights.size(); ++i) {
    float scale = 0;
    std::memcpy(&scale, &planes[1][i / kRowGroup * sizeof(float)], sizeof(float));
    weights[i] = static_cast<float>(static_cast<int8_t>(planes[0][i])) * scale;
  }
}

inline constexpr Codec kRowCodec = {
    .name = "rows",
    .block_weights = kRowGroup,
    .planes = {{{"levels", ElementType::kU8, 1, 0},
                {"scales", ElementType::kF32, 0, 32},
                {"stamps", ElementType::kU8, kRowStamp, 8}}},
    .plane_count = 3,
    .bits = kRowBits,
    .group_sizes = kRowGroups,
    .needs_rows = true,
    .uses_importance = true,
    .most_effort = Effort::kBetter,
    .encode = encode_rows,
    .decode = decode_rows,
};

}  // namespace arrowquant::testing
