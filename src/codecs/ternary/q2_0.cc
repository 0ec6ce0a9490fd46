#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "codecs/block_codec.h"
#include "codecs/foreign/dense_levels.h"
#include "codecs/improved_blocks.h"
#include "codecs/ternary/largest_scale.h"
#include "codecs/ternary/scale_search.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace ternary {
namespace {

struct Q20 {
  static constexpr size_t kWeights = 64;

  /// 64 weights: f16 scale d; the levels plus one, two bits each, the first in the lowest. weight ≈ d · level, which
  /// may be 2, too.
  struct Block {
    Half scale;
    std::array<uint8_t, kWeights / 4> levels;
  };
  static_assert(sizeof(Block) == 18);

  template <typename L>
  static bool encode(const float* from, Block* block) noexcept {
    const auto scale = std::bit_cast<float>(largest_bits<L>(from, kWeights));
    if (!store_half(scale, block->scale)) return false;
    const float inv_scale = blocks_of_32::invert<ScalarLanes>(scale);
    if (inv_scale == 0.0F && scale != 0.0F) {
      // llama.cpp's products are infinite or NaN there, which x86 turns into the least integer: all are at −1.
      block->levels = {};
      return true;
    }
    std::array<uint8_t, kWeights> levels;
    for (size_t i = 0; i < kWeights; i += 4 * L::kWidth) {
      L::store_bytes(&levels[i], stored_levels<L>(from + i, inv_scale));
    }
    pack_levels<L>(levels, 2, block->levels.data());
    return true;
  }

  /// Thresholds a factor of √3 apart are tried from 0.69 of the largest magnitude down, as long as the last of them is
  /// the best: each serves as |d|/2, with the second before it as 3·|d|/2, and scales of either sign. The best one is
  /// made better by the scale that it leads to.
  template <typename L>
  static float find_scale(const float* from, const float* importance) noexcept {
    constexpr float kFactor = 0.57735027F;
    constexpr size_t kThresholds = 4;
    constexpr int kMostRounds = 4;
    const auto positive = count_weights<L>(from, importance, 1.0F);
    const auto negative = count_weights<L>(from, importance, -1.0F);
    // Nothing is above the thresholds before the first.
    std::array<TailSums, kThresholds + 2> above{};
    std::array<TailSums, kThresholds + 2> below{};
    BestScale best;
    float first = 0.69282032F * std::bit_cast<float>(largest_bits<L>(from, kWeights));
    bool is_last = true;
    for (int round = 0; is_last && round < kMostRounds; ++round) {
      const auto thresholds = make_thresholds<kThresholds>(first, kFactor);
      const auto one = sum_tails<L>(positive, thresholds);
      const auto other = sum_tails<L>(negative, thresholds);
      std::copy(one.begin(), one.end(), above.begin() + 2);
      std::copy(other.begin(), other.end(), below.begin() + 2);
      for (size_t i = 2; i < above.size(); ++i) {
        const bool is_better = challenge(best, above[i], above[i - 2], below[i], 1.0F);
        is_last = challenge(best, below[i], below[i - 2], above[i], -1.0F) || is_better;
      }
      std::copy(above.end() - 2, above.end(), above.begin());
      std::copy(below.end() - 2, below.end(), below.begin());
      first = kFactor * thresholds.back();
    }
    const float half = 0.5F * std::fabs(best.scale);
    const bool is_positive = best.scale > 0.0F;
    const auto far = sum_tails<L>(is_positive ? positive : negative, std::array{half, 3.0F * half});
    const auto near = sum_tails<L>(is_positive ? negative : positive, std::array{half});
    challenge(best, far[0], far[1], near[0], is_positive ? 1.0F : -1.0F);
    return best.scale;
  }

  template <typename L>
  static Counted<kWeights> count_weights(const float* from, const float* importance, float sign) noexcept {
    Counted<kWeights> counted;
    counted.importance = importance;
    for (size_t i = 0; i < kWeights; i += L::kWidth) {
      const auto weights = L::mul(L::load(from + i), L::splat(sign));
      L::store(&counted.weights[i], weights);
      L::store(&counted.products[i], L::mul(weights, L::load(importance + i)));
    }
    return counted;
  }

  /// `one` and `two` are the sums over what is at the levels 1 and 2, and at 2 alone; `minus_one` those of the other
  /// sign.
  static bool challenge(BestScale& best, const TailSums& one, const TailSums& two, const TailSums& minus_one,
                        float sign) noexcept {
    return best.challenge(one.product + two.product + minus_one.product, one.count + 3.0F * two.count + minus_one.count,
                          sign);
  }

  template <typename L>
  static bool improve(const float* from, const float* importance, Block& block) noexcept {
    if (!store_half(find_scale<L>(from, importance), block.scale)) return false;
    const float scale = load_half(block.scale);
    if (scale == 0.0F) return false;
    const auto inv_scale = L::splat(1.0F / scale);
    std::array<uint8_t, kWeights> levels;
    for (size_t i = 0; i < kWeights; i += 4 * L::kWidth) {
      L::store_bytes(&levels[i], blocks_of_32::to_bytes<L>([&](size_t at) noexcept {
        const auto level = L::nearest(L::mul(L::load(from + i + at), inv_scale));
        return L::add(L::pmax(L::pmin(level, L::splat(2.0F)), L::splat(-1.0F)), L::splat(1.0F));
      }));
    }
    pack_levels<L>(levels, 2, block.levels.data());
    return true;
  }

  template <typename L>
  static void decode(const Block& block, float* to) noexcept {
    const float scale = load_half(block.scale);
    std::array<uint8_t, kWeights> levels;
    unpack_levels(block.levels.data(), 2, std::span(levels));
    for (size_t i = 0; i < kWeights; i += 4 * L::kWidth) {
      expand_levels<L>(L::sub(L::load_bytes(&levels[i]), L::splat_bytes(1)), scale, to + i);
    }
  }
};

template <typename L>
constexpr EncodeBlocks kEncodeQ20 = blocks_of_32::encode<Q20, L, Q20::kWeights, 1>;
template <typename L>
constexpr DecodeBlocks kDecodeQ20 = blocks_of_32::decode<Q20, L, Q20::kWeights>;
template <typename L>
constexpr SearchBlocks kImproveQ20 = encode_improved<Q20, L, kEncodeQ20<L>>;

}  // namespace
}  // namespace ternary

extern const Codec kQ20;
constinit const Codec kQ20 = block_codec<ternary::kEncodeQ20<WasmLanes>, ternary::kDecodeQ20<WasmLanes>, nullptr,
                                         ternary::kImproveQ20<WasmLanes>>({
    .name = "Q2_0",
    .ggml_type = 42,
    .block_weights = ternary::Q20::kWeights,
    .block_bytes = sizeof(ternary::Q20::Block),
    .searches = false,
    .file_types = {{{"Q2_0", 41}}},
});

extern const CodecReference kQ20Reference;
constinit const CodecReference kQ20Reference =
    block_reference<ternary::kEncodeQ20<ScalarLanes>, ternary::kDecodeQ20<ScalarLanes>, nullptr,
                    ternary::kImproveQ20<ScalarLanes>>();

}  // namespace arrowquant
