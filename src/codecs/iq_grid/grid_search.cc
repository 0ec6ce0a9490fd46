#include "codecs/iq_grid/grid_search.h"

#include <limits>
#include <optional>

#include "codecs/k_quants/k_quant_levels.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::iq {
namespace {

template <typename Shape>
constexpr int32_t kTopLevel = static_cast<int32_t>(Shape::kLevels) - 1;

/// The keys of a group that the levels nearest to (value · inverse − 1) / 2 make, by llama.cpp's `nearest_int`.
template <typename Shape, typename Lanes>
typename Lanes::I32 nearest_keys(const float* values, typename Lanes::F32 inverse) noexcept {
  const auto lowest = Lanes::splat(k_quant::kMantissaOfZero);
  const auto highest = Lanes::splat(k_quant::kMantissaOfZero + kTopLevel<Shape>);
  auto keys = Lanes::splat(int32_t{0});
  for (uint32_t i = 0; i < Shape::kDimensions; ++i) {
    const auto doubled = Lanes::sub(Lanes::mul(inverse, Lanes::splat(values[i])), Lanes::splat(1.0F));
    const auto sum = Lanes::add(Lanes::mul(Lanes::splat(0.5F), doubled), Lanes::splat(k_quant::kMagic));
    const auto mantissa = Lanes::bit_and(Lanes::bits(sum), Lanes::splat(k_quant::kMantissa));
    const auto level = Lanes::sub(Lanes::max(Lanes::min(mantissa, highest), lowest), lowest);
    keys = Lanes::bit_or(keys, Lanes::shl(level, i * Shape::kBits));
  }
  return keys;
}

/// What a level of a weight of a group adds to the error, for the scale of each lane.
template <typename Shape, typename Lanes>
class Errors {
 public:
  Errors(const float* values, const float* roots, typename Lanes::F32 scale) noexcept : values_(values), roots_(roots) {
    for (uint32_t level = 0; level < Shape::kLevels; ++level) {
      points_[level] = Lanes::mul(scale, Lanes::splat(static_cast<float>(2 * level + 1)));
      if constexpr (kPrepares) {
        for (uint32_t i = 0; i < Shape::kDimensions; ++i) terms_[i][level] = compute(i, level);
      }
    }
  }

  [[nodiscard]] typename Lanes::F32 of(uint32_t i, uint32_t level) const noexcept {
    if constexpr (kPrepares) return terms_[i][level];
    return compute(i, level);
  }

 private:
  /// With few levels and many neighbours it pays to compute all of them first.
  static constexpr bool kPrepares = Shape::kLevels < 4;
  using Levels = std::array<typename Lanes::F32, Shape::kLevels>;

  [[nodiscard]] typename Lanes::F32 compute(uint32_t i, uint32_t level) const noexcept {
    const auto difference = Lanes::sub(points_[level], Lanes::splat(values_[i]));
    return Lanes::mul(Lanes::mul(Lanes::splat(roots_[i]), difference), difference);
  }

  const float* values_;
  const float* roots_;
  Levels points_;
  std::array<Levels, kPrepares ? Shape::kDimensions : 0> terms_;
};

template <typename Lanes>
struct Nearest {
  typename Lanes::I32 keys;
  typename Lanes::Mask found;
};

/// The first of the keys with the least error.
template <typename Shape, typename Lanes>
Nearest<Lanes> nearest_neighbours(std::span<const Key> keys, const Errors<Shape, Lanes>& errors) noexcept {
  constexpr uint32_t kMask = (1U << Shape::kBits) - 1;
  const auto worst = Lanes::splat(std::numeric_limits<float>::max());
  auto least = worst;
  auto best = Lanes::splat(int32_t{0});
  for (const uint32_t key : keys) {
    auto error = errors.of(0, key & kMask);
    for (uint32_t i = 1; i < Shape::kDimensions; ++i) {
      error = Lanes::add(error, errors.of(i, key >> i * Shape::kBits & kMask));
    }
    best = Lanes::select(Lanes::lt(error, least), Lanes::splat(static_cast<int32_t>(key)), best);
    least = Lanes::pmin(least, error);
  }
  return {best, Lanes::lt(least, worst)};
}

/// A group's points for the scales of all lanes, and the lanes in which it was on the grid.
template <typename Lanes>
struct Points {
  typename Lanes::I32 keys;
  uint32_t on_grid;
};

/// False where no neighbour's error is a number.
template <typename Shape, typename Lanes>
bool find_points(Grid& grid, const float* values, const float* roots, typename Lanes::F32 inverse,
                 typename Lanes::F32 scale, Points<Lanes>& points) noexcept {
  constexpr uint32_t kAll = (1U << Lanes::kWidth) - 1;
  const auto rounded = nearest_keys<Shape, Lanes>(values, inverse);
  std::array<int32_t, Lanes::kWidth> keys;
  Lanes::store(keys.data(), rounded);
  points = {rounded, kAll};
  NeighbourRoom room;
  std::optional<Errors<Shape, Lanes>> errors;
  uint32_t done = 0;
  for (size_t lane = 0; lane < Lanes::kWidth; ++lane) {
    if ((done >> lane & 1) != 0) continue;
    const auto same = Lanes::eq(rounded, Lanes::splat(keys[lane]));
    done |= Lanes::bitmask(same);
    const auto key = static_cast<Key>(keys[lane]);
    const Candidates candidates = grid.candidates(key, room);
    if (candidates.on_grid) continue;
    if (!errors) errors.emplace(values, roots, scale);
    points.on_grid &= ~Lanes::bitmask(same);
    const auto nearest = nearest_neighbours<Shape, Lanes>(candidates.keys, *errors);
    if (Lanes::any(Lanes::mask_andnot(same, nearest.found))) return false;
    points.keys = Lanes::select(same, nearest.keys, points.keys);
  }
  return true;
}

/// Σ weight · value · q and Σ weight · q², where q = 2 · level + 1.
template <typename Lanes>
struct Sums {
  typename Lanes::F32 product = Lanes::splat(0.0F);
  typename Lanes::F32 square = Lanes::splat(0.0F);
};

template <typename Shape, typename Lanes>
void add_group(typename Lanes::I32 keys, const float* weights, const float* products, Sums<Lanes>& sums) noexcept {
  const auto doubled_level = Lanes::splat(int32_t{(1 << (Shape::kBits + 1)) - 2});
  auto rest = Lanes::shl(keys, 1);
  for (uint32_t i = 0; i < Shape::kDimensions; ++i) {
    const auto odd = Lanes::bit_or(Lanes::bit_and(rest, doubled_level), Lanes::splat(int32_t{1}));
    rest = Lanes::shr_logical(rest, Shape::kBits);
    const auto q = Lanes::to_f32(odd);
    sums.product = Lanes::add(sums.product, Lanes::mul(Lanes::splat(products[i]), q));
    sums.square = Lanes::add(sums.square, Lanes::mul(Lanes::mul(Lanes::splat(weights[i]), q), q));
  }
}

/// All trials: their keys, sums, and the groups that were on the grid.
struct Results {
  alignas(16) std::array<std::array<int32_t, kMostTrials>, kMostGroups> keys;
  alignas(16) std::array<float, kMostTrials> product;
  alignas(16) std::array<float, kMostTrials> square;
  std::array<uint32_t, kMostGroups> on_grid;  ///< bit t for trial t
};

template <typename Shape, typename Lanes>
bool run_trials(Grid& grid, const Trials& trials, float largest, const SubBlock& block, Results& results) noexcept {
  results.on_grid = {};
  const size_t groups = block.values.size() / Shape::kDimensions;
  for (size_t t = 0; t < trials.count; t += Lanes::kWidth) {
    const auto inverse = Lanes::div(Lanes::load(&trials.numerators[t]), Lanes::splat(largest));
    const auto scale = Lanes::div(Lanes::splat(1.0F), inverse);
    Sums<Lanes> sums;
    for (size_t g = 0; g < groups; ++g) {
      const size_t at = g * Shape::kDimensions;
      Points<Lanes> points;
      if (!find_points<Shape, Lanes>(grid, &block.values[at], block.roots + at, inverse, scale, points)) return false;
      add_group<Shape, Lanes>(points.keys, block.weights + at, block.products + at, sums);
      Lanes::store(&results.keys[g][t], points.keys);
      results.on_grid[g] |= points.on_grid << t;
    }
    Lanes::store(&results.product[t], sums.product);
    Lanes::store(&results.square[t], sums.square);
  }
  return true;
}

/// The trial that explains most, the first one of several; kMostTrials if none explains anything.
size_t choose_trial(const Results& results, size_t count, float& scale) noexcept {
  size_t chosen = kMostTrials;
  float best = 0.0F;
  for (size_t t = 0; t < count; ++t) {
    const float product = results.product[t];
    const float square = results.square[t];
    if (!(square > 0.0F && product * product > best * square)) continue;
    scale = product / square;
    best = scale * product;
    chosen = t;
  }
  return chosen;
}

/// Rounds groups again, those whose bits are set, and takes the scale from all.
template <typename Shape, typename Lanes>
bool refine(Grid& grid, const SubBlock& block, uint32_t groups, GridFit& fit) noexcept {
  const auto inverse = Lanes::splat(1.0F / fit.scale);
  Sums<Lanes> sums;
  for (size_t g = 0; g < block.values.size() / Shape::kDimensions; ++g) {
    const size_t at = g * Shape::kDimensions;
    Points<Lanes> points{Lanes::splat(int32_t{fit.keys[g]}), 0};
    if ((groups >> g & 1) != 0) {
      const auto scale = Lanes::splat(fit.scale);
      if (!find_points<Shape, Lanes>(grid, &block.values[at], block.roots + at, inverse, scale, points)) return false;
      std::array<int32_t, Lanes::kWidth> keys;
      Lanes::store(keys.data(), points.keys);
      fit.keys[g] = static_cast<Key>(keys[0]);
    }
    add_group<Shape, Lanes>(points.keys, block.weights + at, block.products + at, sums);
  }
  std::array<float, Lanes::kWidth> product;
  std::array<float, Lanes::kWidth> square;
  Lanes::store(product.data(), sums.product);
  Lanes::store(square.data(), sums.square);
  if (square[0] > 0.0F) fit.scale = product[0] / square[0];
  return true;
}

/// The groups to round again, a bit for each.
uint32_t groups_to_refine(Refinement refinement, uint32_t all, uint32_t off_grid, bool has_won) noexcept {
  if (refinement == Refinement::kAll) return all;
  if (refinement == Refinement::kOffGrid) return off_grid;
  return off_grid != 0 || !has_won ? all : 0;
}

}  // namespace

template <typename Shape, typename Lanes>
bool search_grid(Grid& grid, const Trials& trials, float largest, const SubBlock& block, GridFit& fit) noexcept {
  const size_t groups = block.values.size() / Shape::kDimensions;
  Results results;
  if (!run_trials<Shape, Lanes>(grid, trials, largest, block, results)) return false;
  const size_t chosen = choose_trial(results, trials.count, fit.scale);
  const bool has_won = chosen < trials.count;
  uint32_t off_grid = 0;
  if (has_won) {
    for (size_t g = 0; g < groups; ++g) {
      fit.keys[g] = static_cast<Key>(results.keys[g][chosen]);
      off_grid |= (~results.on_grid[g] >> chosen & 1) << g;
    }
  }
  const uint32_t again = groups_to_refine(trials.refinement, (1U << groups) - 1, off_grid, has_won);
  if (again != 0 && fit.scale > 0.0F && !refine<Shape, Lanes>(grid, block, again, fit)) return false;
  return fit.scale == fit.scale;
}

template bool search_grid<EightOfThree, WasmLanes>(Grid&, const Trials&, float, const SubBlock&, GridFit&) noexcept;
template bool search_grid<EightOfThree, ScalarLanes>(Grid&, const Trials&, float, const SubBlock&, GridFit&) noexcept;
template bool search_grid<FourOfEight, WasmLanes>(Grid&, const Trials&, float, const SubBlock&, GridFit&) noexcept;
template bool search_grid<FourOfEight, ScalarLanes>(Grid&, const Trials&, float, const SubBlock&, GridFit&) noexcept;

}  // namespace arrowquant::iq
