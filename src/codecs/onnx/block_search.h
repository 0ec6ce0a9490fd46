#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/onnx/column_levels.h"

/// The search for the scale and the zero point of a block that ONNX Runtime calls k_quant
/// (onnxruntime/python/tools/quantization/neural_compressor/weight_only.py), after llama.cpp's for its K types, in f32.
/// Columns are lanes, and sums are added row by row.
namespace arrowquant::onnx {

/// What a block of kWidth columns is encoded with.
template <typename L>
struct ScalePair {
  typename L::F32 scale;
  typename L::F32 zero_point;
};

template <typename L>
class BlockSearch {
 public:
  /// `tile` has `rows` rows of kStripColumns<L> weights. Levels are 0…last.
  BlockSearch(const float* tile, size_t rows, float last) noexcept : tile_(tile), rows_(rows), last_(last) {
    auto squares = L::splat(0.0F);
    least_ = highest_ = L::load(tile);
    for_each_row([&](F32 x) noexcept {
      squares = L::add(squares, L::mul(x, x));
      least_ = L::pmin(least_, x);
      highest_ = L::pmax(highest_, x);
    });
    mean_ = L::sqrt(L::div(squares, L::splat(static_cast<float>(rows))));
  }

  /// Steps of 20 widths are tried; of each, the scale and least value that fit its levels best.
  [[nodiscard]] ScalePair<L> search() const noexcept {
    constexpr int kSteps = 20;
    Fit best = widest();
    const Sums whole = sums_with([](F32) noexcept { return L::splat(0.0F); });
    for (int step = 0; step < kSteps; ++step) {
      const float width = -1.0F + 0.1F * static_cast<float>(step) + last_;
      const F32 inverse = inverse_of(L::sub(highest_, best.least), width);
      const F32 least = best.least;
      const auto level = [&](F32 x) noexcept { return clamped(L::mul(inverse, L::sub(x, least))); };
      const Sums sums = sums_with(level);
      const F32 determinant = L::sub(L::mul(whole.w, sums.ll), L::mul(sums.l, sums.l));
      Fit fit;
      fit.scale = L::div(L::sub(L::mul(whole.w, sums.xl), L::mul(whole.x, sums.l)), determinant);
      fit.least = L::div(L::sub(L::mul(sums.ll, whole.x), L::mul(sums.l, sums.xl)), determinant);
      fit.error = error_with(level, fit.scale, fit.least);
      const auto is_better = L::lt(fit.error, best.error);
      best.scale = L::select(is_better, fit.scale, best.scale);
      best.least = L::select(is_better, fit.least, best.least);
      best.error = L::select(is_better, fit.error, best.error);
    }
    return {best.scale, clamped(L::div(L::neg(best.least), best.scale))};
  }

  /// What is lost with a scale and a zero point, weighed; NaN where that cannot be.
  [[nodiscard]] typename L::F32 loss(const ScalePair<L>& pair) const noexcept {
    const F32 inverse = L::div(L::splat(1.0F), pair.scale);
    const auto level = [&](F32 x) noexcept {
      const F32 steps = L::pmax(L::splat(0.0F), L::add(L::mul(x, inverse), pair.zero_point));
      return L::sub(round_half_up<L>(L::pmin(steps, L::splat(last_))), pair.zero_point);
    };
    return error_with(level, pair.scale, L::splat(0.0F));
  }

 private:
  using F32 = typename L::F32;

  struct Fit {
    F32 scale;
    F32 least;
    F32 error;
  };

  /// Sums over the rows, each weighed: of 1, weights, levels, levels squared, and weights times levels.
  struct Sums {
    F32 w = L::splat(0.0F);
    F32 x = L::splat(0.0F);
    F32 l = L::splat(0.0F);
    F32 ll = L::splat(0.0F);
    F32 xl = L::splat(0.0F);
  };

  template <typename Use>
  void for_each_row(Use use) const noexcept {
    for (size_t r = 0; r < rows_; ++r) use(L::load(tile_ + r * kStripColumns<L>));
  }

  [[nodiscard]] F32 clamped(F32 value) const noexcept {
    return L::pmin(L::pmax(L::splat(0.0F), L::nearest(value)), L::splat(last_));
  }

  /// How much an error of a weight counts.
  [[nodiscard]] F32 weigh(F32 x) const noexcept { return L::add(mean_, L::abs(x)); }

  [[nodiscard]] static F32 inverse_of(F32 extent, float width) noexcept {
    const auto is_point = L::eq(extent, L::splat(0.0F));
    return L::select(is_point, L::splat(1.0F), L::div(L::splat(width), extent));
  }

  /// From the least weight to the greatest.
  [[nodiscard]] Fit widest() const noexcept {
    const F32 inverse = inverse_of(L::sub(highest_, least_), last_);
    const F32 scale = L::div(L::splat(1.0F), inverse);
    const auto level = [&](F32 x) noexcept { return clamped(L::mul(inverse, L::sub(x, least_))); };
    return {scale, least_, error_with(level, scale, least_)};
  }

  template <typename Level>
  [[nodiscard]] Sums sums_with(Level level) const noexcept {
    Sums sums;
    for_each_row([&](F32 x) noexcept {
      const F32 weight = weigh(x);
      const F32 l = level(x);
      const F32 weighed = L::mul(weight, l);
      sums.w = L::add(sums.w, weight);
      sums.x = L::add(sums.x, L::mul(weight, x));
      sums.l = L::add(sums.l, weighed);
      sums.ll = L::add(sums.ll, L::mul(weighed, l));
      sums.xl = L::add(sums.xl, L::mul(weighed, x));
    });
    return sums;
  }

  template <typename Level>
  [[nodiscard]] F32 error_with(Level level, F32 scale, F32 least) const noexcept {
    F32 error = L::splat(0.0F);
    for_each_row([&](F32 x) noexcept {
      const F32 difference = L::sub(L::add(L::mul(scale, level(x)), least), x);
      error = L::add(error, L::mul(weigh(x), L::mul(difference, difference)));
    });
    return error;
  }

  const float* tile_;
  size_t rows_;
  float last_;
  F32 mean_;
  F32 least_;
  F32 highest_;
};

}  // namespace arrowquant::onnx
