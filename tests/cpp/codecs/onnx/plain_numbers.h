#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

/// The other formulas of ONNX Runtime's quantizers, written down weight by weight.
namespace arrowquant::testing {

struct PlainBytes {
  std::vector<uint8_t> levels;
  float scale = 1;
  uint8_t zero_point = 0;
};

/// quantize_data with QInt8, symmetric, or QUInt8; `in_f32` as the extent was computed before.
inline PlainBytes bytes_plainly(const std::vector<float>& weights, bool is_signed, bool in_f32) {
  float lo = 0;
  float hi = 0;
  for (const float x : weights) {
    lo = std::min(lo, x);
    hi = std::max(hi, x);
  }
  if (is_signed) {
    hi = std::max(std::fabs(lo), std::fabs(hi));
    lo = -hi;
  }
  const double extent = in_f32 ? static_cast<double>(hi - lo) : static_cast<double>(hi) - static_cast<double>(lo);
  const double scale = extent / (is_signed ? 254.0 : 255.0);
  PlainBytes plain;
  double zero_point = 0;
  if (scale >= static_cast<double>(std::numeric_limits<float>::min())) {
    plain.scale = static_cast<float>(scale);
    if (!is_signed) zero_point = std::nearbyint(0.0 - static_cast<double>(lo) / scale);
  }
  plain.zero_point = static_cast<uint8_t>(zero_point);
  for (const float x : weights) {
    const float level = std::nearbyint(x / plain.scale) + static_cast<float>(zero_point);
    const float clipped = is_signed ? std::clamp(level, -128.0F, 127.0F) : std::clamp(level, 0.0F, 255.0F);
    plain.levels.push_back(static_cast<uint8_t>(static_cast<int>(clipped)));
  }
  return plain;
}

struct PlainGroup {
  std::vector<int> levels;  ///< −8…7 if symmetric
  float scale = 0;
  int zero_point = 0;
};

inline int clipped(float value, float low) { return static_cast<int>(std::clamp(value, low, low + 15.0F)); }

/// quant_slice_symmetric and quant_slice_asymmetric of one group.
inline PlainGroup gathered_plainly(const std::vector<float>& weights, bool symmetric) {
  const auto [least, most] = std::minmax_element(weights.begin(), weights.end());
  PlainGroup plain;
  if (symmetric) {
    plain.scale = (std::fabs(*most) > std::fabs(*least) ? *most : *least) / -8.0F;
    for (const float x : weights) {
      plain.levels.push_back(plain.scale == 0 ? 0 : clipped(std::nearbyint(x / plain.scale), -8));
    }
    return plain;
  }
  const float lo = std::min(*least, 0.0F);
  plain.scale = (std::max(*most, 0.0F) - lo) / 15.0F;
  plain.zero_point = plain.scale == 0 ? 8 : clipped(std::nearbyint(-lo / plain.scale), 0);
  for (const float x : weights) {
    const float steps = x / plain.scale + static_cast<float>(plain.zero_point);
    plain.levels.push_back(plain.scale == 0 ? 8 : clipped(std::nearbyint(steps), 0));
  }
  return plain;
}

/// BlockwiseQDQQuantizer's levels of one block.
inline PlainGroup qdq_plainly(const std::vector<float>& weights, bool symmetric) {
  PlainGroup plain;
  float lo = weights[0];
  float hi = weights[0];
  for (const float x : weights) {
    lo = std::min(lo, x);
    hi = std::max(hi, x);
  }
  if (symmetric) {
    plain.scale = -(std::fabs(hi) > std::fabs(lo) ? hi : lo) / 8.0F;
  } else {
    lo = std::min(lo, 0.0F);
    plain.scale = (std::max(hi, 0.0F) - lo) / 15.0F;
    plain.zero_point = plain.scale == 0 ? 0 : clipped(std::round(-lo / plain.scale), 0);
  }
  const float inverse = plain.scale == 0 ? 0.0F : 1.0F / plain.scale;
  for (const float x : weights) {
    const float least = symmetric ? -8 : 0;
    const float steps = x * inverse;
    // It goes through an int, and what is none becomes the least one on x86.
    const bool is_int = std::fabs(steps) < 0x1p31F;
    const float level = std::round(steps) + static_cast<float>(plain.zero_point);
    plain.levels.push_back(is_int ? clipped(level, least) : static_cast<int>(least));
  }
  return plain;
}

/// The level of x/absmax, as bitsandbytes' and ONNX Runtime's decision trees say it.
inline uint8_t nf4_plainly(float x) {
  constexpr std::array kBounds = {
      -0.8480964004993439F,  -0.6106329262256622F,   -0.4599952697753906F, -0.33967943489551544F, -0.23460740596055984F,
      -0.13791173323988914F, -0.045525018125772476F, 0.03979014977812767F, 0.1202552504837513F,   0.2035212516784668F,
      0.2920137718319893F,   0.3893125355243683F,    0.5016634166240692F,  0.6427869200706482F,   0.8614784181118011F};
  uint8_t level = 0;
  while (level < 15 && x > kBounds[level]) ++level;
  return level;
}

inline uint8_t fp4_plainly(float x) {
  constexpr std::array kBounds = {0.00260417F, 0.0859375F, 0.20833333F, 0.29166667F, 0.4166667F, 0.583333F, 0.8333333F};
  constexpr std::array<uint8_t, 8> kLevels = {0, 1, 6, 7, 4, 5, 2, 3};
  size_t place = 0;
  while (place < 7 && std::fabs(x) > kBounds[place]) ++place;
  return static_cast<uint8_t>(kLevels[place] + (x < 0 ? 8 : 0));
}

}  // namespace arrowquant::testing
