#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/half.h"
#include "codecs/codec.h"

namespace arrowquant::testing {

/// What a matrix [rows, columns] becomes, in the order [block of rows][column].
struct PlainBlocks {
  std::vector<uint8_t> levels;
  std::vector<float> scales;
  std::vector<uint8_t> zero_points;
};

/// ONNX Runtime's block quantizer as one would write it down: column after column, row after row, with its variables.
inline PlainBlocks encode_plainly(const std::vector<float>& weights, size_t rows, size_t columns,
                                  const CodecParameters& parameters, bool half_scales) {
  const size_t block = parameters.group_size;
  const size_t in_byte = 8 / parameters.bits;
  const float last = static_cast<float>((1U << parameters.bits) - 1);
  const float middle = static_cast<float>(1U << (parameters.bits - 1));
  const size_t blocks = (rows + block - 1) / block;
  const size_t unit = block / in_byte;
  PlainBlocks result;
  result.levels.resize(blocks * columns * unit);
  result.scales.resize(blocks * columns);
  result.zero_points.resize(blocks * columns);
  for (size_t c = 0; c < columns; ++c) {
    std::vector<uint8_t> kept(in_byte, 0);
    for (size_t b = 0; b < blocks; ++b) {
      if (b % in_byte == 0) std::fill(kept.begin(), kept.end(), uint8_t{0});
      const size_t end = std::min(rows, (b + 1) * block);
      float lo = std::numeric_limits<float>::max();
      float hi = -lo;
      for (size_t r = b * block; r < end; ++r) {
        const float x = weights[r * columns + c];
        if (x < lo) lo = x;
        if (x > hi) hi = x;
      }
      float scale = 0;
      float zero_point = middle;
      if (parameters.symmetric) {
        scale = -(std::fabs(hi) > std::fabs(lo) ? hi : lo) / middle;
      } else {
        lo = std::min(lo, 0.0F);
        hi = std::max(hi, 0.0F);
        scale = (hi - lo) / last;
        const float steps = scale != 0.0F ? 0.0F - lo / scale : lo;
        zero_point = steps < 0.0F ? 0.0F : std::min(std::round(steps), last);
      }
      if (half_scales) scale = half_to_float(float_to_half(scale));
      const float inverse = scale != 0.0F ? 1.0F / scale : 0.0F;
      result.scales[b * columns + c] = scale;
      result.zero_points[b * columns + c] = static_cast<uint8_t>(zero_point);
      uint8_t* const bytes = &result.levels[(b * columns + c) * unit];
      for (size_t r = b * block; r < end; ++r) {
        const float steps = std::round(weights[r * columns + c] * inverse + zero_point);
        const float level = std::isnan(steps) ? 0.0F : std::clamp(steps, 0.0F, last);
        kept[r % in_byte] = static_cast<uint8_t>(level);
        uint8_t byte = 0;
        for (size_t i = 0; i < in_byte; ++i) byte |= static_cast<uint8_t>(kept[i] << (parameters.bits * i));
        bytes[(r - b * block) / in_byte] = byte;
      }
    }
  }
  return result;
}

}  // namespace arrowquant::testing
