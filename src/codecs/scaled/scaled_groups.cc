#include "codecs/scaled/scaled.h"

#include <algorithm>
#include <cstring>

namespace arrowquant::scaled {
namespace {

template <typename Work>
void for_each_group(std::span<float> weights, size_t size, Work work) noexcept {
  for (size_t at = 0; at < weights.size(); at += size) work(weights.subspan(at, std::min(size, weights.size() - at)));
}

/// Multiplies four weights, `step` apart, with the matrix of order four.
void rotate_four(float* at, size_t step) noexcept {
  const float a = at[0];
  const float b = at[step];
  const float c = at[2 * step];
  const float d = at[3 * step];
  at[0] = a + b + c - d;
  at[step] = a + b - c + d;
  at[2 * step] = a - b + c + d;
  at[3 * step] = b - a + c + d;
}

void rotate(std::span<float> group) noexcept {
  float norm = 1;
  for (size_t step = 1; step < group.size(); step *= 4) {
    norm *= 0.5F;
    for (size_t begin = 0; begin < group.size(); begin += 4 * step) {
      for (size_t i = begin; i < begin + step; ++i) rotate_four(group.data() + i, step);
    }
  }
  for (float& weight : group) weight *= norm;
}

}  // namespace

void expand_nibbles(const uint8_t* from, std::span<float> to, const NibbleValues& values, bool high_first) noexcept {
  for (size_t i = 0; i < to.size(); ++i) {
    const uint8_t pair = from[i / 2];
    to[i] = values[(i % 2 == 0) == high_first ? pair >> 4 : pair & 15];
  }
}

void scale_groups(std::span<const uint8_t> scales, size_t group_size, std::span<float> weights) noexcept {
  const uint8_t* at = scales.data();
  for_each_group(weights, group_size, [&](std::span<float> group) noexcept {
    float scale;
    std::memcpy(&scale, at, sizeof scale);
    at += sizeof scale;
    for (float& weight : group) weight *= scale;
  });
}

void rotate_groups(size_t group_size, std::span<float> weights) noexcept {
  for_each_group(weights, group_size, [&](std::span<float> group) noexcept {
    if (group.size() == group_size) rotate(group);
  });
}

}  // namespace arrowquant::scaled
