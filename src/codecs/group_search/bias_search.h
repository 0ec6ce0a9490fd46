#pragma once

#include <array>
#include <cstddef>

#include "codecs/group_search/group_tile.h"
#include "codecs/group_search/tried_scales.h"

/// The search for the scale and the bias of groups that restore as level·scale + bias.
namespace arrowquant::group_search {

/// What kWidth groups are encoded with.
template <typename L>
struct BiasScale {
  typename L::F32 scale;
  typename L::F32 bias;
};

/// level = clamp(round((x − bias)/scale), 0, last), half to even.
template <typename L>
class BiasLevels {
 public:
  using F32 = typename L::F32;

  BiasLevels(const BiasScale<L>& found, float last) noexcept
      : bias_(found.bias), inverse_(L::div(L::splat(1.0F), found.scale)), last_(L::splat(last)) {}

  /// Rounds by adding 1.5·2^23: what that is too little for lies far outside.
  [[nodiscard]] F32 of(F32 x) const noexcept {
    constexpr float kMagic = 12582912.0F;
    const F32 steps = L::add(L::mul(L::sub(x, bias_), inverse_), L::splat(kMagic));
    return L::pmin(L::pmax(L::sub(steps, L::splat(kMagic)), L::splat(0.0F)), last_);
  }

 private:
  F32 bias_;
  F32 inverse_;
  F32 last_;
};

/// A group in each lane; sums are f32, weight by weight. For each way to levels l the scale and the bias are taken that
/// fit them best: they solve scale·Σwl² + bias·Σwl = Σwxl and scale·Σwl + bias·Σw = Σwx, and what they spare of the
/// error is scale·Σwxl + bias·Σwx.
template <typename L>
class BiasSearch {
 public:
  using F32 = typename L::F32;
  using Found = BiasScale<L>;

  /// Levels are 0 … last.
  BiasSearch(const GroupTile<L>& tile, float last) noexcept : tile_(tile), last_(last) {
    lowest_ = highest_ = L::load(tile.weights.data());
    for (size_t i = 0; i < tile.size; ++i) {
      lowest_ = L::pmin(lowest_, weight(i));
      highest_ = L::pmax(highest_, weight(i));
      sum_ = L::add(sum_, importance(i));
      sum_of_weights_ = L::add(sum_of_weights_, L::mul(importance(i), weight(i)));
    }
  }

  /// Tries scales around the middle of the weights, then what the best of them leads to. Of the tile, in its unit.
  [[nodiscard]] Found search() const noexcept {
    const ScaleRange range = tried_scales(last_);
    const F32 step = L::div(L::sub(highest_, lowest_), L::splat(last_));
    const F32 middle = L::mul(L::add(highest_, lowest_), L::splat(0.5F));
    Best best = {L::splat(-1.0F), {step, lowest_}};
    for (size_t i = 0; i < kTriedScales; ++i) {
      const F32 scale = L::mul(step, L::splat(range.first + range.step * static_cast<float>(i)));
      take({scale, L::sub(middle, L::mul(scale, L::splat(0.5F * last_)))}, best);
    }
    constexpr size_t kRefinements = 3;
    for (size_t i = 0; i < kRefinements; ++i) take(Found(best.found), best);
    return best.found;
  }

 private:
  struct Best {
    F32 spared;
    Found found;
  };

  [[nodiscard]] F32 weight(size_t i) const noexcept { return L::load(&tile_.weights[i * L::kWidth]); }
  [[nodiscard]] F32 importance(size_t i) const noexcept { return L::load(&tile_.importance[i * L::kWidth]); }

  [[gnu::noinline]] void take(const Found& tried, Best& best) const noexcept {
    const BiasLevels<L> levels(tried, last_);
    F32 ones = L::splat(0.0F);
    F32 squares = L::splat(0.0F);
    F32 products = L::splat(0.0F);
    for (size_t i = 0; i < tile_.size; ++i) {
      const F32 x = weight(i);
      const F32 level = levels.of(x);
      const F32 weighed = L::mul(importance(i), level);
      ones = L::add(ones, weighed);
      squares = L::add(squares, L::mul(weighed, level));
      products = L::add(products, L::mul(weighed, x));
    }
    const F32 determinant = L::sub(L::mul(sum_, squares), L::mul(ones, ones));
    const F32 scale = L::div(L::sub(L::mul(sum_, products), L::mul(sum_of_weights_, ones)), determinant);
    const F32 bias = L::div(L::sub(L::mul(squares, sum_of_weights_), L::mul(ones, products)), determinant);
    const F32 spared = L::add(L::mul(scale, products), L::mul(bias, sum_of_weights_));
    const auto is_more = L::mask_and(L::gt(determinant, L::splat(0.0F)), L::gt(spared, best.spared));
    best.spared = L::select(is_more, spared, best.spared);
    best.found.scale = L::select(is_more, scale, best.found.scale);
    best.found.bias = L::select(is_more, bias, best.found.bias);
  }

  const GroupTile<L>& tile_;
  float last_;
  F32 lowest_;
  F32 highest_;
  F32 sum_ = L::splat(0.0F);
  F32 sum_of_weights_ = L::splat(0.0F);
};

}  // namespace arrowquant::group_search
