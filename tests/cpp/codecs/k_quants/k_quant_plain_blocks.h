#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "codecs/k_quants/k_quant_plain.h"

/// Whole blocks of the K-quants from plain fits. An empty result means that the block is refused: a scale is infinite
/// in f16, or not a number.
namespace arrowquant::testing {

inline void put_half(uint8_t* to, float value) {
  to[0] = static_cast<uint8_t>(float_to_half(value) & 0xFF);
  to[1] = static_cast<uint8_t>(float_to_half(value) >> 8);
}

/// Levels of a sub-block for its stored factors; the fit's own where the factor is 0.
inline void settle(Weights x, PlainFit& fit, float factor, float shift, int low, int high) {
  if (factor == 0.0F) return;
  for (size_t i = 0; i < x.size(); ++i) fit.levels[i] = plain_level((x[i] + shift) / factor, low, high);
}

/// Puts `bits` low bits of `value` at bit `at` of `bytes`, which are 0 there.
inline void put_bits(uint8_t* bytes, size_t at, unsigned value, unsigned bits) {
  bytes[at / 8] = static_cast<uint8_t>(bytes[at / 8] | (value & ((1U << bits) - 1)) << at % 8);
}

/// The scale and min fits of a super-block, with the largest of each.
struct PlainFits {
  std::vector<PlainFit> fits;
  float top_scale = 0.0F;
  float top_min = 0.0F;

  PlainFits(Weights x, size_t sub_block, const MinSettings& settings) {
    for (size_t at = 0; at < x.size(); at += sub_block) {
      fits.push_back(plain_min_fit(x.subspan(at, sub_block), settings));
      if (fits.back().scale > top_scale) top_scale = fits.back().scale;
      if (-fits.back().min > top_min) top_min = -fits.back().min;
    }
  }
};

inline Bytes plain_q2_k(Weights x) {
  PlainFits found(x, 16, {3, -0.5F, 15, true, false});
  Bytes block(84, 0);
  const float d = as_half(found.top_scale / 15.0F);
  const float d_min = as_half(found.top_min / 15.0F);
  put_half(&block[80], d);
  put_half(&block[82], d_min);
  if (std::isinf(d) || std::isinf(d_min)) return {};
  for (size_t j = 0; j < 16; ++j) {
    PlainFit& fit = found.fits[j];
    const int scale = found.top_scale > 0.0F ? plain_round(15.0F / found.top_scale * fit.scale) : 0;
    const int min = found.top_min > 0.0F ? plain_round(15.0F / found.top_min * -fit.min) : 0;
    block[j] = static_cast<uint8_t>((scale | min * 16) & 0xFF);
    settle(x.subspan(16 * j, 16), fit, d * static_cast<float>(block[j] % 16), d_min * static_cast<float>(block[j] / 16),
           0, 3);
    for (size_t i = 16 * j; i < 16 * j + 16; ++i) {
      put_bits(&block[16], (i / 128 * 32 + i % 32) * 8 + i / 32 % 4 * 2, static_cast<unsigned>(fit.levels[i % 16]), 2);
    }
  }
  return block;
}

/// Q4_K (bits 4) and Q5_K (bits 5).
inline Bytes plain_q45_k(Weights x, int bits, const MinSettings& settings) {
  PlainFits found(x, 32, settings);
  Bytes block(bits == 4 ? 144 : 176, 0);
  const float d = as_half(found.top_scale / 63.0F);
  const float d_min = as_half(found.top_min / 63.0F);
  put_half(&block[0], d);
  put_half(&block[2], d_min);
  if (std::isinf(d) || std::isinf(d_min)) return {};
  uint8_t* packed = &block[4];
  uint8_t* nibbles = &block[block.size() - 128];
  for (size_t j = 0; j < 8; ++j) {
    PlainFit& fit = found.fits[j];
    const auto part = [](float value, float top) {
      return std::min(63U, static_cast<unsigned>(plain_round((top > 0.0F ? 63.0F / top : 0.0F) * value)) & 0xFFU);
    };
    const unsigned scale = part(fit.scale, found.top_scale);
    const unsigned min = part(-fit.min, found.top_min);
    if (j < 4) {
      put_bits(packed, 8 * j, scale, 6);
      put_bits(packed, 8 * (j + 4), min, 6);
    } else {
      put_bits(packed, 8 * (j + 4), scale, 4);
      put_bits(packed, 8 * (j + 4) + 4, min, 4);
      put_bits(packed, 8 * (j - 4) + 6, scale >> 4, 2);
      put_bits(packed, 8 * j + 6, min >> 4, 2);
    }
    settle(x.subspan(32 * j, 32), fit, d * static_cast<float>(scale), d_min * static_cast<float>(min), 0, settings.top);
    for (size_t i = 0; i < 32; ++i) {
      const auto level = static_cast<unsigned>(fit.levels[i]);
      put_bits(nibbles, (j / 2 * 32 + i) * 8 + j % 2 * 4, level, 4);
      if (bits == 5) put_bits(&block[16], i * 8 + j, level >> 4, 1);
    }
  }
  return block;
}

/// The fits of Q3_K or Q6_K, and their scales; NaN where a sub-block's sums overflowed, and the block is refused.
struct PlainSignedFits {
  std::vector<PlainFit> fits;
  std::vector<float> scales;

  template <typename Fit>
  PlainSignedFits(Weights x, Fit fit) {
    for (size_t at = 0; at < x.size(); at += 16) {
      fits.push_back(fit(x.subspan(at, 16)));
      scales.push_back(fits.back().scale);
    }
  }

  bool overflowed() const {
    return std::any_of(scales.begin(), scales.end(), [](float scale) { return std::isnan(scale); });
  }
};

inline Bytes plain_q3_k(Weights x) {
  PlainSignedFits found(x, plain_coordinate_fit);
  if (found.overflowed()) return {};
  Bytes block(110, 0);
  const float top = plain_extreme(found.scales);
  const float inverse = -32.0F / top;
  const float d = top == 0.0F ? 0.0F : as_half(1.0F / inverse);
  put_half(&block[108], d);
  if (std::isinf(d)) return {};
  for (size_t j = 0; j < 16; ++j) {
    const int scale =
        std::max<int>(-32, std::min<int>(31, static_cast<int8_t>(plain_round(inverse * found.scales[j]))));
    const auto stored = top == 0.0F ? 0U : static_cast<unsigned>(scale + 32);
    put_bits(&block[96], j % 8 * 8 + j / 8 * 4, stored, 4);
    put_bits(&block[104], j % 4 * 8 + j / 4 * 2, stored >> 4, 2);
    settle(x.subspan(16 * j, 16), found.fits[j], d * static_cast<float>(scale), 0.0F, -4, 3);
    for (size_t i = 16 * j; i < 16 * j + 16; ++i) {
      const auto level = static_cast<unsigned>(found.fits[j].levels[i % 16] + 4);
      put_bits(&block[0], i % 32 * 8 + i / 32, level >> 2, 1);
      put_bits(&block[32], (i / 128 * 32 + i % 32) * 8 + i / 32 % 4 * 2, level, 2);
    }
  }
  return block;
}

inline Bytes plain_q6_k(Weights x) {
  PlainSignedFits found(x, plain_scale_fit);
  if (found.overflowed()) return {};
  Bytes block(210, 0);
  const float top = plain_extreme(found.scales);
  if (std::fabs(top) < 1e-15F) return block;
  const float inverse = -128.0F / top;
  const float d = as_half(1.0F / inverse);
  put_half(&block[208], d);
  if (std::isinf(d)) return {};
  for (size_t j = 0; j < 16; ++j) {
    const auto scale = static_cast<int8_t>(std::min(127, plain_round(inverse * found.scales[j])));
    block[192 + j] = static_cast<uint8_t>(scale);
    settle(x.subspan(16 * j, 16), found.fits[j], d * static_cast<float>(scale), 0.0F, -32, 31);
    for (size_t i = 16 * j; i < 16 * j + 16; ++i) {
      const auto level = static_cast<unsigned>(found.fits[j].levels[i % 16] + 32);
      put_bits(&block[0], (i / 128 * 64 + i % 64) * 8 + i / 64 % 2 * 4, level, 4);
      put_bits(&block[128], (i / 128 * 32 + i % 32) * 8 + i / 32 % 4 * 2, level >> 4, 2);
    }
  }
  return block;
}

/// The block of 256 weights in the format of that name.
inline Bytes plain_block(std::string_view format, Weights x) {
  if (format == "Q2_K") return plain_q2_k(x);
  if (format == "Q3_K") return plain_q3_k(x);
  if (format == "Q4_K") return plain_q45_k(x, 4, {15, -1.0F, 20, false, true});
  if (format == "Q5_K") return plain_q45_k(x, 5, {31, -0.5F, 15, false, true});
  return plain_q6_k(x);
}

}  // namespace arrowquant::testing
