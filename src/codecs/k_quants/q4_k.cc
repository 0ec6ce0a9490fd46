#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/best_k/best_scale_pairs.h"
#include "codecs/best_k/best_super_block.h"
#include "codecs/block_codec.h"
#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/k_quants/k_quant_packing.h"
#include "codecs/k_quants/k_quant_scale_pairs.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace k_quant {
namespace {

struct Q4K {
  /// 256 weights: f16 scale, f16 min, eight 6-bit (scale, min) pairs; the levels, of each 64 weights the first 32 in
  /// the low halves of 32 bytes. weight ≈ scale · sub-block scale · level − min · sub-block min.
  struct Block {
    ScalePairs pairs;
    std::array<uint8_t, kSuperBlock / 2> nibbles;
  };
  static_assert(sizeof(Block) == 144);

  struct Rule {
    static constexpr size_t kWeights = 32;
    static constexpr int32_t kMaxLevel = 15;
    static constexpr float kFirstStep = -1.0F;
    static constexpr int kSteps = 20;
    static constexpr bool kAbsoluteError = false;
    static constexpr bool kRootMeanSquare = true;
    /// What llama.cpp stores at most with importance. A scale below zero is a byte that runs into its neighbours.
    static constexpr uint8_t kMostPair = 255;
  };

  static constexpr float kMeanSquares = 2.0F;

  template <typename Lanes>
  static void pack(const Levels& levels, Block& block) noexcept {
    pack_nibbles<Lanes, 32>(levels, block.nibbles.data());
  }

  template <typename Lanes>
  static bool encode(const float* from, Block& block) noexcept {
    Levels levels;
    if (!find_levels<Lanes, Rule>(from, block.pairs, levels)) return false;
    pack<Lanes>(levels, block);
    return true;
  }

  template <typename Lanes>
  static bool encode_counted(const float* from, const float* counts, Block& block) noexcept {
    Levels levels;
    if (!find_counted_levels<Lanes, Rule>(from, counts, block.pairs, levels)) return false;
    pack<Lanes>(levels, block);
    return true;
  }

  struct BestRule {
    static constexpr size_t kWeights = 32;
    static constexpr int32_t kMaxLevel = 15;
    static constexpr int32_t kMost = 63;
    static constexpr int kSpreads = 10;
    static constexpr float kFirstSpread = -1.2F;
    static constexpr float kSpreadStep = 0.36F;
    static constexpr int kPhases = 4;
    static constexpr int kScales = 8;
    static constexpr float kScaleStep = 1.5F;
  };

  template <typename Lanes>
  static bool find(const float* weights, const float* counts, bool is_uneven, Block& block) noexcept {
    Levels levels;
    if (!best_k::find_pairs<Lanes, BestRule>(weights, counts, is_uneven, block.pairs, levels)) return false;
    pack_nibbles<Lanes, 32>(levels, block.nibbles.data());
    return true;
  }

  template <typename Lanes>
  static void decode(const Block& block, float* to) noexcept {
    Levels levels;
    unpack_nibbles<Lanes, 32>(block.nibbles.data(), levels);
    expand_levels<Lanes, Rule>(block.pairs, levels, to);
  }
};

}  // namespace
}  // namespace k_quant

extern const Codec kQ4K;
constinit const Codec kQ4K =
    block_codec<k_quant::encode<k_quant::Q4K, WasmLanes>, k_quant::decode<k_quant::Q4K, WasmLanes>,
                k_quant::encode_weighted<k_quant::Q4K, WasmLanes>, best_k::encode<k_quant::Q4K, WasmLanes>>({
        .name = "Q4_K",
        .ggml_type = 12,
        .block_weights = k_quant::kSuperBlock,
        .block_bytes = sizeof(k_quant::Q4K::Block),
        .searches = true,
        .file_types = {{{"Q4_K_S", 14}, {"Q4_K_M", 15}}},
    });

extern const CodecReference kQ4KReference;
constinit const CodecReference kQ4KReference =
    block_reference<k_quant::encode<k_quant::Q4K, ScalarLanes>, k_quant::decode<k_quant::Q4K, ScalarLanes>,
                    k_quant::encode_weighted<k_quant::Q4K, ScalarLanes>, best_k::encode<k_quant::Q4K, ScalarLanes>>();

}  // namespace arrowquant
