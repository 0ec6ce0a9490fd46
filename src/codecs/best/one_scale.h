#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/best/improve.h"
#include "codecs/best/whole_levels.h"

/// The search for one scale: weight ≈ d · value, where the values are what the levels of a format stand for.
///
/// A trial takes the value nearest to weight / d for each weight, for a d that puts the block's peak somewhere around
/// the outermost values, and finds the d that is best for those values by least squares: Σ w·x·value / Σ w·value². Of
/// all trials the one that explains most, d · Σ w·x·value, is refined by another such step and rounded to f16.
namespace arrowquant::best {

/// Σ w·x·value and Σ w·value².
template <typename Lanes>
struct ScaleSums {
  typename Lanes::F32 product = Lanes::splat(0.0F);
  typename Lanes::F32 square = Lanes::splat(0.0F);
};

/// The best scale so far, and what it explains of Σ w·x².
template <typename Lanes>
struct BestScale {
  typename Lanes::F32 scale = Lanes::splat(0.0F);
  typename Lanes::F32 explained = Lanes::splat(0.0F);

  /// `unit` is what the sums' values are multiples of.
  void challenge(const ScaleSums<Lanes>& sums, typename Lanes::F32 unit = Lanes::splat(1.0F)) noexcept {
    const auto fitted = Lanes::div(sums.product, sums.square);
    const auto explains = Lanes::mul(fitted, sums.product);
    const auto better = Lanes::gt(explains, explained);
    scale = Lanes::select(better, Lanes::mul(fitted, unit), scale);
    explained = Lanes::select(better, explains, explained);
  }
};

/// Four rows from `j` on.
template <typename Lanes>
std::array<typename Lanes::F32, 4> four_rows(const Rows<Lanes>& rows, size_t j) noexcept {
  return {rows[j], rows[j + 1], rows[j + 2], rows[j + 3]};
}

template <typename Lanes>
std::array<typename Lanes::F32, 4> scale_four(const std::array<typename Lanes::F32, 4>& rows,
                                              typename Lanes::F32 factor) noexcept {
  return {Lanes::mul(rows[0], factor), Lanes::mul(rows[1], factor), Lanes::mul(rows[2], factor),
          Lanes::mul(rows[3], factor)};
}

/// Trials side by side: each is a chain of dependent additions.
template <typename Levels, typename Lanes, bool kWeighs, size_t kCount>
std::array<ScaleSums<Lanes>, kCount> try_scales(const Targets<Lanes, kWeighs>& targets,
                                                const std::array<typename Lanes::F32, kCount>& inv_scales) noexcept {
  std::array<ScaleSums<Lanes>, kCount> sums;
  for (size_t j = 0; j < kWeights; j += 4) {
    const auto weights = four_rows<Lanes>(targets.weights, j);
    for (size_t k = 0; k < kCount; ++k) {
      const auto values = Levels::template nearest<Lanes>(scale_four<Lanes>(weights, inv_scales[k]));
      for (size_t i = 0; i < 4; ++i) {
        const auto weighed = targets.weigh(j + i, values[i]);
        sums[k].product = Lanes::add(sums[k].product, Lanes::mul(weights[i], weighed));
        sums[k].square = Lanes::add(sums[k].square, Lanes::mul(values[i], weighed));
      }
    }
  }
  return sums;
}

/// Trials that put the peak at `peaks`, kTogether of them at once.
template <typename Levels, size_t kTogether, typename Lanes, bool kWeighs, size_t kCount>
void run_trials(const std::array<float, kCount>& peaks, const Targets<Lanes, kWeighs>& targets,
                BestScale<Lanes>& best) noexcept {
  static_assert(kCount % kTogether == 0);
  const auto inv_peak = blocks_of_32::invert<Lanes>(signed_peak<Lanes>(targets.weights));
  for (size_t t = 0; t < kCount; t += kTogether) {
    std::array<typename Lanes::F32, kTogether> inv_scales;
    for (size_t k = 0; k < kTogether; ++k) inv_scales[k] = Lanes::mul(Lanes::splat(peaks[t + k]), inv_peak);
    for (const auto& sums : try_scales<Levels, Lanes, kWeighs, kTogether>(targets, inv_scales)) best.challenge(sums);
  }
}

/// Another step of least squares, from the values nearest with the best scale.
template <typename Levels, typename Lanes, bool kWeighs>
void refine(const Targets<Lanes, kWeighs>& targets, BestScale<Lanes>& best) noexcept {
  best.challenge(try_scales<Levels, Lanes, kWeighs, 1>(targets, {blocks_of_32::invert<Lanes>(best.scale)})[0]);
}

/// Σ w·(x − scale·value)², with the values nearest to x · inv_scale.
template <typename Levels, typename Lanes, bool kWeighs>
typename Lanes::F32 error_of(const Targets<Lanes, kWeighs>& targets, typename Lanes::F32 scale,
                             typename Lanes::F32 inv_scale) noexcept {
  auto error = Lanes::splat(0.0F);
  for (size_t j = 0; j < kWeights; j += 4) {
    const auto weights = four_rows<Lanes>(targets.weights, j);
    const auto values = Levels::template nearest<Lanes>(scale_four<Lanes>(weights, inv_scale));
    for (size_t i = 0; i < 4; ++i) {
      const auto off = Lanes::sub(weights[i], Lanes::mul(values[i], scale));
      error = Lanes::add(error, targets.weigh(j + i, Lanes::mul(off, off)));
    }
  }
  return error;
}

/// What is there before the search.
template <typename Lanes>
struct Present {
  typename Lanes::F32 error = Lanes::splat(0.0F);
  ScaleSums<Lanes> sums;  ///< with the decoded weights as values

  template <bool kWeighs>
  Present(const Targets<Lanes, kWeighs>& targets, const Rows<Lanes>& decoded) noexcept {
    for (size_t j = 0; j < kWeights; ++j) {
      const auto weight = targets.weights[j];
      const auto value = decoded[j];
      const auto off = Lanes::sub(weight, value);
      const auto weighed = targets.weigh(j, value);
      error = Lanes::add(error, targets.weigh(j, Lanes::mul(off, off)));
      sums.product = Lanes::add(sums.product, Lanes::mul(weight, weighed));
      sums.square = Lanes::add(sums.square, Lanes::mul(value, weighed));
    }
  }
};

/// `Format` has a Block with an f16 `scale`, its `decode`, the `Levels` and, for trials, TrialLevels, `kPeaks`, the
/// values at which trials put the peak, kTogether of which are tried at once, and `pack`, which fills a block's levels
/// given 1/d.
template <typename Format>
struct OneScale {
  using Block = typename Format::Block;
  static constexpr size_t kBlockWeights = kWeights;
  template <typename Lanes>
  static constexpr size_t kAtOnce = Lanes::kWidth;

  template <typename Lanes>
  static typename Lanes::F32 scales_of(const Block* blocks) noexcept {
    alignas(16) std::array<float, Lanes::kWidth> scales;
    for (size_t r = 0; r < Lanes::kWidth; ++r) scales[r] = blocks_of_32::load_half(blocks[r].scale);
    return Lanes::load(scales.data());
  }

  template <typename Lanes, bool kWeighs>
  static void improve(const float* from, const float* importance, Block* blocks) noexcept {
    using Levels = typename Format::Levels;
    Targets<Lanes, kWeighs> targets;
    targets.load(from, importance);
    const Present<Lanes> present(targets, decode_rows<Format, Lanes>(blocks));
    BestScale<Lanes> best;
    best.challenge(present.sums, scales_of<Lanes>(blocks));
    run_trials<typename Format::TrialLevels, Format::kTogether>(Format::kPeaks, targets, best);
    refine<Levels>(targets, best);
    const auto half = number_to_half<Lanes>(best.scale);
    const auto scale = half_to_float<Lanes>(half);
    const auto inv_scale = blocks_of_32::invert<Lanes>(scale);
    const auto better = is_better<Lanes>(error_of<Levels>(targets, scale, inv_scale), present.error);
    alignas(16) std::array<int32_t, Lanes::kWidth> halves;
    alignas(16) std::array<float, Lanes::kWidth> inv_scales;
    Lanes::store(halves.data(), half);
    Lanes::store(inv_scales.data(), inv_scale);
    for (size_t r = 0; r < Lanes::kWidth; ++r) {
      if ((Lanes::bitmask(better) >> r & 1) == 0) continue;
      store_u16(blocks[r].scale.data(), static_cast<uint16_t>(halves[r]));
      Format::template pack<Lanes>(from + r * kWeights, inv_scales[r], blocks[r]);
    }
  }
};

}  // namespace arrowquant::best
