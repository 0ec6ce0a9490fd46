#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/codec.h"
#include "codecs/importance.h"

/// Groups of weights as the searches for their scales have them: kWidth of them at a time, a group in each lane, scaled
/// by powers of two so that no sum of squares is too large or too small for f32.
namespace arrowquant::group_search {

inline constexpr size_t kMostGroupWeights = 256;

/// Groups of larger or smaller weights are not searched for anything better: what comes of them could be no float.
inline constexpr float kLeastPeak = 0x1p-100F;
inline constexpr float kMostPeak = 0x1p100F;

/// 1/2^e for the power 2^e that is next below each lane's magnitude; for subnormal numbers the largest that f32 has.
template <typename L>
[[nodiscard]] typename L::F32 inverse_power(typename L::F32 magnitude) noexcept {
  constexpr int32_t kExponent = 0x7F800000;
  constexpr int32_t kMost = 253 << 23;
  constexpr int32_t kTwice = 254 << 23;
  const auto power = L::min(L::bit_and(L::bits(magnitude), L::splat(kExponent)), L::splat(kMost));
  return L::from_bits(L::sub(L::splat(kTwice), power));
}

/// Weights and what their errors count, weight i of every lane behind weight i − 1.
template <typename L>
struct GroupTile {
  std::array<float, kMostGroupWeights * L::kWidth> weights;
  std::array<float, kMostGroupWeights * L::kWidth> importance;
  bool weighs = false;        ///< whether not all of them count 1
  size_t size = 0;            ///< of a group
  typename L::F32 unit;       ///< what the weights were multiplied with, a power of two
  typename L::Mask is_usual;  ///< whether the largest weight of a lane is neither very large nor very small
};

/// Puts kWidth rows of `size` numbers, a multiple of kWidth, into lanes. Returns the largest magnitudes.
template <typename L>
[[nodiscard]] typename L::F32 load_lanes(const float* from, size_t size, float* to) noexcept {
  auto peak = L::splat(0.0F);
  for (size_t i = 0; i < size; i += L::kWidth) {
    const typename L::F32Square columns = L::load_transposed(from + i, size);
    for (const auto& column : columns) {
      peak = L::pmax(peak, L::abs(column));
      L::store(to, column);
      to += L::kWidth;
    }
  }
  return peak;
}

template <typename L>
void scale_lanes(float* lanes, size_t size, typename L::F32 factor) noexcept {
  for (float* const end = lanes + size * L::kWidth; lanes != end; lanes += L::kWidth) {
    L::store(lanes, L::mul(L::load(lanes), factor));
  }
}

/// How much the errors of `count` weights from `at` on count; 1 each where nobody says so.
inline void copy_importance(const EncodeContext& context, size_t at, size_t count, float* to) noexcept {
  if (context.importance.empty() || context.row_weights == 0) {
    std::fill_n(to, count, 1.0F);
    return;
  }
  EncodeContext own = context;
  own.first_row += (context.first_column + at) / context.row_weights;
  own.first_column = (context.first_column + at) % context.row_weights;
  (void)for_each_row(own, count, [&](size_t first, size_t some, const float* importance) noexcept {
    std::copy_n(importance, some, to + first);
    return Status{};
  });
}

/// Fills a tile with up to kWidth groups of finite weights, of which the last may be short: what is missing counts
/// nothing. They begin at weight `at` of what is encoded.
template <typename L>
void load_groups(std::span<const float> weights, size_t at, size_t size, const EncodeContext& context,
                 GroupTile<L>& tile) noexcept {
  std::array<float, kMostGroupWeights * L::kWidth> room;
  const size_t all = size * L::kWidth;
  const bool is_short = weights.size() < all;
  tile.size = size;
  tile.weighs = is_short || (!context.importance.empty() && context.row_weights > 0);
  if (tile.weighs) {
    copy_importance(context, at, weights.size(), room.data());
    std::fill_n(room.data() + weights.size(), all - weights.size(), 0.0F);
    const auto most = load_lanes<L>(room.data(), size, tile.importance.data());
    scale_lanes<L>(tile.importance.data(), size, inverse_power<L>(most));
  } else {
    std::fill_n(tile.importance.begin(), all, 1.0F);
  }
  const float* from = weights.data();
  if (is_short) {
    std::fill_n(std::copy(weights.begin(), weights.end(), room.begin()), all - weights.size(), weights.back());
    from = room.data();
  }
  const auto peak = load_lanes<L>(from, size, tile.weights.data());
  tile.unit = inverse_power<L>(peak);
  tile.is_usual = L::mask_and(L::ge(peak, L::splat(kLeastPeak)), L::le(peak, L::splat(kMostPeak)));
  scale_lanes<L>(tile.weights.data(), size, tile.unit);
}

}  // namespace arrowquant::group_search
