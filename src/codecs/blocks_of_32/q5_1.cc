#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/best/scale_and_min.h"
#include "codecs/block_codec.h"
#include "codecs/blocks_of_32/range_scale.h"
#include "codecs/blocks_of_32/weighted_blocks.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace blocks_of_32 {
namespace {

struct Q51 {
  /// 32 weights: f16 scale, f16 min, the fifth bits of the levels, their low halves.
  struct Block {
    std::array<uint8_t, 2> scale;
    std::array<uint8_t, 2> min;
    FifthBits fifth_bits;
    Nibbles nibbles;
  };
  static_assert(sizeof(Block) == 24);
  static constexpr int kMaxLevel = 31;

  /// For the search with the most effort.
  static constexpr std::array<best::Ends, 12> kEnds = {{{1, 2},
                                                        {1, -8},
                                                        {-1, 3},
                                                        {0, -16},
                                                        {3, -2},
                                                        {-8, -17},
                                                        {-9, 2},
                                                        {-2, -1},
                                                        {-6, -1},
                                                        {-17, -18},
                                                        {2, -18},
                                                        {2, 0}}};

  template <typename Lanes>
  static bool encode(const float* from, Block* blocks, PeakScan<Lanes>& scan, const float* next) noexcept {
    RangeScales<Lanes> scales;
    if (!find_range_scales<Lanes, kMaxLevel>(from, scan.peaks(), blocks, scales)) return false;
    for (size_t r = 0; r < Lanes::kWidth; ++r) {
      const auto levels = [&](size_t i) noexcept {
        return to_bytes<Lanes>(
            [&](size_t k) noexcept { return range_levels<Lanes>(from + r * kWeights + i + k, scales, r); });
      };
      scan.scan(next + r * kWeights, r);
      pack_nibbles<Lanes>(levels, blocks[r].nibbles, blocks[r].fifth_bits);
    }
    return true;
  }

  /// Packs what `levels(i)` gives.
  template <typename Lanes, typename Searched>
  static void put(Searched levels, Block& block) noexcept {
    pack_nibbles<Lanes>(levels, block.nibbles, block.fifth_bits);
  }

  template <typename Lanes>
  static size_t encode_counted(const float* from, const float* counts, size_t count, Block* blocks) noexcept {
    return encode_above_min<Q51, Lanes>(from, counts, count, blocks);
  }

  template <typename Lanes>
  static void decode(const Block& block, float* to) noexcept {
    const float scale = load_half(block.scale);
    const float min = load_half(block.min);
    unpack_nibbles<Lanes>(block.nibbles, block.fifth_bits, [&](size_t i, typename Lanes::Bytes levels) noexcept {
      expand_range_levels<Lanes>(levels, scale, min, to + i);
    });
  }
};

}  // namespace
}  // namespace blocks_of_32

extern const Codec kQ51;
constinit const Codec kQ51 = block_codec<
    blocks_of_32::encode<blocks_of_32::Q51, WasmLanes>, blocks_of_32::decode<blocks_of_32::Q51, WasmLanes>,
    blocks_of_32::encode_weighted<blocks_of_32::Q51, WasmLanes>,
    best::encode<best::ScaleAndMin<blocks_of_32::Q51>, WasmLanes, blocks_of_32::encode<blocks_of_32::Q51, WasmLanes>,
                 blocks_of_32::encode_weighted<blocks_of_32::Q51, WasmLanes>>>({
    .name = "Q5_1",
    .ggml_type = 7,
    .block_weights = blocks_of_32::kWeights,
    .block_bytes = sizeof(blocks_of_32::Q51::Block),
    .searches = false,
    .file_types = {{{"Q5_1", 9}}},
    .needs_rows_to_weigh = true,
});

extern const CodecReference kQ51Reference;
constinit const CodecReference kQ51Reference =
    block_reference<blocks_of_32::encode<blocks_of_32::Q51, ScalarLanes>,
                    blocks_of_32::decode<blocks_of_32::Q51, ScalarLanes>,
                    blocks_of_32::encode_weighted<blocks_of_32::Q51, ScalarLanes>,
                    best::encode<best::ScaleAndMin<blocks_of_32::Q51>, ScalarLanes,
                                 blocks_of_32::encode<blocks_of_32::Q51, ScalarLanes>,
                                 blocks_of_32::encode_weighted<blocks_of_32::Q51, ScalarLanes>>>();

}  // namespace arrowquant
