#pragma once

#include <array>

#include "codecs/blocks_of_32/iq4_levels.h"

/// What the search for one scale needs to know of the values of IQ4_NL and IQ4_XS.
namespace arrowquant::best {

struct Iq4Values {
  /// The value nearest to each; the upper one of two equally near.
  template <typename Lanes>
  static std::array<typename Lanes::F32, 4> nearest(const std::array<typename Lanes::F32, 4>& scaled) noexcept {
    const auto twice = [&](size_t i) noexcept { return iq4::within_reach<Lanes>(Lanes::add(scaled[i], scaled[i])); };
    return iq4::look_up<Lanes>(iq4::kValueTable, iq4::nearest_levels<Lanes>({twice(0), twice(1), twice(2), twice(3)}));
  }
};

/// Where trials put the peak: around the outermost values, 113 and −127, which are not equally far from zero.
inline constexpr std::array kIq4Peaks = {114.0F, -136.0F, -108.0F, 120.0F, -130.0F, -122.0F, 108.0F,
                                         90.0F,  -142.0F, -112.0F, 126.0F, -126.0F, -102.0F, -134.0F,
                                         -84.0F, -118.0F, 112.0F,  116.0F, 122.0F,  -138.0F, -90.0F};

}  // namespace arrowquant::best
