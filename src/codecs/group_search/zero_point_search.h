#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "codecs/group_search/tried_scales.h"

/// The search for the scale and the zero point of groups that restore as (level − zero point)·scale.
namespace arrowquant::group_search {

/// What kWidth groups are encoded with. The zero point is a whole number.
template <typename L>
struct ZeroPointScale {
  typename L::F32 scale;
  typename L::F32 zero_point;
};

/// Weights by importance, a group in each lane, weight i of all lanes `stride` floats behind weight i − 1. Sums are
/// f32, weight by weight, so that they do not depend on lanes.
///
/// For a zero point and a scale each weight has its level; the scale that fits those levels best is Σwxd/Σwd², d being
/// the level less the zero point, and what it spares of the error Σw(x − d·scale)² is (Σwxd)²/Σwd². So each pass over
/// the group judges a scale by the one that follows from it.
///
/// `kWeighs` says whether there is importance.
template <typename L, bool kWeighs>
class ZeroPointSearch {
 public:
  using F32 = typename L::F32;
  using Found = ZeroPointScale<L>;

  /// Levels are 0 … last. `importance` has a stride of kWidth.
  ZeroPointSearch(const float* weights, size_t stride, const float* importance, size_t size, float last) noexcept
      : weights_(weights), stride_(stride), importance_(importance), size_(size), last_(last) {}

  /// Tries scales with the zero point of `plain`, then the zero points beside it.
  [[nodiscard, gnu::noinline]] Found search(const Found& plain) const noexcept {
    Best best = {L::splat(0.0F), plain};
    const ScaleRange range = few_scales(last_);
    const auto scaled = [&](int i) noexcept {
      return Found{L::mul(plain.scale, L::splat(range.first + range.step * static_cast<float>(i))), plain.zero_point};
    };
    take<2>({scaled(0), scaled(1)}, best);
    take<2>({scaled(2), scaled(3)}, best);
    const auto below = L::pmax(L::sub(plain.zero_point, L::splat(1.0F)), L::splat(0.0F));
    const auto above = L::pmin(L::add(plain.zero_point, L::splat(1.0F)), L::splat(last_));
    // The scale that fits best has other levels than the one that it was found by.
    const Found fit = best.found;
    take<3>({fit, Found{fit.scale, below}, Found{fit.scale, above}}, best);
    return best.found;
  }

  /// With the zero point in the middle. Of two signs of the scale one reaches a level further up, the other one a level
  /// further down: that is as if the zero point were one less.
  [[nodiscard, gnu::noinline]] Found search_symmetric(const Found& plain) const noexcept {
    const auto magnitude = L::abs(plain.scale);
    const auto middle = plain.zero_point;
    const auto below = L::sub(middle, L::splat(1.0F));
    Best best = {L::splat(0.0F), plain};
    const ScaleRange range = tried_scales(last_);
    for (size_t i = 0; i < kTriedScales; ++i) {
      const auto scale = L::mul(magnitude, L::splat(range.first + range.step * static_cast<float>(i)));
      take<2>({Found{scale, middle}, Found{scale, below}}, best);
    }
    for (int i = 0; i < 2; ++i) take<1>({best.found}, best);
    const auto is_below = L::ne(best.found.zero_point, middle);
    return {L::select(is_below, L::neg(best.found.scale), best.found.scale), middle};
  }

  /// Those of `found` where they lose less than `plain` by more than the rounding of these sums.
  [[nodiscard]] typename L::Mask is_better(const Found& found, const Found& plain) const noexcept {
    const std::array<Found, 2> both = {found, plain};
    const std::array<Steps, 2> steps = {steps_of(found), steps_of(plain)};
    std::array<F32, 2> errors = {L::splat(0.0F), L::splat(0.0F)};
    for (size_t i = 0; i < size_; ++i) {
      const F32 x = weight(i);
      for (size_t c = 0; c < both.size(); ++c) {
        const F32 error = L::sub(x, L::mul(steps[c].of(x), both[c].scale));
        errors[c] = L::add(errors[c], weigh(i, L::mul(error, error)));
      }
    }
    return is_surely_less<L>(errors[0], errors[1]);
  }

 private:
  struct Best {
    F32 spared;
    Found found;
  };

  [[nodiscard]] F32 weight(size_t i) const noexcept { return L::load(weights_ + i * stride_); }
  /// `term` times what weight `i` counts.
  [[nodiscard]] F32 weigh(size_t i, F32 term) const noexcept {
    if constexpr (kWeighs) return L::mul(L::load(importance_ + i * L::kWidth), term);
    return term;
  }

  /// How weights become levels less the zero point.
  struct Steps {
    F32 inverse;
    F32 low;
    F32 high;

    /// Half to even by adding 1.5·2^23: what that is too little for lies far outside.
    [[nodiscard]] F32 of(F32 x) const noexcept {
      const F32 steps = L::sub(L::add(L::mul(x, inverse), L::splat(12582912.0F)), L::splat(12582912.0F));
      return L::pmin(L::pmax(steps, low), high);
    }
  };

  [[nodiscard]] Steps steps_of(const Found& found) const noexcept {
    const auto zero = L::splat(0.0F);
    return {L::div(L::splat(1.0F), found.scale), L::sub(zero, found.zero_point),
            L::sub(L::splat(last_), found.zero_point)};
  }

  /// Keeps the best fit among those to the levels that `tried` give. Several together leave the processor more to do at
  /// the same time.
  template <size_t kCount>
  [[gnu::noinline]] void take(const std::array<Found, kCount>& tried, Best& best) const noexcept {
    std::array<Steps, kCount> steps;
    std::array<F32, kCount> products;
    std::array<F32, kCount> squares;
    for (size_t c = 0; c < kCount; ++c) {
      steps[c] = steps_of(tried[c]);
      products[c] = squares[c] = L::splat(0.0F);
    }
    for (size_t i = 0; i < size_; ++i) {
      const F32 x = weight(i);
      for (size_t c = 0; c < kCount; ++c) {
        const F32 d = steps[c].of(x);
        const F32 wd = weigh(i, d);
        products[c] = L::add(products[c], L::mul(wd, x));
        squares[c] = L::add(squares[c], L::mul(wd, d));
      }
    }
    for (size_t c = 0; c < kCount; ++c) {
      const F32 scale = L::div(products[c], squares[c]);
      const F32 spared = L::mul(products[c], scale);
      const auto is_more = L::gt(spared, best.spared);
      best.spared = L::select(is_more, spared, best.spared);
      best.found.scale = L::select(is_more, scale, best.found.scale);
      best.found.zero_point = L::select(is_more, tried[c].zero_point, best.found.zero_point);
    }
  }

  const float* weights_;
  size_t stride_;
  const float* importance_;
  size_t size_;
  float last_;
};

}  // namespace arrowquant::group_search
