#pragma once

#include <array>

/// Levels that stand for whole numbers.
namespace arrowquant::best {

/// Half to even, of numbers below 2^22.
template <typename Lanes>
typename Lanes::F32 nearest_whole(typename Lanes::F32 value) noexcept {
  return Lanes::sub(Lanes::add(value, Lanes::splat(0x1.8p23F)), Lanes::splat(0x1.8p23F));
}

/// Whole numbers, half to even: for trials that put no weight outside of the levels.
struct AnyLevels {
  template <typename Lanes>
  static std::array<typename Lanes::F32, 4> nearest(const std::array<typename Lanes::F32, 4>& scaled) noexcept {
    return {nearest_whole<Lanes>(scaled[0]), nearest_whole<Lanes>(scaled[1]), nearest_whole<Lanes>(scaled[2]),
            nearest_whole<Lanes>(scaled[3])};
  }
};

/// Whole numbers from kLowest to kHighest, half to even.
template <int kLowest, int kHighest>
struct WholeLevels {
  template <typename Lanes>
  static typename Lanes::F32 nearest(typename Lanes::F32 scaled) noexcept {
    const auto inside = Lanes::pmax(Lanes::splat(float{kLowest}), Lanes::pmin(Lanes::splat(float{kHighest}), scaled));
    return nearest_whole<Lanes>(inside);
  }
  template <typename Lanes>
  static std::array<typename Lanes::F32, 4> nearest(const std::array<typename Lanes::F32, 4>& scaled) noexcept {
    return {nearest<Lanes>(scaled[0]), nearest<Lanes>(scaled[1]), nearest<Lanes>(scaled[2]), nearest<Lanes>(scaled[3])};
  }
};

}  // namespace arrowquant::best
