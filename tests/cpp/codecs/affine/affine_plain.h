#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "codecs/affine/affine.h"

namespace arrowquant::testing {

/// Everything that encode_affine writes.
struct Encoded {
  std::vector<uint8_t> packed;
  std::vector<float> scales;
  std::vector<uint8_t> zero_points;

  Encoded(size_t weights, uint32_t bits, uint32_t group_size)
      : packed((weights * bits + 7) / 8), scales((weights + group_size - 1) / group_size), zero_points(scales.size()) {}

  [[nodiscard]] AffineOutput output() { return {packed, scales, zero_points}; }
};

/// The affine formula from its text, a weight at a time, without regard to speed. Rounds with the C library.
class PlainAffine {
 public:
  PlainAffine(uint32_t bits, bool symmetric)
      : bits_(bits), last_((1 << bits) - 1), middle_(1 << (bits - 1)), symmetric_(symmetric) {}

  [[nodiscard]] AffineScale scale_of(std::span<const float> group) const {
    const float scale = symmetric_ ? symmetric_scale(group) : asymmetric_scale(group);
    if (scale == 0.0F || std::fpclassify(scale) == FP_SUBNORMAL) {
      return {1.0F, static_cast<uint8_t>(symmetric_ ? middle_ : 0)};
    }
    if (symmetric_) return {scale, static_cast<uint8_t>(middle_)};
    float lo = 0.0F;
    for (const float x : group) lo = std::fmin(lo, x);
    const float inv_scale = 1.0F / scale;
    const float product = -lo * inv_scale;
    return {scale, static_cast<uint8_t>(clamp(std::nearbyint(product)))};
  }

  [[nodiscard]] int level_of(float weight, AffineScale group) const {
    const float inv_scale = 1.0F / group.scale;
    const float product = weight * inv_scale;
    return clamp(std::nearbyint(static_cast<double>(product)) + group.zero_point);
  }

  void put_level(std::span<uint8_t> packed, size_t index, int level) const {
    for (uint32_t bit = 0; bit < bits_; ++bit) {
      const size_t at = index * bits_ + bit;
      if ((level >> bit & 1) != 0) packed[at / 8] = static_cast<uint8_t>(packed[at / 8] | 1U << at % 8);
    }
  }

  [[nodiscard]] int get_level(std::span<const uint8_t> packed, size_t index) const {
    int level = 0;
    for (uint32_t bit = 0; bit < bits_; ++bit) {
      const size_t at = index * bits_ + bit;
      level |= (packed[at / 8] >> at % 8 & 1) << bit;
    }
    return level;
  }

  [[nodiscard]] Encoded encode(std::span<const float> weights, uint32_t group_size) const {
    Encoded result(weights.size(), bits_, group_size);
    for (size_t i = 0; i < weights.size(); ++i) {
      const size_t g = i / group_size;
      if (i % group_size == 0) {
        const AffineScale group = scale_of(weights.subspan(i, std::min<size_t>(group_size, weights.size() - i)));
        result.scales[g] = group.scale;
        result.zero_points[g] = group.zero_point;
      }
      put_level(result.packed, i, level_of(weights[i], {result.scales[g], result.zero_points[g]}));
    }
    return result;
  }

  [[nodiscard]] float decode(const Encoded& encoded, size_t index, uint32_t group_size) const {
    const size_t g = index / group_size;
    return static_cast<float>(get_level(encoded.packed, index) - encoded.zero_points[g]) * encoded.scales[g];
  }

 private:
  [[nodiscard]] int clamp(double level) const { return static_cast<int>(std::fmax(0.0, std::fmin(level, last_))); }

  [[nodiscard]] float asymmetric_scale(std::span<const float> group) const {
    double lo = 0;
    double hi = 0;
    for (const double x : group) {
      lo = x < lo ? x : lo;
      hi = x > hi ? x : hi;
    }
    return static_cast<float>((hi - lo) / last_);
  }

  [[nodiscard]] float symmetric_scale(std::span<const float> group) const {
    float extreme = 0.0F;
    for (const float x : group) {
      if (std::fabs(x) > std::fabs(extreme)) extreme = x;
    }
    return -extreme / static_cast<float>(middle_);
  }

  uint32_t bits_;
  int last_;
  int middle_;
  bool symmetric_;
};

}  // namespace arrowquant::testing
