#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

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

/// ggml's `sigma2`: the mean square, or twice that, from sums in order.
inline float spread_of(const float* from, Weighing weighing) noexcept {
  float sum = 0.0F;
  for (size_t i = 0; i < kSuperBlock; ++i) sum += from[i] * from[i];
  return (weighing == Weighing::kRoot ? sum : 2.0F * sum) / static_cast<float>(kSuperBlock);
}

template <typename Lanes>
typename Lanes::F32 weight_of(typename Lanes::F32 value, const float* importance, Weighing weighing,
                              float spread) noexcept {
  const auto square = Lanes::mul(value, value);
  if (weighing == Weighing::kSquare) return square;
  if (weighing == Weighing::kMean) return Lanes::add(Lanes::splat(0.25F * spread), square);
  const auto root = Lanes::sqrt(Lanes::add(Lanes::splat(spread), square));
  return importance == nullptr ? root : Lanes::mul(Lanes::load(importance), root);
}

/// `importance` has 256 numbers, or is nullptr for ones; it matters to the first two ways of weighing only. False where
/// the sum of the squares overflows.
template <typename Lanes>
bool weigh(const float* from, const float* importance, Weighing weighing, WeighedWeights& weighed) noexcept {
  const float spread = spread_of(from, weighing);
  if (!(spread < std::numeric_limits<float>::infinity())) return false;
  weighed.signs = {};
  for (size_t i = 0; i < kSuperBlock; i += Lanes::kWidth) {
    const auto value = Lanes::load(from + i);
    const auto magnitude = Lanes::abs(value);
    const auto weight = weight_of<Lanes>(value, importance == nullptr ? nullptr : importance + i, weighing, spread);
    Lanes::store(&weighed.values[i], magnitude);
    Lanes::store(&weighed.weights[i], weight);
    Lanes::store(&weighed.roots[i], Lanes::sqrt(weight));
    Lanes::store(&weighed.products[i], Lanes::mul(weight, magnitude));
    const uint32_t negative = Lanes::bitmask(Lanes::lt(value, Lanes::splat(0.0F))) << i % 8;
    weighed.signs[i / 8] = static_cast<uint8_t>(weighed.signs[i / 8] | negative);
  }
  return true;
}

/// Makes the number of signs in every group of 8 even, since only seven of them are stored: where it is odd, the weight
/// whose weighted square is least gets the other sign.
inline void make_signs_even(WeighedWeights& weighed) noexcept {
  for (size_t group = 0; group < weighed.signs.size(); ++group) {
    uint32_t parity = weighed.signs[group];
    parity ^= parity >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    if ((parity & 1) == 0) continue;
    size_t least = 8 * group;
    float cost = weighed.products[least] * weighed.values[least];
    for (size_t i = least + 1; i < 8 * group + 8; ++i) {
      const float other = weighed.products[i] * weighed.values[i];
      if (!(other < cost)) continue;
      cost = other;
      least = i;
    }
    weighed.values[least] = -weighed.values[least];
    weighed.products[least] = -weighed.products[least];
    weighed.signs[group] = static_cast<uint8_t>(weighed.signs[group] ^ 1U << least % 8);
  }
}

/// The largest of `count` values.
template <typename Lanes>
float largest_value(const float* values, size_t count) noexcept {
  auto largest = Lanes::load(values);
  for (size_t i = Lanes::kWidth; i < count; i += Lanes::kWidth) largest = Lanes::pmax(largest, Lanes::load(values + i));
  std::array<float, Lanes::kWidth> lanes;
  Lanes::store(lanes.data(), largest);
  float found = lanes[0];
  for (const float lane : lanes) found = found < lane ? lane : found;
  return found;
}

}  // namespace arrowquant::iq
