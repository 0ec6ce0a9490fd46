#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/best/improve.h"

/// The trials of the search for a scale and a min, in 16-bit integers: for blocks whose weights all count the same.
///
/// A trial is a line, level ≈ factor · step + shift, and all of them are known beforehand. The last 16 bits of
/// step · factor + shift, with 2^16 to the level, are how far the nearest level is missed, whatever it is: neither is
/// it found, nor held to 0…kMaxLevel, which no trial leaves by more than half a level. The sums of what is missed give
/// the line that misses least with these levels, and by how much.
namespace arrowquant::best {

/// How far above the least weight a trial puts the first level, and how far below the greatest the last one, in 1/8 of
/// a step; at most 3, so that no weight is half a level away.
struct Ends {
  int first;
  int last;
};

/// The way from steps to levels: step · factor + shift.
template <typename Lanes>
struct ToLevels {
  typename Lanes::F32 factor;
  typename Lanes::F32 shift;
};

/// A trial's factor where its ends are the first and the last level.
constexpr float factor_between(Ends ends, int max_level) noexcept {
  const auto levels = static_cast<float>(max_level);
  return levels / (levels - 0.125F * static_cast<float>(ends.first + ends.last));
}

/// A step is so many fine ones.
inline constexpr int32_t kFineUnits = 64;

/// kWidth blocks in fine steps, of which no block has more than 2^11. Two weights of a block are in each lane.
template <typename Lanes>
struct FineSteps {
  std::array<typename Lanes::I16, kWeights / 2> pairs;
  typename Lanes::F32 mean;
  typename Lanes::F32 inv_spread;  ///< 1/Σ(step − mean)²

  explicit FineSteps(const Rows<Lanes>& steps) noexcept {
    auto sum = Lanes::splat_i16(0);
    auto square = Lanes::splat(int32_t{0});
    const auto fine = [&](size_t j) noexcept {
      return Lanes::round_magic(Lanes::mul(steps[j], Lanes::splat(float{kFineUnits})));
    };
    for (size_t i = 0; i < pairs.size(); ++i) {
      pairs[i] = Lanes::halves(Lanes::add(fine(2 * i), Lanes::shl(fine(2 * i + 1), 16)));
      sum = Lanes::add(sum, pairs[i]);
      square = Lanes::add(square, Lanes::dot(pairs[i], pairs[i]));
    }
    const auto total = Lanes::to_f32(Lanes::dot(sum, Lanes::splat_i16(1)));
    mean = Lanes::mul(total, Lanes::splat(1.0F / kWeights));
    inv_spread = blocks_of_32::invert<Lanes>(Lanes::sub(Lanes::to_f32(square), Lanes::mul(total, mean)));
  }
};

/// A line to try, and what its errors are multiplied with to be in steps, of which the tilt of what is missed is a
/// part.
struct Trial {
  int16_t fine_factor;
  int16_t fine_shift;
  float factor;
  float shift;
  float error_scale;
  float error_tilt;
};

/// What levels are missed by is in 1/2^11 of a level.
inline constexpr float kMissUnits = 0x1p11F;
/// What a miss that grows by 1 with each fine step is in levels for each step.
inline constexpr float kTilt = float{kFineUnits} / kMissUnits;

constexpr Trial trial_between(Ends ends, int max_level) noexcept {
  constexpr int32_t kUnits = 0x10000 / kFineUnits;
  const int32_t between = 8 * max_level - ends.first - ends.last;
  const int32_t fine_factor = (kUnits * 8 * max_level + between / 2) / between;
  const int32_t fine_shift = ends.first * -(kFineUnits / 8) * fine_factor;
  const float factor = static_cast<float>(fine_factor) / float{kUnits};
  const float scale = 1.0F / (factor * factor);
  return {static_cast<int16_t>(fine_factor),
          static_cast<int16_t>(fine_shift),
          factor,
          static_cast<float>(fine_shift) / 0x1p16F,
          scale,
          2.0F * kTilt * scale / factor};
}

template <size_t kCount>
constexpr std::array<Trial, kCount> trials_between(const std::array<Ends, kCount>& ends, int max_level) noexcept {
  std::array<Trial, kCount> trials;
  for (size_t i = 0; i < kCount; ++i) trials[i] = trial_between(ends[i], max_level);
  return trials;
}

/// Σ miss, Σ miss², Σ miss · step.
template <typename Lanes>
struct MissSums {
  typename Lanes::I16 misses = Lanes::splat_i16(0);
  typename Lanes::I32 squares = Lanes::splat(int32_t{0});
  typename Lanes::I32 products = Lanes::splat(int32_t{0});

  void add(typename Lanes::I16 steps, const Trial& trial) noexcept {
    const auto scaled = Lanes::mul(steps, Lanes::splat_i16(trial.fine_factor));
    const auto miss = Lanes::shr(Lanes::add(scaled, Lanes::splat_i16(trial.fine_shift)), 5);
    misses = Lanes::add(misses, miss);
    squares = Lanes::add(squares, Lanes::dot(miss, miss));
    products = Lanes::add(products, Lanes::dot(miss, steps));
  }
};

/// The best line so far.
template <typename Lanes>
struct BestTrial {
  typename Lanes::F32 error = Lanes::splat(0x1p100F);
  ToLevels<Lanes> line = {Lanes::splat(1.0F), Lanes::splat(0.0F)};

  /// What is missed is a line itself, mean + tilt · (step − mean step), and the rest, which is what counts.
  void challenge(const FineSteps<Lanes>& steps, const Trial& trial, const MissSums<Lanes>& sums) noexcept {
    const auto sum = Lanes::to_f32(Lanes::dot(sums.misses, Lanes::splat_i16(1)));
    const auto mean = Lanes::mul(sum, Lanes::splat(1.0F / kWeights));
    const auto product = Lanes::sub(Lanes::to_f32(sums.products), Lanes::mul(steps.mean, sum));
    const auto tilt = Lanes::mul(product, steps.inv_spread);
    const auto scattered = Lanes::sub(Lanes::to_f32(sums.squares), Lanes::mul(mean, sum));
    const auto rest = Lanes::sub(scattered, Lanes::mul(tilt, product));
    const auto scale = Lanes::add(Lanes::splat(trial.error_scale), Lanes::mul(tilt, Lanes::splat(trial.error_tilt)));
    const auto own_error = Lanes::mul(rest, scale);
    const auto factor = Lanes::sub(Lanes::splat(trial.factor), Lanes::mul(tilt, Lanes::splat(kTilt)));
    const auto at_zero = Lanes::sub(mean, Lanes::mul(tilt, steps.mean));
    const auto shift = Lanes::sub(Lanes::splat(trial.shift), Lanes::mul(at_zero, Lanes::splat(1.0F / kMissUnits)));
    const auto less = Lanes::lt(own_error, error);
    error = Lanes::select(less, own_error, error);
    line.factor = Lanes::select(less, factor, line.factor);
    line.shift = Lanes::select(less, shift, line.shift);
  }
};

/// The best line that follows from some trials, of which there is an even number: two side by side share what is
/// loaded.
template <typename Lanes>
[[gnu::noinline]] ToLevels<Lanes> best_trial(const FineSteps<Lanes>& steps, std::span<const Trial> trials) noexcept {
  BestTrial<Lanes> best;
  for (size_t t = 0; t < trials.size(); t += 2) {
    const Trial& one = trials[t];
    const Trial& other = trials[t + 1];
    MissSums<Lanes> ones;
    MissSums<Lanes> others;
    for (const auto pair : steps.pairs) {
      ones.add(pair, one);
      others.add(pair, other);
    }
    best.challenge(steps, one, ones);
    best.challenge(steps, other, others);
  }
  return best.line;
}

}  // namespace arrowquant::best
