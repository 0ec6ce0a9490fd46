#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/best/iq4_values.h"
#include "codecs/best/one_scale.h"
#include "codecs/block_codec.h"
#include "codecs/blocks_of_32/iq4_search.h"
#include "codecs/blocks_of_32/iq4_weighted.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace blocks_of_32 {
namespace {

struct Iq4Nl {
  /// 32 weights: f16 scale, the levels. weight ≈ scale · value of the level.
  struct Block {
    std::array<uint8_t, 2> scale;
    Nibbles nibbles;
  };
  static_assert(sizeof(Block) == 18);

  /// For the search with the most effort.
  using Levels = best::Iq4Values;
  using TrialLevels = Levels;
  static constexpr const auto& kPeaks = best::kIq4Peaks;
  static constexpr size_t kTogether = 3;

  template <typename Lanes>
  static void pack(const float* from, float inv_scale, Block& block) noexcept {
    iq4::pack_levels<Lanes>(from, inv_scale, block.nibbles);
  }

  template <typename Lanes>
  static bool encode(const float* from, Block* blocks) noexcept {
    return encode_counted<Lanes>(from, nullptr, blocks);
  }

  /// The levels are those of the f32 scale.
  template <typename Lanes>
  static bool encode_counted(const float* from, const float* counts, Block* blocks) noexcept {
    typename Lanes::F32 scale;
    if (!iq4::find_scales<Lanes>(from, counts, scale)) return false;
    if (!all_fit<Lanes>(store_halves<Lanes>(blocks, &Block::scale, scale))) return false;
    alignas(16) std::array<float, Lanes::kWidth> inv_scales;
    const auto zero = Lanes::splat(0.0F);
    const auto inverse = Lanes::div(Lanes::splat(1.0F), scale);
    Lanes::store(inv_scales.data(), Lanes::select(Lanes::eq(scale, zero), zero, inverse));
    for (size_t r = 0; r < Lanes::kWidth; ++r) {
      iq4::pack_levels<Lanes>(from + r * kWeights, inv_scales[r], blocks[r].nibbles);
    }
    return true;
  }

  template <typename Lanes>
  static void decode(const Block& block, float* to) noexcept {
    iq4::expand_levels<Lanes>(block.nibbles, load_half(block.scale), to);
  }
};

}  // namespace
}  // namespace blocks_of_32

extern const Codec kIq4Nl;
constinit const Codec kIq4Nl = block_codec<
    blocks_of_32::encode<blocks_of_32::Iq4Nl, WasmLanes>, blocks_of_32::decode<blocks_of_32::Iq4Nl, WasmLanes>,
    blocks_of_32::encode_iq4_weighted<blocks_of_32::Iq4Nl, WasmLanes>,
    best::encode<best::OneScale<blocks_of_32::Iq4Nl>, WasmLanes, blocks_of_32::encode<blocks_of_32::Iq4Nl, WasmLanes>,
                 blocks_of_32::encode_iq4_weighted<blocks_of_32::Iq4Nl, WasmLanes>>>({
    .name = "IQ4_NL",
    .ggml_type = 20,
    .block_weights = blocks_of_32::kWeights,
    .block_bytes = sizeof(blocks_of_32::Iq4Nl::Block),
    .searches = true,
    .file_types = {{{"IQ4_NL", 25}}},
});

extern const CodecReference kIq4NlReference;
constinit const CodecReference kIq4NlReference =
    block_reference<blocks_of_32::encode<blocks_of_32::Iq4Nl, ScalarLanes>,
                    blocks_of_32::decode<blocks_of_32::Iq4Nl, ScalarLanes>,
                    blocks_of_32::encode_iq4_weighted<blocks_of_32::Iq4Nl, ScalarLanes>,
                    best::encode<best::OneScale<blocks_of_32::Iq4Nl>, ScalarLanes,
                                 blocks_of_32::encode<blocks_of_32::Iq4Nl, ScalarLanes>,
                                 blocks_of_32::encode_iq4_weighted<blocks_of_32::Iq4Nl, ScalarLanes>>>();

}  // namespace arrowquant
