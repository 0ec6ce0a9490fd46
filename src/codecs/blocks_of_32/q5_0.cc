#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/block_codec.h"
#include "codecs/blocks_of_32/peak_scale.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace blocks_of_32 {
namespace {

struct Q50 {
  /// 32 weights: f16 scale, the fifth bits of the levels, their low halves.
  struct Block {
    std::array<uint8_t, 2> scale;
    FifthBits fifth_bits;
    Nibbles nibbles;
  };
  static_assert(sizeof(Block) == 22);
  static constexpr int kHalf = 16;

  template <typename Lanes>
  static bool encode(const float* from, Block* blocks, PeakScan<Lanes>& scan, const float* next) noexcept {
    PeakScales<Lanes> scales;
    if (!find_peak_scales<Lanes, kHalf>(from, scan.peaks(), blocks, scales)) return false;
    for (size_t r = 0; r < Lanes::kWidth; ++r) {
      const auto levels = [&](size_t i) noexcept {
        return peak_levels<Lanes, kHalf>(from + r * kWeights + i, scales, r);
      };
      scan.scan(next + r * kWeights, r);
      pack_nibbles<Lanes>(levels, blocks[r].nibbles, blocks[r].fifth_bits);
    }
    return true;
  }

  template <typename Lanes>
  static void decode(const Block& block, float* to) noexcept {
    const float scale = load_half(block.scale);
    unpack_nibbles<Lanes>(block.nibbles, block.fifth_bits, [&](size_t i, typename Lanes::Bytes levels) noexcept {
      expand_peak_levels<Lanes, kHalf>(levels, scale, to + i);
    });
  }
};

}  // namespace
}  // namespace blocks_of_32

extern const Codec kQ50;
constinit const Codec kQ50 =
    block_codec<blocks_of_32::encode<blocks_of_32::Q50, WasmLanes>, blocks_of_32::decode<blocks_of_32::Q50, WasmLanes>>(
        {
            .name = "Q5_0",
            .ggml_type = 6,
            .block_weights = blocks_of_32::kWeights,
            .block_bytes = sizeof(blocks_of_32::Q50::Block),
            .searches = false,
            .file_types = {{{"Q5_0", 8}}},
        });

extern const CodecReference kQ50Reference;
constinit const CodecReference kQ50Reference = block_reference<blocks_of_32::encode<blocks_of_32::Q50, ScalarLanes>,
                                                               blocks_of_32::decode<blocks_of_32::Q50, ScalarLanes>>();

}  // namespace arrowquant
