#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/iq_grid/grid.h"

/// The search for the scale of a sub-block whose groups of weights are points of a grid, as the five functions
/// `quantize_row_iq2_…_impl` and `quantize_row_iq3_…_impl` of ggml-quants.c have it.
///
/// For each of some trial scales the levels of every group are rounded; a group that is not on the grid gets the
/// neighbour with the least weighted error; least squares then tell the scale that is best for those points and how
/// much of the sub-block it explains. The trial that explains most wins, and is refined once.
///
/// A lane is a trial: sums run through the weights in order, and where trials share a key, which they mostly do, a
/// neighbour's error is computed for all of them at once.
namespace arrowquant::iq {

/// Groups of eight weights with levels 0…2, and of four with levels 0…7. Level l stands for 2l + 1.
struct EightOfThree {
  static constexpr uint32_t kDimensions = kEightOfThree.dimensions;
  static constexpr uint32_t kBits = kEightOfThree.bits;
  static constexpr uint32_t kLevels = kEightOfThree.levels;
};
struct FourOfEight {
  static constexpr uint32_t kDimensions = kFourOfEight.dimensions;
  static constexpr uint32_t kBits = kFourOfEight.bits;
  static constexpr uint32_t kLevels = kFourOfEight.levels;
};

inline constexpr size_t kMostGroups = 8;
inline constexpr size_t kMostTrials = 32;

/// Which groups are rounded again with the scale that won.
enum class Refinement : uint8_t {
  kAll,           ///< all of them
  kOffGrid,       ///< those that were moved to a neighbour
  kAllIfOffGrid,  ///< all if one of them was moved, or no trial won
};

/// Trial t divides by `largest / numerators[t]`.
struct Trials {
  std::array<float, kMostTrials> numerators{};  ///< the last one is repeated to the end
  uint32_t count = 0;
  Refinement refinement = Refinement::kAll;
};

/// For is = −reach … reach the numerator `top + is·step`.
[[nodiscard]] constexpr Trials make_trials(float top, int reach, float step, Refinement refinement) noexcept {
  Trials trials;
  trials.count = static_cast<uint32_t>(2 * reach + 1);
  trials.refinement = refinement;
  for (uint32_t t = 0; t < kMostTrials; ++t) {
    const int is = static_cast<int>(t) - reach;
    trials.numerators[t] = top + static_cast<float>(is < reach ? is : reach) * step;
  }
  return trials;
}

/// The weights of a sub-block: magnitudes (some may be negative), how much the square of an error counts in the sums,
/// the root of that, by which neighbours are chosen, and weight · value.
struct SubBlock {
  std::span<const float> values;
  const float* weights;
  const float* roots;
  const float* products;
};

struct GridFit {
  float scale = 0.0F;  ///< negative where all signs are to be turned
  std::array<Key, kMostGroups> keys{};
};

/// `fit.scale` is what stays if no trial explains anything; the keys are 0 then. False where sums overflow, so that
/// there is no nearest neighbour or no scale: there ggml ends the process.
template <typename Shape, typename Lanes>
[[nodiscard]] bool search_grid(Grid& grid, const Trials& trials, float largest, const SubBlock& block,
                               GridFit& fit) noexcept;

}  // namespace arrowquant::iq
