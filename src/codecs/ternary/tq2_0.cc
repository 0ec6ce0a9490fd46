#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "codecs/block_codec.h"
#include "codecs/improved_blocks.h"
#include "codecs/ternary/largest_scale.h"
#include "codecs/ternary/ternary_search.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace ternary {
namespace {

struct Tq20 {
  static constexpr size_t kWeights = 256;
  static constexpr size_t kHalfBlock = kWeights / 2;
  /// Weights whose levels share a byte are this far from each other.
  static constexpr size_t kStride = kHalfBlock / 4;

  /// 256 weights: the levels plus one, two bits each; then f16 scale d. Byte m of a half has the levels m, m + 32,
  /// m + 64 and m + 96 of its 128 weights, the first in the lowest bits. weight ≈ d · level, which may be 2, too.
  struct Block {
    std::array<uint8_t, kWeights / 4> levels;
    Half scale;
  };
  static_assert(sizeof(Block) == 66);

  template <typename L>
  static bool encode(const float* from, Block* block) noexcept {
    const auto scale = std::bit_cast<float>(largest_bits<L>(from, kWeights));
    if (!store_half(scale, block->scale)) return false;
    pack<L>(from, blocks_of_32::invert<ScalarLanes>(scale), *block);
    return true;
  }

  template <typename L>
  static void pack(const float* from, float inv_scale, Block& block) noexcept {
    for (size_t m = 0; m < kWeights / 4; m += 4 * L::kWidth) {
      const float* first = from + m / kStride * kHalfBlock + m % kStride;
      auto byte = stored_levels<L>(first + 3 * kStride, inv_scale);
      for (size_t n = 3; n-- > 0;) {
        byte = L::add(byte, byte);
        byte = L::add(L::add(byte, byte), stored_levels<L>(first + n * kStride, inv_scale));
      }
      L::store_bytes(&block.levels[m], byte);
    }
  }

  template <typename L>
  static bool improve(const float* from, const float* importance, Block& block) noexcept {
    return improve_ternary<Tq20, L>(from, importance, block);
  }

  template <typename L>
  static void decode(const Block& block, float* to) noexcept {
    const float scale = load_half(block.scale);
    for (size_t m = 0; m < kWeights / 4; m += 4 * L::kWidth) {
      float* first = to + m / kStride * kHalfBlock + m % kStride;
      auto byte = L::load_bytes(&block.levels[m]);
      for (size_t n = 0; n < 4; ++n, byte = L::shr_logical(byte, 2)) {
        const auto level = L::sub(L::bit_and(byte, L::splat_bytes(3)), L::splat_bytes(1));
        expand_levels<L>(level, scale, first + n * kStride);
      }
    }
  }
};

template <typename L>
constexpr EncodeBlocks kEncodeTq20 = blocks_of_32::encode<Tq20, L, Tq20::kWeights, 1>;
template <typename L>
constexpr DecodeBlocks kDecodeTq20 = blocks_of_32::decode<Tq20, L, Tq20::kWeights>;
template <typename L>
constexpr SearchBlocks kImproveTq20 = encode_improved<Tq20, L, kEncodeTq20<L>>;

}  // namespace
}  // namespace ternary

extern const Codec kTq20;
constinit const Codec kTq20 = block_codec<ternary::kEncodeTq20<WasmLanes>, ternary::kDecodeTq20<WasmLanes>, nullptr,
                                          ternary::kImproveTq20<WasmLanes>>({
    .name = "TQ2_0",
    .ggml_type = 35,
    .block_weights = ternary::Tq20::kWeights,
    .block_bytes = sizeof(ternary::Tq20::Block),
    .searches = false,
    .file_types = {{{"TQ2_0", 37}}},
});

extern const CodecReference kTq20Reference;
constinit const CodecReference kTq20Reference =
    block_reference<ternary::kEncodeTq20<ScalarLanes>, ternary::kDecodeTq20<ScalarLanes>, nullptr,
                    ternary::kImproveTq20<ScalarLanes>>();

}  // namespace arrowquant
