#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "base/half.h"

/// The K-quants once more, one weight after the other and with no thought of speed, to hold the kernels against.
namespace arrowquant::testing {

using Bytes = std::vector<uint8_t>;
using Weights = std::span<const float>;

/// Half to even by the mantissa of value + 1.5·2^23, of which 23 bits are looked at whatever the value.
inline int plain_round(float value) {
  return static_cast<int>(std::bit_cast<uint32_t>(value + 12582912.0F) & 0x7FFFFFU) - 0x400000;
}
inline int plain_level(float value, int low, int high) { return std::max(low, std::min(high, plain_round(value))); }
inline float as_half(float value) { return half_to_float(float_to_half(value)); }

struct PlainFit {
  float scale = 0.0F;
  float min = 0.0F;
  std::vector<int> levels;
};

struct MinSettings {
  int top;
  float first_step;
  int steps;
  bool absolute_error;
  bool root_mean_square;
};

inline float plain_error(Weights x, const std::vector<float>& w, const PlainFit& fit, bool absolute) {
  float error = 0.0F;
  for (size_t i = 0; i < x.size(); ++i) {
    const float difference = fit.scale * static_cast<float>(fit.levels[i]) + fit.min - x[i];
    error += w[i] * (absolute ? std::fabs(difference) : difference * difference);
  }
  return error;
}

inline std::vector<int> plain_spread(Weights x, float level_scale, float min, int top) {
  std::vector<int> levels;
  for (const float value : x) levels.push_back(plain_level(level_scale * (value - min), 0, top));
  return levels;
}

/// A scale and a min (≤ 0) for one sub-block.
inline PlainFit plain_min_fit(Weights x, const MinSettings& settings) {
  float base = 0.0F;
  if (settings.root_mean_square) {
    for (const float value : x) base += value * value;
    base = std::sqrt(base / static_cast<float>(x.size()));
  }
  std::vector<float> w;
  for (const float value : x) w.push_back(base + std::fabs(value));
  float sum_w = w[0];
  float sum_x = w[0] * x[0];
  for (size_t i = 1; i < x.size(); ++i) {
    sum_w += w[i];
    sum_x += w[i] * x[i];
  }
  const float highest = *std::max_element(x.begin(), x.end());
  PlainFit best;
  best.min = std::min(0.0F, *std::min_element(x.begin(), x.end()));
  best.levels.assign(x.size(), 0);
  if (highest == best.min) return best;
  const auto top = static_cast<float>(settings.top);
  const float start = top / (highest - best.min);
  best.scale = 1.0F / start;
  best.levels = plain_spread(x, start, best.min, settings.top);
  float least = plain_error(x, w, best, settings.absolute_error);
  for (int step = 0; step <= settings.steps; ++step) {
    const float level_scale = (settings.first_step + 0.1F * static_cast<float>(step) + top) / (highest - best.min);
    PlainFit fit{0.0F, 0.0F, plain_spread(x, level_scale, best.min, settings.top)};
    float sum_l = 0.0F;
    float sum_ll = 0.0F;
    float sum_xl = 0.0F;
    for (size_t i = 0; i < x.size(); ++i) {
      const auto level = static_cast<float>(fit.levels[i]);
      sum_l += w[i] * level;
      sum_ll += w[i] * level * level;
      sum_xl += w[i] * level * x[i];
    }
    const float determinant = sum_w * sum_ll - sum_l * sum_l;
    if (!(determinant > 0.0F)) continue;
    fit.scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
    fit.min = (sum_ll * sum_x - sum_l * sum_xl) / determinant;
    if (fit.min > 0.0F) {
      fit.min = 0.0F;
      fit.scale = sum_xl / sum_ll;
    }
    const float error = plain_error(x, w, fit, settings.absolute_error);
    if (error < least) {
      least = error;
      best = fit;
    }
  }
  return best;
}

/// Value of largest magnitude with its sign, the first one on a tie; NaN is passed over.
inline float plain_extreme(Weights x) {
  float magnitude = 0.0F;
  float extreme = 0.0F;
  for (const float value : x) {
    if (std::fabs(value) > magnitude) {
      magnitude = std::fabs(value);
      extreme = value;
    }
  }
  return extreme;
}

/// One sub-block of Q6_K. Levels count from −32.
inline PlainFit plain_scale_fit(Weights x) {
  const float extreme = plain_extreme(x);
  PlainFit best;
  best.levels.assign(x.size(), -32);
  if (std::fabs(extreme) < 1e-15F) return best;
  float most = 0.0F;
  for (int turn = 0; turn < 19; ++turn) {
    const int step = turn == 0 ? 0 : turn <= 9 ? turn - 10 : turn - 9;
    const float level_scale = -(32.0F + 0.1F * static_cast<float>(step)) / extreme;
    std::vector<int> levels;
    float sum_xl = 0.0F;
    float sum_ll = 0.0F;
    for (const float value : x) {
      levels.push_back(plain_level(level_scale * value, -32, 31));
      const auto level = static_cast<float>(levels.back());
      sum_xl += value * value * value * level;
      sum_ll += value * value * level * level;
    }
    const bool better = sum_ll > 0.0F && sum_xl * sum_xl > most * sum_ll;
    if (turn > 0 && !better) continue;
    best.scale = turn == 0 && sum_ll == 0.0F ? 0.0F : sum_xl / sum_ll;
    best.levels = levels;
    most = best.scale * sum_xl;
  }
  return best;
}

/// One sub-block of Q3_K. Levels count from −4.
inline PlainFit plain_coordinate_fit(Weights x) {
  const float extreme = plain_extreme(x);
  PlainFit fit;
  fit.levels.assign(x.size(), -4);
  if (std::fabs(extreme) < 1e-15F) return fit;
  float sum_xl = 0.0F;
  float sum_ll = 0.0F;
  for (size_t i = 0; i < x.size(); ++i) {
    fit.levels[i] = plain_level(-4.0F / extreme * x[i], -4, 3);
    const auto level = static_cast<float>(fit.levels[i]);
    sum_xl += x[i] * x[i] * x[i] * level;
    sum_ll += x[i] * x[i] * level * level;
  }
  bool changed = true;
  for (int round = 0; round < 5 && changed; ++round) {
    changed = false;
    for (size_t i = 0; i < x.size(); ++i) {
      const float square = x[i] * x[i];
      const auto level = static_cast<float>(fit.levels[i]);
      const float rest_xl = sum_xl - square * x[i] * level;
      const float rest_ll = sum_ll - square * level * level;
      if (!(rest_xl > 0.0F)) continue;
      const int moved = plain_level(x[i] * rest_ll / rest_xl, -4, 3);
      if (moved == fit.levels[i]) continue;
      const float new_xl = rest_xl + square * x[i] * static_cast<float>(moved);
      const float new_ll = rest_ll + square * static_cast<float>(moved) * static_cast<float>(moved);
      if (!(new_ll > 0.0F && new_xl * new_xl * sum_ll > sum_xl * sum_xl * new_ll)) continue;
      fit.levels[i] = moved;
      sum_xl = new_xl;
      sum_ll = new_ll;
      changed = true;
    }
  }
  fit.scale = sum_ll <= 0.0F ? 0.0F : sum_xl / sum_ll;
  return fit;
}

}  // namespace arrowquant::testing
