#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/best/iq4_super_block.h"
#include "codecs/block_codec.h"
#include "codecs/blocks_of_32/iq4_search.h"
#include "codecs/blocks_of_32/iq4_weighted.h"
#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/k_quants/k_quant_weighted.h"
#include "codecs/weighted/signed_levels.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace blocks_of_32 {
namespace {

constexpr size_t kSuperBlock = 256;
constexpr size_t kSubBlocks = kSuperBlock / kWeights;

struct Iq4Xs {
  /// 256 weights in 8 sub-blocks of 32: f16 scale; the sub-blocks' 6-bit scales, which are stored with 32 added, first
  /// their upper two bits (sub-block i's are bits 2·i and 2·i + 1), then their lower four (i even in the low half of
  /// byte i/2, i odd in the high half); the levels. weight ≈ scale · (sub-block scale − 32) · value of the level.
  struct Block {
    std::array<uint8_t, 2> scale;
    std::array<uint8_t, 2> sub_scales_high;
    std::array<uint8_t, kSubBlocks / 2> sub_scales_low;
    std::array<Nibbles, kSubBlocks> nibbles;
  };
  static_assert(sizeof(Block) == 136);

  using Scales = std::array<float, kSubBlocks>;

  /// Stores the multiples of the block's scale, in −32…31, and takes the levels from those.
  template <typename Lanes>
  static void pack(const float* from, const Scales& multiples, float scale, Block& block) noexcept {
    uint32_t high_bits = 0;
    block.sub_scales_low = {};
    for (size_t i = 0; i < kSubBlocks; ++i) {
      const float sub_scale = scale * multiples[i];
      const float inv_sub_scale = sub_scale != 0.0F ? 1.0F / sub_scale : 0.0F;
      iq4::pack_levels<Lanes>(from + i * kWeights, inv_sub_scale, block.nibbles[i]);
      const auto stored = static_cast<uint32_t>(static_cast<int>(multiples[i]) + 32);
      block.sub_scales_low[i / 2] = static_cast<uint8_t>(block.sub_scales_low[i / 2] | (stored & 15) << i % 2 * 4);
      high_bits |= stored >> 4 << 2 * i;
    }
    store_u16(block.sub_scales_high.data(), static_cast<uint16_t>(high_bits));
  }

  /// The sub-blocks' scales as multiples of the block's, half to even; −32 for the peak.
  static Scales multiples_of(float scale, const Scales& scales) noexcept {
    const float inv_scale = scale != 0.0F ? 1.0F / scale : 0.0F;
    Scales multiples;
    for (size_t i = 0; i < kSubBlocks; ++i) {
      // The product is in ±32, or next to it, but for scales that are too small to divide by.
      multiples[i] = static_cast<float>(std::clamp(k_quant::nearest_integer(inv_scale * scales[i]), -32, 31));
    }
    return multiples;
  }

  template <typename Lanes>
  static bool encode(const float* from, Block* block) noexcept {
    return encode_counted<Lanes>(from, nullptr, block);
  }

  template <typename Lanes>
  static bool encode_counted(const float* from, const float* counts, Block* block) noexcept {
    alignas(16) Scales scales;
    for (size_t i = 0; i < kSubBlocks; i += Lanes::kWidth) {
      typename Lanes::F32 found;
      const float* counted = counts == nullptr ? nullptr : counts + i * kWeights;
      if (!iq4::find_scales<Lanes>(from + i * kWeights, counted, found)) return false;
      Lanes::store(&scales[i], found);
    }
    // llama.cpp passes over a sub-block whose sums overflowed, and decodes it to zeros.
    if (!k_quant::all_finite(scales)) return false;
    const float scale = -weighted::extreme_of(scales) / 32.0F;
    if (!all_fit<ScalarLanes>(store_halves<ScalarLanes>(block, &Block::scale, scale))) return false;
    pack<Lanes>(from, multiples_of(scale, scales), scale, *block);
    return true;
  }

  template <typename Lanes>
  static void decode(const Block& block, float* to) noexcept {
    const float scale = load_half(block.scale);
    const uint32_t high_bits = load_u16(block.sub_scales_high.data());
    for (size_t i = 0; i < kSubBlocks; ++i) {
      const uint32_t low = block.sub_scales_low[i / 2] >> i % 2 * 4 & 15;
      const uint32_t high = high_bits >> 2 * i & 3;
      const auto multiple = static_cast<int>(low | high << 4) - 32;
      iq4::expand_levels<Lanes>(block.nibbles[i], scale * static_cast<float>(multiple), to + i * kWeights);
    }
  }
};

}  // namespace
}  // namespace blocks_of_32

extern const Codec kIq4Xs;
constinit const Codec kIq4Xs = block_codec<
    blocks_of_32::encode<blocks_of_32::Iq4Xs, WasmLanes, blocks_of_32::kSuperBlock, 1>,
    blocks_of_32::decode<blocks_of_32::Iq4Xs, WasmLanes, blocks_of_32::kSuperBlock>,
    blocks_of_32::encode_iq4_weighted<blocks_of_32::Iq4Xs, WasmLanes, blocks_of_32::kSuperBlock, 1>,
    best::encode<best::Iq4SuperBlock<blocks_of_32::Iq4Xs>, WasmLanes,
                 blocks_of_32::encode<blocks_of_32::Iq4Xs, WasmLanes, blocks_of_32::kSuperBlock, 1>,
                 blocks_of_32::encode_iq4_weighted<blocks_of_32::Iq4Xs, WasmLanes, blocks_of_32::kSuperBlock, 1>>>({
    .name = "IQ4_XS",
    .ggml_type = 23,
    .block_weights = blocks_of_32::kSuperBlock,
    .block_bytes = sizeof(blocks_of_32::Iq4Xs::Block),
    .searches = true,
    .file_types = {{{"IQ4_XS", 30}}},
});

extern const CodecReference kIq4XsReference;
constinit const CodecReference kIq4XsReference = block_reference<
    blocks_of_32::encode<blocks_of_32::Iq4Xs, ScalarLanes, blocks_of_32::kSuperBlock, 1>,
    blocks_of_32::decode<blocks_of_32::Iq4Xs, ScalarLanes, blocks_of_32::kSuperBlock>,
    blocks_of_32::encode_iq4_weighted<blocks_of_32::Iq4Xs, ScalarLanes, blocks_of_32::kSuperBlock, 1>,
    best::encode<best::Iq4SuperBlock<blocks_of_32::Iq4Xs>, ScalarLanes,
                 blocks_of_32::encode<blocks_of_32::Iq4Xs, ScalarLanes, blocks_of_32::kSuperBlock, 1>,
                 blocks_of_32::encode_iq4_weighted<blocks_of_32::Iq4Xs, ScalarLanes, blocks_of_32::kSuperBlock, 1>>>();

}  // namespace arrowquant
