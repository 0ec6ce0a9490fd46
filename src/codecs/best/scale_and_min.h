#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/best/improve.h"
#include "codecs/best/whole_levels.h"

/// The search for a scale and a min: weight ≈ d · level + m with levels from 0 to kMaxLevel.
///
/// It goes on in *steps*, in which a block's least weight is 0 and its greatest kMaxLevel. A trial puts the first and
/// the last level somewhere around these, takes the nearest level for each weight, and finds the line that is best for
/// those levels by least squares. Of all trials the one that leaves least is refined by more such steps; d is rounded
/// to f16, then m, which makes up for it.
namespace arrowquant::best {

/// Where a trial puts the first level above 0 and the last below kMaxLevel, in 3/16 of a step.
struct Ends {
  int first;
  int last;
};

/// A line through levels: step ≈ slope · level + offset.
template <typename Lanes>
struct Line {
  typename Lanes::F32 slope = Lanes::splat(0.0F);
  typename Lanes::F32 offset = Lanes::splat(0.0F);
};

/// The way back, from steps to levels: step · factor + shift.
template <typename Lanes>
struct ToLevels {
  typename Lanes::F32 factor;
  typename Lanes::F32 shift;
};

template <typename Lanes>
ToLevels<Lanes> invert_line(const Line<Lanes>& line) noexcept {
  const auto factor = blocks_of_32::invert<Lanes>(line.slope);
  return {factor, Lanes::neg(Lanes::mul(line.offset, factor))};
}

template <typename Lanes>
ToLevels<Lanes> between(Ends ends, int max_level) noexcept {
  constexpr float kUnit = 0.1875F;
  const auto levels = static_cast<float>(max_level);
  const float factor = levels / (levels - kUnit * static_cast<float>(ends.first + ends.last));
  return {Lanes::splat(factor), Lanes::splat(-kUnit * static_cast<float>(ends.first) * factor)};
}

/// Σ w·level, Σ w·level² and Σ w·step·level.
template <typename Lanes>
struct LineSums {
  typename Lanes::F32 levels = Lanes::splat(0.0F);
  typename Lanes::F32 squares = Lanes::splat(0.0F);
  typename Lanes::F32 products = Lanes::splat(0.0F);
};

/// kWidth blocks in steps, with their Σ w and Σ w·step.
template <typename Lanes, bool kWeighs>
struct Steps {
  Targets<Lanes, kWeighs> targets;
  typename Lanes::F32 least;
  typename Lanes::F32 size;  ///< of a step
  typename Lanes::F32 inv_size;
  typename Lanes::F32 count = Lanes::splat(0.0F);
  typename Lanes::F32 sum = Lanes::splat(0.0F);

  Steps(const Targets<Lanes, kWeighs>& blocks, int max_level) noexcept : targets(blocks) {
    auto greatest = least = blocks.weights[0];
    for (size_t j = 1; j < kWeights; ++j) {
      least = Lanes::pmin(least, blocks.weights[j]);
      greatest = Lanes::pmax(greatest, blocks.weights[j]);
    }
    const auto levels = Lanes::splat(static_cast<float>(max_level));
    size = Lanes::div(Lanes::sub(greatest, least), levels);
    inv_size = blocks_of_32::invert<Lanes>(size);
    for (size_t j = 0; j < kWeights; ++j) {
      const auto step = Lanes::mul(Lanes::sub(blocks.weights[j], least), inv_size);
      targets.weights.set(j, step);
      count = Lanes::add(count, targets.weigh(j, Lanes::splat(1.0F)));
      sum = Lanes::add(sum, targets.weigh(j, step));
    }
  }
};

template <typename Levels, typename Lanes, bool kWeighs, size_t kCount>
std::array<LineSums<Lanes>, kCount> try_lines(const Targets<Lanes, kWeighs>& targets,
                                              const std::array<ToLevels<Lanes>, kCount>& lines) noexcept {
  std::array<LineSums<Lanes>, kCount> sums;
  for (size_t j = 0; j < kWeights; ++j) {
    const auto step = targets.weights[j];
    for (size_t k = 0; k < kCount; ++k) {
      const auto level = Levels::template nearest<Lanes>(Lanes::add(Lanes::mul(step, lines[k].factor), lines[k].shift));
      const auto weighed = targets.weigh(j, level);
      sums[k].levels = Lanes::add(sums[k].levels, weighed);
      sums[k].squares = Lanes::add(sums[k].squares, Lanes::mul(level, weighed));
      sums[k].products = Lanes::add(sums[k].products, Lanes::mul(step, weighed));
    }
  }
  return sums;
}

/// The best line so far, what it explains of the steps' variance, and Σ w·level of it.
template <typename Lanes>
struct BestLine {
  Line<Lanes> line;
  typename Lanes::F32 explained = Lanes::splat(0.0F);
  typename Lanes::F32 levels = Lanes::splat(0.0F);

  template <bool kWeighs>
  void challenge(const Steps<Lanes, kWeighs>& steps, const LineSums<Lanes>& sums) noexcept {
    const auto moment = [&](auto both, auto one) noexcept {
      return Lanes::sub(Lanes::mul(steps.count, both), Lanes::mul(one, sums.levels));
    };
    const auto covariance = moment(sums.products, steps.sum);
    const auto slope = Lanes::div(covariance, moment(sums.squares, sums.levels));
    const auto explains = Lanes::mul(slope, covariance);
    const auto better = Lanes::gt(explains, explained);
    const auto offset = Lanes::div(Lanes::sub(steps.sum, Lanes::mul(slope, sums.levels)), steps.count);
    explained = Lanes::select(better, explains, explained);
    levels = Lanes::select(better, sums.levels, levels);
    line.slope = Lanes::select(better, slope, line.slope);
    line.offset = Lanes::select(better, offset, line.offset);
  }
};

/// `Format` has a Block with f16s `scale` and `min`, its `decode`, kMaxLevel, the trials `kEnds`, and `pack`, which
/// fills a block's levels given m and 1/d.
template <typename Format>
struct ScaleAndMin {
  using Block = typename Format::Block;
  using Levels = WholeLevels<0, Format::kMaxLevel>;
  static constexpr size_t kBlockWeights = kWeights;
  static constexpr size_t kTogether = 2;
  static constexpr int kRefinements = 2;
  template <typename Lanes>
  static constexpr size_t kAtOnce = Lanes::kWidth;

  /// A block's scale and min, as f16s.
  template <typename Lanes>
  struct Found {
    typename Lanes::I32 scale;
    typename Lanes::I32 min;
  };

  template <typename Lanes, bool kWeighs>
  static void try_present(const Steps<Lanes, kWeighs>& steps, const Block* blocks, BestLine<Lanes>& best) noexcept {
    alignas(16) std::array<float, Lanes::kWidth> scales;
    alignas(16) std::array<float, Lanes::kWidth> mins;
    for (size_t r = 0; r < Lanes::kWidth; ++r) {
      scales[r] = blocks_of_32::load_half(blocks[r].scale);
      mins[r] = blocks_of_32::load_half(blocks[r].min);
    }
    const Line<Lanes> line{Lanes::mul(Lanes::load(scales.data()), steps.inv_size),
                           Lanes::mul(Lanes::sub(Lanes::load(mins.data()), steps.least), steps.inv_size)};
    best.challenge(steps, try_lines<Levels, Lanes, kWeighs, 1>(steps.targets, {invert_line(line)})[0]);
  }

  template <typename Lanes, bool kWeighs>
  static Found<Lanes> search(const Targets<Lanes, kWeighs>& targets, const Block* blocks) noexcept {
    const Steps<Lanes, kWeighs> steps(targets, Format::kMaxLevel);
    BestLine<Lanes> best;
    if constexpr (kWeighs) try_present(steps, blocks, best);
    for (size_t t = 0; t < Format::kEnds.size(); t += kTogether) {
      std::array<ToLevels<Lanes>, kTogether> lines;
      for (size_t k = 0; k < kTogether; ++k) lines[k] = between<Lanes>(Format::kEnds[t + k], Format::kMaxLevel);
      // What a first step of least squares leaves says little of what the next one will.
      const auto first = try_lines<Levels, Lanes, kWeighs, kTogether>(steps.targets, lines);
      for (size_t k = 0; k < kTogether; ++k) {
        BestLine<Lanes> own;
        own.challenge(steps, first[k]);
        lines[k] = invert_line(own.line);
      }
      for (const auto& sums : try_lines<Levels, Lanes, kWeighs, kTogether>(steps.targets, lines)) {
        best.challenge(steps, sums);
      }
    }
    for (int i = 0; i < kRefinements; ++i) {
      best.challenge(steps, try_lines<Levels, Lanes, kWeighs, 1>(steps.targets, {invert_line(best.line)})[0]);
    }
    const auto scale = number_to_half<Lanes>(Lanes::mul(best.line.slope, steps.size));
    const auto mean = Lanes::add(steps.least, Lanes::mul(Lanes::div(steps.sum, steps.count), steps.size));
    const auto above = Lanes::mul(half_to_float<Lanes>(scale), Lanes::div(best.levels, steps.count));
    return {scale, number_to_half<Lanes>(Lanes::sub(mean, above))};
  }

  template <typename Lanes, bool kWeighs>
  static typename Lanes::F32 error_of(const Targets<Lanes, kWeighs>& targets, typename Lanes::F32 scale,
                                      typename Lanes::F32 min, typename Lanes::F32 inv_scale) noexcept {
    auto error = Lanes::splat(0.0F);
    for (size_t j = 0; j < kWeights; ++j) {
      const auto weight = targets.weights[j];
      const auto level = Levels::template nearest<Lanes>(Lanes::mul(Lanes::sub(weight, min), inv_scale));
      const auto off = Lanes::sub(weight, Lanes::add(Lanes::mul(level, scale), min));
      error = Lanes::add(error, targets.weigh(j, Lanes::mul(off, off)));
    }
    return error;
  }

  template <typename Lanes, bool kWeighs>
  static void improve(const float* from, const float* importance, Block* blocks) noexcept {
    Targets<Lanes, kWeighs> targets;
    targets.load(from, importance);
    const auto present = distance(targets, decode_rows<Format, Lanes>(blocks));
    const auto found = search<Lanes, kWeighs>(targets, blocks);
    const auto scale = half_to_float<Lanes>(found.scale);
    const auto min = half_to_float<Lanes>(found.min);
    const auto inv_scale = blocks_of_32::invert<Lanes>(scale);
    const auto better = Lanes::bitmask(is_better<Lanes>(error_of(targets, scale, min, inv_scale), present));
    alignas(16) std::array<int32_t, Lanes::kWidth> scale_halves;
    alignas(16) std::array<int32_t, Lanes::kWidth> min_halves;
    alignas(16) std::array<float, Lanes::kWidth> mins;
    alignas(16) std::array<float, Lanes::kWidth> inv_scales;
    Lanes::store(scale_halves.data(), found.scale);
    Lanes::store(min_halves.data(), found.min);
    Lanes::store(mins.data(), min);
    Lanes::store(inv_scales.data(), inv_scale);
    for (size_t r = 0; r < Lanes::kWidth; ++r) {
      if ((better >> r & 1) == 0) continue;
      store_u16(blocks[r].scale.data(), static_cast<uint16_t>(scale_halves[r]));
      store_u16(blocks[r].min.data(), static_cast<uint16_t>(min_halves[r]));
      Format::template pack<Lanes>(from + r * kWeights, mins[r], inv_scales[r], blocks[r]);
    }
  }
};

}  // namespace arrowquant::best
