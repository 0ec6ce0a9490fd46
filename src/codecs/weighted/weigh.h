#pragma once

#include <array>
#include <cstddef>
#include <span>

/// How much an error of each weight counts where it is known how much each column does: llama.cpp's
/// importance · sqrt(mean square + weight²), all in f32. The mean is that of a block or of a row, or twice as much.
namespace arrowquant::weighted {

/// Numbers of which the largest is below this count as zeros (llama.cpp's GROUP_MAX_EPS).
inline constexpr float kNothing = 1e-15F;

/// The sum of squares, added in index order.
inline float sum_squares(std::span<const float> weights) noexcept {
  float sum = 0.0F;
  for (const float weight : weights) sum += weight * weight;
  return sum;
}

/// The sums of squares of blocks of `block` weights, each added in index order: of kWidth blocks at once, one a lane,
/// as each is one long chain of additions. `sums` has room for kWidth of them, `blocks` is how many there are at most.
template <typename Lanes>
void sum_squares_of_blocks(const float* from, size_t block, size_t blocks, float* sums) noexcept {
  if (blocks < Lanes::kWidth) {
    for (size_t b = 0; b < blocks; ++b) sums[b] = sum_squares({from + b * block, block});
    return;
  }
  auto sum = Lanes::splat(0.0F);
  for (size_t i = 0; i < block; i += Lanes::kWidth) {
    for (const auto& weight : Lanes::load_transposed(from + i, block))
      sum = Lanes::add(sum, Lanes::mul(weight, weight));
  }
  Lanes::store(sums, sum);
}

/// Weighs weights, whole vectors of them. `importance` may be nullptr: ones.
template <typename Lanes>
void weigh(std::span<const float> from, const float* importance, float mean_square, float* counts) noexcept {
  const auto base = Lanes::splat(mean_square);
  for (size_t i = 0; i < from.size(); i += Lanes::kWidth) {
    const auto weight = Lanes::load(&from[i]);
    auto count = Lanes::sqrt(Lanes::add(base, Lanes::mul(weight, weight)));
    if (importance != nullptr) count = Lanes::mul(Lanes::load(importance + i), count);
    Lanes::store(counts + i, count);
  }
}

}  // namespace arrowquant::weighted
