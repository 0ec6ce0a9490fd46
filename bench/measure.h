#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace arrowquant {

[[nodiscard]] inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Reproducible, bell-shaped.
[[nodiscard]] inline std::vector<float> sample_weights(size_t count) {
  std::vector<float> weights(count);
  uint32_t state = 1;
  for (float& x : weights) {
    for (int i = 0; i < 4; ++i) {
      state = state * 1664525U + 1013904223U;
      x += static_cast<float>(static_cast<int32_t>(state)) * 0x1p-36F;
    }
  }
  return weights;
}

}  // namespace arrowquant
