#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/blocks_of_32/blocks_of_32.h"
#include "codecs/blocks_of_32/iq4_levels.h"
#include "codecs/blocks_of_32/peak_scale.h"

/// The search for the scale of 32 weights behind IQ4_NL and IQ4_XS (llama.cpp's `quantize_row_iq4_nl_impl`).
///
/// With the error of weight x counted n times, x² without an importance matrix, it maps the block to levels with 16
/// trial scales, and for each improves the scale by least squares: Σ n·value·x / Σ n·value². The trial whose scale
/// explains most wins. The sums are f32 in index order, one block a lane.
///
/// The first trial divides by peak / 127, the other 15 by peak / (t − 127) for t = −7…7. From one end of these to the
/// other |x / scale| shrinks by a factor of 134/120, and neighbouring midpoints are further apart than that: a weight
/// passes at most one of them. So its two possible terms of both sums are prepared once, and a trial only has to pick.
namespace arrowquant::iq4 {

using blocks_of_32::kWeights;

inline constexpr int kTrials = 7;
/// Blocks with no magnitude as large get the scale 0.
inline constexpr float kSmallestPeak = 1e-15F;

/// The midpoint that a weight may pass during the trials lies between these values, by its level in the first of them,
/// where it is farthest from zero. (Nothing is passed on the way from the value next to zero.)
inline constexpr ValueTable kUpperValue =
    make_value_table([](size_t level) { return kValues[level < kFirstPositive ? level + 1 : level]; });
inline constexpr ValueTable kLowerValue =
    make_value_table([](size_t level) { return kValues[level < kFirstPositive ? level : level - 1]; });

static_assert(
    [] {
      constexpr auto kPassesOne = [](int inner, int outer) {
        return outer * (127 - kTrials) > inner * (127 + kTrials);
      };
      for (size_t i = 1; i < kFirstPositive; ++i) {
        if (!kPassesOne(-doubled_midpoint(i + 1), -doubled_midpoint(i))) return false;
      }
      for (size_t i = kFirstPositive + 1; i < 15; ++i) {
        if (!kPassesOne(doubled_midpoint(i), doubled_midpoint(i + 1))) return false;
      }
      return true;
    }(),
    "a weight could pass two midpoints");

/// What the trials need of the weights at one index of kWidth blocks. Terms are those of the lower value; `…_flip`
/// turns their bits into those of the upper value.
template <typename Lanes>
struct Row {
  alignas(16) std::array<float, Lanes::kWidth> weight;
  alignas(16) std::array<float, Lanes::kWidth> doubled_midpoint;
  alignas(16) std::array<float, Lanes::kWidth> product;
  alignas(16) std::array<int32_t, Lanes::kWidth> product_flip;
  alignas(16) std::array<float, Lanes::kWidth> square;
  alignas(16) std::array<int32_t, Lanes::kWidth> square_flip;
};

template <typename Lanes>
using Rows = std::array<Row<Lanes>, kWeights>;

/// Σ n·value·x and Σ n·value², or one term of each.
template <typename Lanes>
struct Sums {
  typename Lanes::F32 product = Lanes::splat(0.0F);
  typename Lanes::F32 square = Lanes::splat(0.0F);

  static Sums term(typename Lanes::F32 weight, typename Lanes::F32 count, typename Lanes::F32 value) noexcept {
    const auto weighted = Lanes::mul(count, value);
    return {Lanes::mul(weighted, weight), Lanes::mul(weighted, value)};
  }
  void add(const Sums& other) noexcept {
    product = Lanes::add(product, other.product);
    square = Lanes::add(square, other.square);
  }
};

/// The best scale so far and the score to beat.
template <typename Lanes>
struct Fit {
  typename Lanes::F32 scale;
  typename Lanes::F32 score;

  explicit Fit(const Sums<Lanes>& sums) noexcept {
    const auto zero = Lanes::splat(0.0F);
    scale = Lanes::select(Lanes::gt(sums.square, zero), Lanes::div(sums.product, sums.square), zero);
    score = Lanes::mul(scale, sums.product);
  }
  void challenge(const Sums<Lanes>& sums) noexcept {
    const auto better =
        Lanes::mask_and(Lanes::gt(sums.square, Lanes::splat(0.0F)),
                        Lanes::gt(Lanes::mul(sums.product, sums.product), Lanes::mul(score, sums.square)));
    scale = Lanes::select(better, Lanes::div(sums.product, sums.square), scale);
    score = Lanes::select(better, Lanes::mul(scale, sums.product), score);
  }
};

template <typename Lanes>
void prepare(typename Lanes::F32 weight, typename Lanes::F32 count, typename Lanes::F32 lower,
             typename Lanes::F32 upper, Row<Lanes>& row) noexcept {
  const auto low = Sums<Lanes>::term(weight, count, lower);
  const auto high = Sums<Lanes>::term(weight, count, upper);
  Lanes::store(row.weight.data(), weight);
  Lanes::store(row.doubled_midpoint.data(), Lanes::add(lower, upper));
  Lanes::store(row.product.data(), low.product);
  Lanes::store(row.product_flip.data(), Lanes::bit_xor(Lanes::bits(low.product), Lanes::bits(high.product)));
  Lanes::store(row.square.data(), low.square);
  Lanes::store(row.square_flip.data(), Lanes::bit_xor(Lanes::bits(low.square), Lanes::bits(high.square)));
}

/// Twice the reciprocal of trial t's scale.
template <typename Lanes>
typename Lanes::F32 doubled_inverse(typename Lanes::F32 peak, int t) noexcept {
  const auto inverse = Lanes::div(Lanes::splat(static_cast<float>(t + kValues[0])), peak);
  return Lanes::add(inverse, inverse);
}

/// Weights j…j + 3 of kWidth blocks side by side.
template <typename Lanes>
std::array<typename Lanes::F32, 4> load_four(const float* from, size_t j) noexcept {
  std::array<typename Lanes::F32, 4> four;
  for (size_t i = 0; i < 4; i += Lanes::kWidth) {
    const auto columns = Lanes::load_transposed(from + j + i, kWeights);
    for (size_t c = 0; c < Lanes::kWidth; ++c) four[i + c] = columns[c];
  }
  return four;
}

/// Fills the rows from kWidth blocks side by side and returns the sums of the first trial. `counts` may be nullptr:
/// squares.
template <typename Lanes>
Sums<Lanes> prepare_rows(const float* from, const float* counts, typename Lanes::F32 peak, Rows<Lanes>& rows) noexcept {
  using Four = std::array<typename Lanes::F32, 4>;
  const auto inverse = Lanes::div(Lanes::splat(1.0F), Lanes::div(peak, Lanes::splat(static_cast<float>(-kValues[0]))));
  const auto first = Lanes::add(inverse, inverse);
  const auto widest = doubled_inverse<Lanes>(peak, -kTrials);
  const auto products = [](const Four& a, const Four& b) noexcept -> Four {
    return {Lanes::mul(a[0], b[0]), Lanes::mul(a[1], b[1]), Lanes::mul(a[2], b[2]), Lanes::mul(a[3], b[3])};
  };
  Sums<Lanes> sums;
  for (size_t j = 0; j < kWeights; j += 4) {
    const Four weights = load_four<Lanes>(from, j);
    const Four count = counts == nullptr ? products(weights, weights) : load_four<Lanes>(counts, j);
    const auto values =
        look_up<Lanes>(kValueTable, nearest_levels<Lanes>(products(weights, {first, first, first, first})));
    const auto outer = nearest_levels<Lanes>(products(weights, {widest, widest, widest, widest}));
    const auto lower = look_up<Lanes>(kLowerValue, outer);
    const auto upper = look_up<Lanes>(kUpperValue, outer);
    for (size_t i = 0; i < 4; ++i) {
      sums.add(Sums<Lanes>::term(weights[i], count[i], values[i]));
      prepare<Lanes>(weights[i], count[i], lower[i], upper[i], rows[j + i]);
    }
  }
  return sums;
}

/// Trials t, t + 1, …, side by side: each is a chain of dependent additions.
template <typename Lanes, size_t kCount>
std::array<Sums<Lanes>, kCount> run_trials(const Rows<Lanes>& rows, typename Lanes::F32 peak, int t) noexcept {
  std::array<Sums<Lanes>, kCount> sums;
  std::array<typename Lanes::F32, kCount> factors;
  for (size_t k = 0; k < kCount; ++k) factors[k] = doubled_inverse<Lanes>(peak, t + static_cast<int>(k));
  for (const Row<Lanes>& row : rows) {
    const auto weight = Lanes::load(row.weight.data());
    const auto midpoint = Lanes::load(row.doubled_midpoint.data());
    for (size_t k = 0; k < kCount; ++k) {
      const auto is_upper = Lanes::mask_bits(Lanes::ge(Lanes::mul(weight, factors[k]), midpoint));
      const auto pick = [&](const auto& lower, const auto& flip) noexcept {
        const auto flipped = Lanes::bit_and(is_upper, Lanes::load(flip.data()));
        return Lanes::from_bits(Lanes::bit_xor(Lanes::bits(Lanes::load(lower.data())), flipped));
      };
      sums[k].add({pick(row.product, row.product_flip), pick(row.square, row.square_flip)});
    }
  }
  return sums;
}

/// The scales of kWidth blocks of 32 weights side by side, where `counts` says of each weight how much its error
/// counts; nullptr: its square. False if a weight is not finite. For magnitudes above some 10^11 the sums overflow, and
/// a scale may be infinite or NaN.
template <typename Lanes>
bool find_scales(const float* from, const float* counts, typename Lanes::F32& scales) noexcept {
  constexpr size_t kAtOnce = 3;
  static_assert((2 * kTrials + 1) % kAtOnce == 0);
  blocks_of_32::PeakScan<Lanes> scan;
  scan.scan_all(from);
  const auto peak = blocks_of_32::find_signed_peaks<Lanes>(from, scan.peaks());
  const auto infinity = Lanes::from_bits(Lanes::splat(blocks_of_32::kInfinityBits));
  if (!Lanes::all(Lanes::lt(Lanes::abs(peak), infinity))) return false;
  Rows<Lanes> rows;
  Fit<Lanes> fit(prepare_rows<Lanes>(from, counts, peak, rows));
  for (int t = -kTrials; t <= kTrials; t += kAtOnce) {
    for (const auto& sums : run_trials<Lanes, kAtOnce>(rows, peak, t)) fit.challenge(sums);
  }
  const auto is_small = Lanes::lt(Lanes::abs(peak), Lanes::splat(kSmallestPeak));
  scales = Lanes::select(is_small, Lanes::splat(0.0F), fit.scale);
  return true;
}

/// Packs the levels nearest to weight · inv_scale of 32 weights. The product may be beyond the values, or infinite:
/// where importance is uneven the scale can be that of a few small weights. NaN, which is 0 · infinity, is at the top.
template <typename Lanes>
void pack_levels(const float* from, float inv_scale, blocks_of_32::Nibbles& nibbles) noexcept {
  const auto factor = Lanes::splat(inv_scale);
  const auto level = [&](size_t i) noexcept {
    const auto doubled = [&](size_t quarter) noexcept {
      const auto product = Lanes::mul(Lanes::load(from + i + quarter * Lanes::kWidth), factor);
      return within_reach<Lanes>(Lanes::add(product, product));
    };
    return nearest_levels<Lanes>({doubled(0), doubled(1), doubled(2), doubled(3)});
  };
  blocks_of_32::pack_nibbles<Lanes>(level, nibbles);
}

/// Puts scale · value for the levels of 32 weights.
template <typename Lanes>
void expand_levels(const blocks_of_32::Nibbles& nibbles, float scale, float* to) noexcept {
  blocks_of_32::unpack_nibbles<Lanes>(nibbles, [&](size_t i, typename Lanes::Bytes levels) noexcept {
    const auto values = look_up<Lanes>(kValueTable, levels);
    for (size_t k = 0; k < 4; ++k) Lanes::store(to + i + k * Lanes::kWidth, Lanes::mul(Lanes::splat(scale), values[k]));
  });
}

}  // namespace arrowquant::iq4
