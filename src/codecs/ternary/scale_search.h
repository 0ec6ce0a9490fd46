#pragma once

#include <array>
#include <cstddef>

#include "codecs/improved_blocks.h"

/// The search for the scale d of levels −1, 0 and 1, or of −1…2, that loses least.
///
/// Whatever the importance, the nearest levels of a scale are decided by thresholds of weights: |d|/2, and 3·|d|/2 for
/// the level 2. For given levels the best scale is Σ importance·weight·level / Σ importance·level², and the square of
/// the former sum over the latter is what it explains of the weights. So the search runs over thresholds, and all that
/// it needs are sums over the weights above each of them.
namespace arrowquant::ternary {

/// Over the weights above a threshold: Σ importance·weight and Σ importance.
struct TailSums {
  float product = 0.0F;
  float count = 0.0F;
};

/// Weights, and how much each of them counts.
template <size_t kCount>
struct Counted {
  alignas(16) std::array<float, kCount> weights;
  alignas(16) std::array<float, kCount> products;
  const float* importance;
};

/// Of four partial sums each, which are added up in pairs.
template <typename L, size_t kSums>
std::array<float, kSums> add_parts(
    const std::array<std::array<typename L::F32, 4 / L::kWidth>, kSums>& parts) noexcept {
  std::array<float, kSums> sums;
  if constexpr (L::kWidth == 4 && kSums == 4) {
    const auto columns = L::transpose({parts[0][0], parts[1][0], parts[2][0], parts[3][0]});
    L::store(sums.data(), L::add(L::add(columns[0], columns[1]), L::add(columns[2], columns[3])));
  } else {
    for (size_t i = 0; i < kSums; ++i) {
      std::array<float, 4> lanes;
      for (size_t v = 0; v < parts[i].size(); ++v) L::store(&lanes[v * L::kWidth], parts[i][v]);
      sums[i] = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
    }
  }
  return sums;
}

/// The sums for each threshold, in f32: four partial ones, of every fourth weight each, which are added up in the end.
template <typename L, size_t kThresholds, size_t kCount>
[[gnu::noinline]] std::array<TailSums, kThresholds> sum_tails(
    const Counted<kCount>& counted, const std::array<float, kThresholds>& thresholds) noexcept {
  constexpr size_t kVectors = 4 / L::kWidth;
  std::array<std::array<typename L::F32, kVectors>, kThresholds> products;
  std::array<std::array<typename L::F32, kVectors>, kThresholds> counts;
  for (size_t t = 0; t < kThresholds; ++t) {
    products[t].fill(L::splat(0.0F));
    counts[t].fill(L::splat(0.0F));
  }
  for (size_t at = 0; at < kCount; at += 4) {
    for (size_t v = 0; v < kVectors; ++v) {
      const size_t i = at + v * L::kWidth;
      const auto weights = L::load(&counted.weights[i]);
      const auto product = L::bits(L::load(&counted.products[i]));
      const auto count = L::bits(L::load(counted.importance + i));
      for (size_t t = 0; t < kThresholds; ++t) {
        const auto is_above = L::mask_bits(L::gt(weights, L::splat(thresholds[t])));
        products[t][v] = L::add(products[t][v], L::from_bits(L::bit_and(product, is_above)));
        counts[t][v] = L::add(counts[t][v], L::from_bits(L::bit_and(count, is_above)));
      }
    }
  }
  const auto product = add_parts<L>(products);
  const auto count = add_parts<L>(counts);
  std::array<TailSums, kThresholds> sums;
  for (size_t t = 0; t < kThresholds; ++t) sums[t] = {product[t], count[t]};
  return sums;
}

/// The best scale so far.
struct BestScale {
  float scale = 0.0F;
  float explained = 0.0F;

  /// `product` is Σ importance·weight·level, `square` Σ importance·level², of levels that belong to a scale with this
  /// sign. True if they explain more.
  bool challenge(float product, float square, float sign) noexcept {
    if (!(square > 0.0F)) return false;
    const float magnitude = product / square;
    if (!(magnitude * product > explained)) return false;
    explained = magnitude * product;
    scale = sign * magnitude;
    return true;
  }
};

/// kThresholds thresholds from `first` down, each `factor` times the one before.
template <size_t kThresholds>
std::array<float, kThresholds> make_thresholds(float first, float factor) noexcept {
  std::array<float, kThresholds> thresholds;
  for (float& threshold : thresholds) {
    threshold = first;
    first *= factor;
  }
  return thresholds;
}

}  // namespace arrowquant::ternary
