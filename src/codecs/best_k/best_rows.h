#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/half.h"

/// What the searches of the most effort do with a vector of sub-blocks, one a lane.
namespace arrowquant::best_k {

/// The weights at one index of the sub-blocks, and how much each counts.
template <typename Lanes>
struct Row {
  alignas(16) std::array<float, Lanes::kWidth> value;
  alignas(16) std::array<float, Lanes::kWidth> count;
};

template <typename Lanes, size_t kWeights>
using Rows = std::array<Row<Lanes>, kWeights>;

/// The nearest f16, half to even; infinite where that overflows.
inline float round_to_half(float value) noexcept { return half_to_float(float_to_half(value)); }

/// 1/value; 0 for 0.
template <typename Lanes>
typename Lanes::F32 invert(typename Lanes::F32 value) noexcept {
  const auto zero = Lanes::splat(0.0F);
  return Lanes::select(Lanes::eq(value, zero), zero, Lanes::div(Lanes::splat(1.0F), value));
}

template <typename Lanes>
typename Lanes::F32 clamp(typename Lanes::F32 value, int32_t low, int32_t high) noexcept {
  return Lanes::pmin(Lanes::splat(static_cast<float>(high)), Lanes::pmax(Lanes::splat(static_cast<float>(low)), value));
}

}  // namespace arrowquant::best_k
