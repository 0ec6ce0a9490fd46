#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/improved_blocks.h"

/// The search for the scale d of a block of E2M1 elements among those that a format has: for each, the error with the
/// nearest elements.
namespace arrowquant::fp4 {

/// Distance from a magnitude, in units of d, to the nearest of 0, 1, 2, 3, 4, 6, 8 and 12.
template <typename L>
typename L::F32 distance_to_element(typename L::F32 magnitude) noexcept {
  constexpr int32_t kTwo = 128 << 23;
  // A power of two whose last place is the step between elements there: 1 below 4, 2 and 4 above. The sum rounds to it.
  const auto exponent = L::max(L::bit_and(L::bits(magnitude), L::splat(0x7F800000)), L::splat(kTwo));
  const auto power = L::from_bits(L::add(exponent, L::splat(22 << 23)));
  const auto element = L::pmin(L::splat(12.0F), L::sub(L::add(magnitude, power), power));
  return L::sub(magnitude, element);
}

/// Which of `scales`, normal numbers whose count 4 divides, loses least, in f32 sums in index order: the first of them.
/// A lane is a scale.
template <typename L, size_t kScales>
size_t find_best_scale(std::span<const float> weights, const float* importance,
                       const std::array<float, kScales>& scales) noexcept {
  static_assert(kScales % 4 == 0);
  std::array<float, kScales> errors;
  for (size_t s = 0; s < kScales; s += L::kWidth) {
    const auto scale = L::load(&scales[s]);
    const auto inv_scale = L::div(L::splat(1.0F), scale);
    auto error = L::splat(0.0F);
    for (size_t i = 0; i < weights.size(); ++i) {
      const auto distance = distance_to_element<L>(L::mul(L::abs(L::splat(weights[i])), inv_scale));
      error = L::add(error, L::mul(L::splat(importance[i]), L::mul(distance, distance)));
    }
    L::store(&errors[s], L::mul(error, L::mul(scale, scale)));
  }
  size_t best = 0;
  for (size_t s = 1; s < kScales; ++s) best = errors[s] < errors[best] ? s : best;
  return best;
}

}  // namespace arrowquant::fp4
