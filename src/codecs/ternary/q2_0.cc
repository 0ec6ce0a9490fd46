#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "codecs/block_codec.h"
#include "codecs/foreign/dense_levels.h"
#include "codecs/ternary/largest_scale.h"
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
    const float scale = std::bit_cast<float>(largest_bits<L>(from, kWeights));
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

}  // namespace
}  // namespace ternary

extern const Codec kQ20;
constinit const Codec kQ20 = block_codec<ternary::kEncodeQ20<WasmLanes>, ternary::kDecodeQ20<WasmLanes>>({
    .name = "Q2_0",
    .ggml_type = 42,
    .block_weights = ternary::Q20::kWeights,
    .block_bytes = sizeof(ternary::Q20::Block),
    .searches = false,
    .file_types = {{{"Q2_0", 41}}},
});

extern const CodecReference kQ20Reference;
constinit const CodecReference kQ20Reference =
    block_reference<ternary::kEncodeQ20<ScalarLanes>, ternary::kDecodeQ20<ScalarLanes>>();

}  // namespace arrowquant
