#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/foreign/float_type.h"
#include "codecs/group_search/bias_search.h"
#include "codecs/group_search/group_tile.h"
#include "codecs/mlx/affine_kernels.h"

namespace arrowquant::mlx {

/// Searches groups of a piece that is encoded already for scales and biases that lose less.
template <typename L>
class AffinePieceImprover {
 public:
  AffinePieceImprover(const FloatType& type, const EncodeContext& context, AffinePiece& piece) noexcept
      : type_(type),
        size_(context.parameters.group_size),
        bits_(context.parameters.bits),
        context_(context),
        piece_(piece) {}

  /// `weights` are the piece's, finite, from weight `first` of what is encoded on.
  void improve(std::span<const float> weights, size_t first) noexcept {
    const size_t step = size_ * L::kWidth;
    for (size_t at = 0; at < weights.size(); at += step) {
      const auto own = weights.subspan(at, std::min(step, weights.size() - at));
      group_search::load_groups<L>(own, first + at, size_, context_, tile_);
      improve_loaded(at / size_, (own.size() + size_ - 1) / size_);
    }
  }

 private:
  using F32 = typename L::F32;
  using Numbers = std::array<float, L::kWidth>;
  using Lanes = std::array<float, group_search::kMostGroupWeights * L::kWidth>;

  void improve_loaded(size_t group, size_t count) noexcept {
    const auto last = static_cast<float>((1U << bits_) - 1);
    const auto found = group_search::BiasSearch<L>(tile_, last).search();
    // As the program reads them.
    const Numbers scales = typed(L::div(found.scale, tile_.unit));
    const Numbers biases = typed(L::div(found.bias, tile_.unit));
    const group_search::BiasLevels<L> levels(
        {L::mul(L::load(scales.data()), tile_.unit), L::mul(L::load(biases.data()), tile_.unit)}, last);
    for (size_t i = 0; i < size_ * L::kWidth; i += L::kWidth) {
      L::store(&levels_[i], levels.of(L::load(&tile_.weights[i])));
    }
    const F32 error = loss(scales, biases);
    const Lanes better_levels = levels_;
    const F32 limit = plain_loss(group, count);
    const auto is_better = group_search::is_surely_less<L>(error, limit);
    const uint32_t better = L::bitmask(L::mask_and(is_better, tile_.is_usual));
    for (size_t r = 0; r < count; ++r) {
      if ((better >> r & 1) == 0) continue;
      piece_.scales[group + r] = scales[r];
      piece_.biases[group + r] = biases[r];
      for (size_t i = 0; i < size_; ++i) put_level((group + r) * size_ + i, better_levels[i * L::kWidth + r]);
    }
  }

  /// Of the levels that the groups have.
  [[nodiscard]] F32 plain_loss(size_t group, size_t count) noexcept {
    Numbers scales = {};
    Numbers biases = {};
    for (size_t r = 0; r < count; ++r) {
      scales[r] = piece_.scales[group + r];
      biases[r] = piece_.biases[group + r];
      for (size_t i = 0; i < size_; ++i) levels_[i * L::kWidth + r] = level_at((group + r) * size_ + i);
    }
    return loss(typed(L::load(scales.data())), typed(L::load(biases.data())));
  }

  /// What is lost with `levels_`, weighed, in the tile's unit. Restores as the program does, with every step in the
  /// type.
  [[nodiscard, gnu::noinline]] F32 loss(const Numbers& scales, const Numbers& biases) noexcept {
    const F32 scale = L::load(scales.data());
    const F32 bias = L::load(biases.data());
    const size_t all = size_ * L::kWidth;
    for (size_t i = 0; i < all; i += L::kWidth) L::store(&restored_[i], L::mul(L::load(&levels_[i]), scale));
    (void)type_.round(std::span(restored_).first(all), restored_.data());
    for (size_t i = 0; i < all; i += L::kWidth) L::store(&restored_[i], L::add(L::load(&restored_[i]), bias));
    (void)type_.round(std::span(restored_).first(all), restored_.data());
    F32 sum = L::splat(0.0F);
    for (size_t i = 0; i < all; i += L::kWidth) {
      const F32 error = L::sub(L::load(&tile_.weights[i]), L::mul(L::load(&restored_[i]), tile_.unit));
      sum = L::add(sum, L::mul(L::load(&tile_.importance[i]), L::mul(error, error)));
    }
    return sum;
  }

  [[nodiscard]] Numbers typed(F32 values) const noexcept {
    Numbers numbers;
    L::store(numbers.data(), values);
    (void)type_.round(numbers, numbers.data());
    return numbers;
  }

  /// Those of 4 bits are in pairs.
  [[nodiscard]] float level_at(size_t index) const noexcept {
    return bits_ == 4 ? static_cast<float>(piece_.levels[index / 2] >> 4 * (index % 2) & 15)
                      : static_cast<float>(piece_.levels[index]);
  }
  void put_level(size_t index, float value) noexcept {
    const auto level = static_cast<uint32_t>(value);
    if (bits_ != 4) {
      piece_.levels[index] = static_cast<uint8_t>(level);
    } else {
      uint8_t& pair = piece_.levels[index / 2];
      pair = static_cast<uint8_t>(index % 2 == 0 ? (pair & 0xF0) | level : (pair & 15) | level << 4);
    }
  }

  const FloatType& type_;
  size_t size_;
  uint32_t bits_;
  const EncodeContext& context_;
  AffinePiece& piece_;
  group_search::GroupTile<L> tile_;
  Lanes levels_ = {};
  Lanes restored_;
};

}  // namespace arrowquant::mlx
