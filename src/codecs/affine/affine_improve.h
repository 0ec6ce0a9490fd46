#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/affine/affine.h"
#include "codecs/affine/affine_encode.h"
#include "codecs/group_search/group_tile.h"
#include "codecs/group_search/zero_point_search.h"

namespace arrowquant {

/// Searches groups that are encoded already for scales and zero points that lose less.
template <typename L>
class AffineImprover {
 public:
  AffineImprover(std::span<const float> weights, const EncodeContext& context, const AffineOutput& output) noexcept
      : weights_(weights), context_(context), output_(output) {}

  void improve() noexcept {
    const size_t size = context_.parameters.group_size;
    const size_t step = size * L::kWidth;
    for (size_t at = 0; at < weights_.size(); at += step) {
      const auto own = weights_.subspan(at, std::min(step, weights_.size() - at));
      group_search::load_groups<L>(own, at, size, context_, tile_);
      improve_loaded(own, at / size);
    }
  }

 private:
  /// The groups of the tile, from `group` on.
  void improve_loaded(std::span<const float> weights, size_t group) noexcept {
    const size_t size = context_.parameters.group_size;
    const size_t count = (weights.size() + size - 1) / size;
    std::array<float, L::kWidth> scales;
    std::array<float, L::kWidth> zero_points = {};
    scales.fill(1.0F);
    for (size_t r = 0; r < count; ++r) {
      scales[r] = output_.scales[group + r];
      zero_points[r] = output_.zero_points[group + r];
    }
    const group_search::ZeroPointScale<L> plain = {L::mul(L::load(scales.data()), tile_.unit),
                                                   L::load(zero_points.data())};
    auto found = plain;
    const uint32_t better = tile_.weighs ? search<true>(plain, found) : search<false>(plain, found);
    L::store(scales.data(), L::div(found.scale, tile_.unit));
    L::store(zero_points.data(), found.zero_point);
    for (size_t r = 0; r < count; ++r) {
      if ((better >> r & 1) == 0) continue;
      encode_again(group + r, {scales[r], static_cast<uint8_t>(zero_points[r])},
                   weights.subspan(r * size, std::min<size_t>(size, weights.size() - r * size)));
    }
  }

  /// Returns which groups lose less with what is found.
  template <bool kWeighs>
  [[nodiscard]] uint32_t search(const group_search::ZeroPointScale<L>& plain,
                                group_search::ZeroPointScale<L>& found) const noexcept {
    const auto& parameters = context_.parameters;
    const group_search::ZeroPointSearch<L, kWeighs> search(tile_.weights.data(), L::kWidth, tile_.importance.data(),
                                                           tile_.size, static_cast<float>((1U << parameters.bits) - 1));
    found = parameters.symmetric ? search.search_symmetric(plain) : search.search(plain);
    return L::bitmask(L::mask_and(tile_.is_usual, search.is_better(found, plain)));
  }

  /// Its weights are known to be finite.
  void encode_again(size_t group, const AffineScale& scale, std::span<const float> weights) noexcept {
    const uint32_t bits = context_.parameters.bits;
    uint8_t* const packed = output_.packed.data() + group * context_.parameters.group_size * bits / 8;
    output_.scales[group] = scale.scale;
    output_.zero_points[group] = scale.zero_point;
    if (bits == 8) {
      (void)encode_affine_scaled_all<L, 8>(weights, scale, packed);
    } else if (bits == 4) {
      (void)encode_affine_scaled_all<L, 4>(weights, scale, packed);
    } else {
      (void)encode_affine_scaled_all<L, 2>(weights, scale, packed);
    }
  }

  std::span<const float> weights_;
  const EncodeContext& context_;
  AffineOutput output_;
  group_search::GroupTile<L> tile_;
};

}  // namespace arrowquant
