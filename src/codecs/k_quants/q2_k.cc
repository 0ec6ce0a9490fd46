#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/best_k/best_super_block.h"
#include "codecs/best_k/min_search.h"
#include "codecs/block_codec.h"
#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/k_quants/k_quant_min_search.h"
#include "codecs/k_quants/k_quant_packing.h"
#include "codecs/k_quants/k_quant_weighted.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace k_quant {
namespace {

struct Q2K {
  static constexpr size_t kSubBlocks = 16;

  /// 256 weights: the scales (low half) and mins (high half) of 16 sub-blocks; the levels, four to a byte; f16 scale,
  /// f16 min. weight ≈ scale · sub-block scale · level − min · sub-block min.
  struct Block {
    std::array<uint8_t, kSubBlocks> pairs;
    std::array<uint8_t, kSuperBlock / 4> levels;
    HalfBytes scale;
    HalfBytes min;
  };
  static_assert(sizeof(Block) == 84);

  struct Rule {
    static constexpr size_t kWeights = 16;
    static constexpr int32_t kMaxLevel = 3;
    static constexpr float kFirstStep = -0.5F;
    static constexpr int kSteps = 15;
    static constexpr bool kAbsoluteError = true;
    static constexpr bool kRootMeanSquare = false;
  };

  static constexpr float kMeanSquares = 1.0F;

  /// `value` in units of 1/15 of `top`. A scale can come out negative, and llama.cpp stores its low byte, over the
  /// min's half too.
  static int four_bits(float value, float top) noexcept {
    return top > 0.0F ? static_cast<uint8_t>(nearest_integer(15.0F / top * value)) : 0;
  }

  /// False if a scale is infinite in f16.
  [[nodiscard]] static bool store_pairs(const MinFits<kSubBlocks>& fits, Block& block) noexcept {
    const float top_scale = largest(fits.scale);
    const float top_min = largest(fits.min);
    for (size_t j = 0; j < kSubBlocks; ++j) {
      const int pair = four_bits(fits.scale[j], top_scale) | four_bits(fits.min[j], top_min) << 4;
      block.pairs[j] = static_cast<uint8_t>(pair & 0xFF);
    }
    return store_half(block.scale, top_scale / 15.0F) && store_half(block.min, top_min / 15.0F);
  }

  /// Calls `visit(j, scale, min)` for each sub-block with its factors.
  template <typename Visit>
  static void for_each_pair(const Block& block, Visit visit) noexcept {
    const float scale = load_half(block.scale);
    const float min = load_half(block.min);
    for (size_t j = 0; j < kSubBlocks; ++j) {
      visit(j, scale * static_cast<float>(block.pairs[j] & 15), min * static_cast<float>(block.pairs[j] >> 4));
    }
  }

  /// The same with importance: false where a sum overflows f32, too.
  template <typename Lanes>
  [[nodiscard]] static bool store_counted_pairs(const MinFits<kSubBlocks>& fits, Block& block) noexcept {
    PositiveFactors<kSubBlocks> scales;
    PositiveFactors<kSubBlocks> mins;
    if (!find_factor_pairs<Lanes>(fits, 15, scales, mins)) return false;
    block.scale = scales.factor;
    block.min = mins.factor;
    for (size_t j = 0; j < kSubBlocks; ++j) {
      block.pairs[j] = static_cast<uint8_t>(scales.levels[j] | mins.levels[j] << 4);
    }
    return true;
  }

  template <typename Lanes>
  static void pack_levels(const float* from, const MinFits<kSubBlocks>& fits, Block& block) noexcept {
    Levels levels;
    for_each_pair(block, [&](size_t j, float scale, float min) noexcept {
      const size_t at = j * Rule::kWeights;
      min_levels<Lanes, Rule>(from + at, fits, j, scale, min, &levels[at]);
    });
    pack_two_bits<Lanes, 0>(levels, block.levels.data());
  }

  template <typename Lanes>
  static bool encode(const float* from, Block& block) noexcept {
    const auto fits = fit_super_block<Lanes, Rule>(from);
    if (!store_pairs(fits, block)) return false;
    pack_levels<Lanes>(from, fits, block);
    return true;
  }

  template <typename Lanes>
  static bool encode_counted(const float* from, const float* counts, Block& block) noexcept {
    const auto fits = fit_counted<Lanes, Rule>(from, counts);
    if (!store_counted_pairs<Lanes>(fits, block)) return false;
    pack_levels<Lanes>(from, fits, block);
    return true;
  }

  struct BestRule {
    static constexpr size_t kWeights = 16;
    static constexpr int32_t kMaxLevel = 3;
    static constexpr int32_t kMost = 15;
    static constexpr int kSpreads = 8;
    static constexpr float kFirstSpread = -0.7F;
    static constexpr float kSpreadStep = 0.3F;
    static constexpr int kPhases = 4;
    static constexpr int kScales = 8;
    static constexpr float kScaleStep = 0.5F;
  };

  template <typename Lanes>
  static bool find(const float* weights, const float* counts, bool is_uneven, Block& block) noexcept {
    best_k::MinScales<kSubBlocks> found;
    if (!best_k::MinSearch<Lanes, BestRule>(weights, counts, is_uneven).find(found)) return false;
    for (size_t j = 0; j < kSubBlocks; ++j) {
      block.pairs[j] =
          static_cast<uint8_t>(static_cast<int>(found.sub_scale[j]) | static_cast<int>(found.sub_min[j]) << 4);
    }
    if (!store_half(block.scale, found.scale) || !store_half(block.min, found.min)) return false;
    Levels levels;
    for_each_pair(block, [&](size_t j, float scale, float min) noexcept {
      const size_t at = j * Rule::kWeights;
      round_sub_block<Lanes, 0, Rule::kMaxLevel>({weights + at, Rule::kWeights}, scale, min, &levels[at]);
    });
    pack_two_bits<Lanes, 0>(levels, block.levels.data());
    return true;
  }

  template <typename Lanes>
  static void decode(const Block& block, float* to) noexcept {
    Levels levels{};
    unpack_two_bits<Lanes, 0>(block.levels.data(), levels);
    for_each_pair(block, [&](size_t j, float scale, float min) noexcept {
      const size_t at = j * Rule::kWeights;
      expand_sub_block<Lanes, 0>(&levels[at], scale, min, {to + at, Rule::kWeights});
    });
  }
};

}  // namespace
}  // namespace k_quant

extern const Codec kQ2K;
constinit const Codec kQ2K =
    block_codec<k_quant::encode<k_quant::Q2K, WasmLanes>, k_quant::decode<k_quant::Q2K, WasmLanes>,
                k_quant::encode_weighted<k_quant::Q2K, WasmLanes>, best_k::encode<k_quant::Q2K, WasmLanes>>({
        .name = "Q2_K",
        .ggml_type = 10,
        .block_weights = k_quant::kSuperBlock,
        .block_bytes = sizeof(k_quant::Q2K::Block),
        .searches = true,
        .file_types = {{{"Q2_K", 10}, {"Q2_K_S", 21}}},
    });

extern const CodecReference kQ2KReference;
constinit const CodecReference kQ2KReference =
    block_reference<k_quant::encode<k_quant::Q2K, ScalarLanes>, k_quant::decode<k_quant::Q2K, ScalarLanes>,
                    k_quant::encode_weighted<k_quant::Q2K, ScalarLanes>, best_k::encode<k_quant::Q2K, ScalarLanes>>();

}  // namespace arrowquant
