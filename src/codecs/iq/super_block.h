#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "codecs/k_quants/k_quant_levels.h"

/// Super-blocks of 256 weights, made ready for the search: magnitudes, signs, and how much each weight counts.
namespace arrowquant::iq {

using k_quant::kSuperBlock;

/// How much the squared error of a weight x counts.
enum class Weighing : uint8_t {
  kRoot,         ///< importance · √(mean square of the super-block + x²)
  kRootOfTwice,  ///< importance · √(2 · mean square + x²)
  kMean,         ///< mean square / 2 + x²
  kSquare,       ///< x²
};

struct WeighedWeights {
  alignas(16) std::array<float, kSuperBlock> values;  ///< magnitudes; negative where the sign was turned
  alignas(16) std::array<float, kSuperBlock> weights;
  alignas(16) std::array<float, kSuperBlock> roots;     ///< of the weights
  alignas(16) std::array<float, kSuperBlock> products;  ///< weight · value
  std::array<uint8_t, kSuperBlock / 8> signs;           ///< bit i % 8 of byte i / 8 is set where weight i is negative
};

/// `importance` has 256 numbers, or is nullptr for ones; it matters to the first two ways of weighing only. With
/// `even_signs` the number of signs in every group of 8 becomes even, since only seven of them are stored: where it is
/// odd, the weight whose weighted square is least gets the other sign. kNotFinite with the index of the first such
/// weight; kScaleOverflow where the sum of the squares overflows.
template <typename Lanes>
Status weigh(const float* from, const float* importance, Weighing weighing, bool even_signs,
             WeighedWeights& weighed) noexcept;

/// The largest value of each sub-block of `sub_block` weights.
template <typename Lanes>
void find_largest(const WeighedWeights& weighed, size_t sub_block, std::span<float> largest) noexcept;

}  // namespace arrowquant::iq
