#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/best/improve.h"
#include "codecs/best/line_trials.h"
#include "codecs/best/whole_levels.h"

/// The search for a scale and a min: weight ≈ d · level + m with levels from 0 to kMaxLevel.
///
/// It goes on in *steps*, in which a block's least weight is 0 and its greatest kMaxLevel. A trial puts the first and
/// the last level somewhere around these, takes the nearest level for each weight, and finds the line that is best for
/// those levels by least squares. Of all trials the one that leaves least is refined by more such steps; d is rounded
/// to f16, then m, which makes up for it. Without importance the trials are those of line_trials.h.
namespace arrowquant::best {

/// A line through levels: step ≈ slope · level + offset.
template <typename Lanes>
struct Line {
  typename Lanes::F32 slope = Lanes::splat(0.0F);
  typename Lanes::F32 offset = Lanes::splat(0.0F);
};

template <typename Lanes>
ToLevels<Lanes> invert_line(const Line<Lanes>& line) noexcept {
  const auto factor = blocks_of_32::invert<Lanes>(line.slope);
  return {factor, Lanes::neg(Lanes::mul(line.offset, factor))};
}

template <typename Lanes>
ToLevels<Lanes> between(Ends ends, int max_level) noexcept {
  const float factor = factor_between(ends, max_level);
  return {Lanes::splat(factor), Lanes::splat(-0.125F * static_cast<float>(ends.first) * factor)};
}

/// Σ w·level, Σ w·level² and Σ w·step·level.
template <typename Lanes>
struct LineSums {
  typename Lanes::F32 levels = Lanes::splat(0.0F);
  typename Lanes::F32 squares = Lanes::splat(0.0F);
  typename Lanes::F32 products = Lanes::splat(0.0F);
};

/// kWidth blocks in steps, with their Σ w and Σ w·step.
template <typename Lanes>
struct Steps {
  Rows<Lanes> rows;
  typename Lanes::F32 least;
  typename Lanes::F32 size;  ///< of a step
  typename Lanes::F32 inv_size;
  typename Lanes::F32 count;
  typename Lanes::F32 sum;

  template <bool kWeighs>
  Steps(const Targets<Lanes, kWeighs>& targets, int max_level) noexcept {
    auto low = targets.weights[0];
    auto high = low;
    for (size_t j = 1; j < kWeights; ++j) {
      low = Lanes::pmin(low, targets.weights[j]);
      high = Lanes::pmax(high, targets.weights[j]);
    }
    least = low;
    size = Lanes::div(Lanes::sub(high, low), Lanes::splat(static_cast<float>(max_level)));
    const auto factor = inv_size = blocks_of_32::invert<Lanes>(size);
    auto counted = Lanes::splat(kWeighs ? 0.0F : float{kWeights});
    auto total = Lanes::splat(0.0F);
    for (size_t j = 0; j < kWeights; ++j) {
      const auto step = Lanes::mul(Lanes::sub(targets.weights[j], low), factor);
      rows.set(j, step);
      if constexpr (kWeighs) counted = Lanes::add(counted, targets.importance[j]);
      total = Lanes::add(total, targets.weigh(j, step));
    }
    count = counted;
    sum = total;
  }
};

/// The levels from 0 to `last` nearest to numbers, half to even.
template <typename Lanes>
typename Lanes::F32 nearest_level(typename Lanes::F32 value, typename Lanes::F32 last) noexcept {
  return nearest_whole<Lanes>(Lanes::pmax(Lanes::splat(0.0F), Lanes::pmin(last, value)));
}

template <typename Lanes, bool kWeighs, size_t kCount>
std::array<LineSums<Lanes>, kCount> try_lines(const Rows<Lanes>& steps, const Targets<Lanes, kWeighs>& targets,
                                              typename Lanes::F32 last,
                                              const std::array<ToLevels<Lanes>, kCount>& lines) noexcept {
  std::array<LineSums<Lanes>, kCount> sums;
  for (size_t j = 0; j < kWeights; ++j) {
    const auto step = steps[j];
    for (size_t k = 0; k < kCount; ++k) {
      const auto level = nearest_level<Lanes>(Lanes::add(Lanes::mul(step, lines[k].factor), lines[k].shift), last);
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

  void challenge(const Steps<Lanes>& steps, const LineSums<Lanes>& sums) noexcept {
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

/// Levels as bytes, block after block.
template <typename Lanes>
class LevelBytes {
 public:
  /// Those of rows `j` to `j` + 3, where 4 divides `j`.
  void set(size_t j, const std::array<typename Lanes::F32, 4>& levels) noexcept {
    const auto join = [](auto low, auto high) noexcept {
      return Lanes::round_magic(Lanes::add(low, Lanes::mul(high, Lanes::splat(256.0F))));
    };
    words_[j / 4] = Lanes::add(join(levels[0], levels[1]), Lanes::shl(join(levels[2], levels[3]), 16));
  }
  void store(std::array<int32_t, Lanes::kWidth * kWeights / 4>& to) const noexcept {
    for (size_t i = 0; i < kWords; i += Lanes::kWidth) {
      typename Lanes::I32Square square;
      for (size_t c = 0; c < Lanes::kWidth; ++c) square[c] = words_[i + c];
      Lanes::store_transposed(&to[i], kWords, square);
    }
  }

 private:
  static constexpr size_t kWords = kWeights / 4;
  std::array<typename Lanes::I32, kWords> words_;
};

/// What a format's levels are, and what is tried for it, an even number of times.
struct LineFormat {
  int max_level;
  std::span<const Ends> ends;
  std::span<const Trial> trials;
};

/// Scales and mins as f16s, and the levels, of kWidth blocks; which of them are better than what there is.
template <typename Lanes>
struct FoundLines {
  alignas(16) std::array<int32_t, Lanes::kWidth> scales;
  alignas(16) std::array<int32_t, Lanes::kWidth> mins;
  alignas(16) std::array<int32_t, Lanes::kWidth * kWeights / 4> levels;
  uint32_t better;
};

template <typename Lanes>
void try_ends(const Steps<Lanes>& steps, const Targets<Lanes, true>& targets, const LineFormat& format,
              BestLine<Lanes>& best) noexcept {
  const auto last = Lanes::splat(static_cast<float>(format.max_level));
  constexpr size_t kTogether = 2;
  for (size_t t = 0; t < format.ends.size(); t += kTogether) {
    std::array<ToLevels<Lanes>, kTogether> lines;
    for (size_t k = 0; k < kTogether; ++k) lines[k] = between<Lanes>(format.ends[t + k], format.max_level);
    // What a first step of least squares leaves says little of what the next one will.
    const auto first = try_lines<Lanes, true, kTogether>(steps.rows, targets, last, lines);
    for (size_t k = 0; k < kTogether; ++k) {
      BestLine<Lanes> own;
      own.challenge(steps, first[k]);
      lines[k] = invert_line(own.line);
    }
    for (const auto& sums : try_lines<Lanes, true, kTogether>(steps.rows, targets, last, lines)) {
      best.challenge(steps, sums);
    }
  }
}

/// The best line for the steps. `present` is that of the weights that there is.
template <typename Lanes, bool kWeighs>
BestLine<Lanes> best_line(const Steps<Lanes>& steps, const Targets<Lanes, kWeighs>& targets, const LineFormat& format,
                          const Line<Lanes>& present) noexcept {
  const auto last = Lanes::splat(static_cast<float>(format.max_level));
  BestLine<Lanes> best;
  const auto refine = [&](const ToLevels<Lanes>& line) noexcept {
    best.challenge(steps, try_lines<Lanes, kWeighs, 1>(steps.rows, targets, last, {line})[0]);
  };
  if constexpr (kWeighs) {
    constexpr int kRefinements = 2;
    const Line<Lanes> line{Lanes::mul(present.slope, steps.inv_size),
                           Lanes::mul(Lanes::sub(present.offset, steps.least), steps.inv_size)};
    refine(invert_line(line));
    try_ends(steps, targets, format, best);
    for (int i = 0; i < kRefinements; ++i) refine(invert_line(best.line));
  } else {
    refine(best_trial<Lanes>(FineSteps<Lanes>(steps.rows), format.trials));
  }
  return best;
}

/// What the codec's own levels, those nearest to the steps, leave without importance.
template <typename Lanes>
typename Lanes::F32 error_of_steps(const Rows<Lanes>& steps, const Rows<Lanes>& weights,
                                   const Line<Lanes>& line) noexcept {
  auto error = Lanes::splat(0.0F);
  for (size_t j = 0; j < kWeights; ++j) {
    const auto level = Lanes::whole_part(Lanes::add(steps[j], Lanes::splat(0.5F)));
    const auto off = Lanes::sub(weights[j], Lanes::add(Lanes::mul(level, line.slope), line.offset));
    error = Lanes::add(error, Lanes::mul(off, off));
  }
  return error;
}

/// What the levels nearest with a scale and a min leave.
template <typename Lanes, bool kWeighs>
typename Lanes::F32 error_of_line(const Targets<Lanes, kWeighs>& targets, const Line<Lanes>& line,
                                  typename Lanes::F32 last, LevelBytes<Lanes>& bytes) noexcept {
  const auto inv_scale = blocks_of_32::invert<Lanes>(line.slope);
  auto error = Lanes::splat(0.0F);
  for (size_t j = 0; j < kWeights; j += 4) {
    std::array<typename Lanes::F32, 4> levels;
    for (size_t i = 0; i < 4; ++i) {
      const auto weight = targets.weights[j + i];
      levels[i] = nearest_level<Lanes>(Lanes::mul(Lanes::sub(weight, line.offset), inv_scale), last);
      const auto off = Lanes::sub(weight, Lanes::add(Lanes::mul(levels[i], line.slope), line.offset));
      error = Lanes::add(error, targets.weigh(j + i, Lanes::mul(off, off)));
    }
    bytes.set(j, levels);
  }
  return error;
}

/// Searches beside the `present` line. With importance the error of what there is comes in `present_error`. Formats
/// share the function: it is not inlined.
template <typename Lanes, bool kWeighs>
[[gnu::noinline]] void find_lines(const Targets<Lanes, kWeighs>& targets, const LineFormat& format,
                                  const Line<Lanes>& present, typename Lanes::F32 present_error,
                                  FoundLines<Lanes>& found) noexcept {
  const Steps<Lanes> steps(targets, format.max_level);
  if constexpr (!kWeighs) present_error = error_of_steps(steps.rows, targets.weights, present);
  const auto best = best_line<Lanes, kWeighs>(steps, targets, format, present);
  const auto scale = number_to_half<Lanes>(Lanes::mul(best.line.slope, steps.size));
  const auto slope = half_to_float<Lanes>(scale);
  const auto mean = Lanes::add(steps.least, Lanes::mul(Lanes::div(steps.sum, steps.count), steps.size));
  const auto above = Lanes::mul(slope, Lanes::div(best.levels, steps.count));
  const auto min = number_to_half<Lanes>(Lanes::sub(mean, above));
  LevelBytes<Lanes> levels;
  const auto last = Lanes::splat(static_cast<float>(format.max_level));
  const auto error = error_of_line<Lanes, kWeighs>(targets, {slope, half_to_float<Lanes>(min)}, last, levels);
  found.better = Lanes::bitmask(is_better<Lanes>(error, present_error));
  Lanes::store(found.scales.data(), scale);
  Lanes::store(found.mins.data(), min);
  levels.store(found.levels);
}

/// `Format` has a Block with f16s `scale` and `min`, its `decode`, kMaxLevel, an even number of trials, `kEnds`, and
/// `put`, which fills a block's levels.
template <typename Format>
struct ScaleAndMin {
  using Block = typename Format::Block;
  static constexpr size_t kBlockWeights = kWeights;
  static constexpr auto kTrials = trials_between(Format::kEnds, Format::kMaxLevel);
  template <typename Lanes>
  static constexpr size_t kAtOnce = Lanes::kWidth;

  template <typename Lanes>
  static Line<Lanes> line_of(const Block* blocks) noexcept {
    alignas(16) std::array<float, Lanes::kWidth> scales;
    alignas(16) std::array<float, Lanes::kWidth> mins;
    for (size_t r = 0; r < Lanes::kWidth; ++r) {
      scales[r] = blocks_of_32::load_half(blocks[r].scale);
      mins[r] = blocks_of_32::load_half(blocks[r].min);
    }
    return {Lanes::load(scales.data()), Lanes::load(mins.data())};
  }

  template <typename Lanes, bool kWeighs>
  static void improve(const float* from, const float* importance, Block* blocks) noexcept {
    Targets<Lanes, kWeighs> targets;
    targets.load(from, importance);
    auto present_error = Lanes::splat(0.0F);
    if constexpr (kWeighs) present_error = distance(targets, decode_rows<Format, Lanes>(blocks));
    FoundLines<Lanes> found;
    find_lines<Lanes, kWeighs>(targets, {Format::kMaxLevel, Format::kEnds, kTrials}, line_of<Lanes>(blocks),
                               present_error, found);
    const auto* levels = reinterpret_cast<const uint8_t*>(found.levels.data());
    for (size_t r = 0; r < Lanes::kWidth; ++r, levels += kWeights) {
      if ((found.better >> r & 1) == 0) continue;
      store_u16(blocks[r].scale.data(), static_cast<uint16_t>(found.scales[r]));
      store_u16(blocks[r].min.data(), static_cast<uint16_t>(found.mins[r]));
      Format::template put<Lanes>([&](size_t i) noexcept { return Lanes::load_bytes(levels + i); }, blocks[r]);
    }
  }
};

}  // namespace arrowquant::best
