#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"

namespace arrowquant {

inline constexpr size_t kMostBlockWeights = 256;

/// What importance is where there is none.
inline constexpr auto kOnes = [] {
  std::array<float, kMostBlockWeights> ones{};
  ones.fill(1.0F);
  return ones;
}();

/// Σ importance · (weight − decoded)² in f64, of a number of weights that 4 divides: four sums, of every fourth weight
/// each, which are added up in the end.
template <typename L>
double squared_error(const float* weights, const float* decoded, const float* importance, size_t count) noexcept {
  constexpr size_t kVectors = 4 / L::kWidth;
  std::array<typename L::F64, kVectors> sums;
  sums.fill(L::splat(0.0));
  for (size_t at = 0; at < count; at += 4) {
    for (size_t v = 0; v < kVectors; ++v) {
      const size_t i = at + v * L::kWidth;
      const auto wide = [&](const float* from) noexcept { return L::to_f64(L::load(from + i)); };
      const auto difference = L::sub(wide(weights), wide(decoded));
      sums[v] = L::add(sums[v], L::mul(wide(importance), L::mul(difference, difference)));
    }
  }
  std::array<double, 4> lanes;
  for (size_t v = 0; v < kVectors; ++v) L::store(&lanes[v * L::kWidth], sums[v]);
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

/// Of the error of a block, what another one has to be below in order to replace it: a little less, so that whoever
/// adds up in another order finds it so, too.
inline constexpr double kLess = 1.0 - 0x1p-40;

/// Encodes with `kEncode`, then lets the format try to do better with each block: `Format::improve<L>(from, importance,
/// block)` makes a trial out of the block that it is given, or returns false. The trial is taken if the squared error
/// of its weights, by importance, is less; nullptr stands for ones.
template <typename Format, typename L, auto kEncode>
Status encode_improved(std::span<const float> weights, const float* importance, std::span<uint8_t> bytes) noexcept {
  using Block = typename Format::Block;
  static_assert(Format::kWeights <= kMostBlockWeights);
  const Status status = kEncode(weights, bytes);
  if (!status.ok()) return status;
  auto* blocks = reinterpret_cast<Block*>(bytes.data());
  std::array<float, Format::kWeights> decoded;
  const auto error_of = [&](const Block& block, const float* from, const float* counts) noexcept {
    Format::template decode<L>(block, decoded.data());
    return squared_error<L>(from, decoded.data(), counts, Format::kWeights);
  };
  for (size_t at = 0; at < weights.size(); at += Format::kWeights, ++blocks) {
    const float* from = &weights[at];
    const float* counts = importance == nullptr ? kOnes.data() : importance + at;
    Block trial = *blocks;
    if (!Format::template improve<L>(from, counts, trial)) continue;
    if (error_of(trial, from, counts) < kLess * error_of(*blocks, from, counts)) *blocks = trial;
  }
  return {};
}

}  // namespace arrowquant
