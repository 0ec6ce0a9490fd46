#pragma once

#include <cstddef>

namespace arrowquant::group_search {

/// Scales that are tried, as factors of the one that leaves no weight out.
struct ScaleRange {
  float first;
  float step;
};

inline constexpr size_t kTriedScales = 8;

/// With few levels, leaving out the largest weights pays; with many, only luck with the rounding does.
[[nodiscard]] constexpr ScaleRange tried_scales(float last_level) noexcept {
  constexpr float kSteps = kTriedScales - 1;
  if (last_level <= 3) return {0.4F, 0.6F / kSteps};
  if (last_level <= 7) return {0.5F, 0.5F / kSteps};
  if (last_level <= 15) return {0.65F, 0.35F / kSteps};
  if (last_level <= 63) return {0.85F, 0.15F / kSteps};
  return {0.99F, 0.02F / kSteps};
}

/// Four scales, where what follows from them is tried with other zero points, too.
[[nodiscard]] constexpr ScaleRange few_scales(float last_level) noexcept {
  if (last_level <= 3) return {0.45F, 0.12F};
  if (last_level <= 15) return {0.84F, 0.066F};
  return {0.999F, 0.006F};
}

/// Whether squared errors, summed up in f32 over a group, are less than others by more than the rounding of such sums.
template <typename L>
[[nodiscard]] typename L::Mask is_surely_less(typename L::F32 errors, typename L::F32 others) noexcept {
  constexpr float kMargin = 1 - 0x1p-12F;
  constexpr float kLeast = 0x1p-100F;
  return L::mask_and(L::gt(others, L::splat(kLeast)), L::lt(errors, L::mul(others, L::splat(kMargin))));
}

}  // namespace arrowquant::group_search
