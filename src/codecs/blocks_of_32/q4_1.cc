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

struct Q41 {
  /// 32 weights: f16 scale, f16 min, the levels.
  struct Block {
    std::array<uint8_t, 2> scale;
    std::array<uint8_t, 2> min;
    Nibbles nibbles;
  };
  static_assert(sizeof(Block) == 20);
  static constexpr int kMaxLevel = 15;

  /// For the search with the most effort.
  static constexpr std::array<best::Ends, 14> kEnds = {{{3, 2},
                                                        {-1, 3},
                                                        {2, 3},
                                                        {-7, 1},
                                                        {3, -3},
                                                        {-8, -8},
                                                        {-1, -7},
                                                        {0, 0},
                                                        {1, -1},
                                                        {-3, 3},
                                                        {-1, 1},
                                                        {2, -10},
                                                        {3, -1},
                                                        {1, 3}}};

  /// Joins the levels while they are floats: low + 16 · high is exact, and half as much is left to convert.
  template <typename Lanes>
  static void pack(const float* from, const RangeScales<Lanes>& scales, size_t r, Nibbles& nibbles) noexcept {
    for (size_t i = 0; i < kWeights / 2; i += 4 * Lanes::kWidth) {
      const auto bytes = to_bytes<Lanes>([&](size_t k) noexcept {
        const auto low = range_levels<Lanes>(from + i + k, scales, r);
        const auto high = range_levels<Lanes>(from + i + k + kWeights / 2, scales, r);
        return Lanes::add(low, Lanes::mul(high, Lanes::splat(16.0F)));
      });
      Lanes::store_bytes(&nibbles[i], bytes);
    }
  }

  template <typename Lanes>
  static bool encode(const float* from, Block* blocks, PeakScan<Lanes>& scan, const float* next) noexcept {
    RangeScales<Lanes> scales;
    if (!find_range_scales<Lanes, kMaxLevel>(from, scan.peaks(), blocks, scales)) return false;
    for (size_t r = 0; r < Lanes::kWidth; ++r) {
      scan.scan(next + r * kWeights, r);
      pack<Lanes>(from + r * kWeights, scales, r, blocks[r].nibbles);
    }
    return true;
  }

  /// Packs what `levels(i)` gives.
  template <typename Lanes, typename Searched>
  static void put(Searched levels, Block& block) noexcept {
    pack_nibbles<Lanes>(levels, block.nibbles);
  }

  template <typename Lanes>
  static size_t encode_counted(const float* from, const float* counts, size_t count, Block* blocks) noexcept {
    return encode_above_min<Q41, Lanes>(from, counts, count, blocks);
  }

  template <typename Lanes>
  static void decode(const Block& block, float* to) noexcept {
    const float scale = load_half(block.scale);
    const float min = load_half(block.min);
    unpack_nibbles<Lanes>(block.nibbles, [&](size_t i, typename Lanes::Bytes levels) noexcept {
      expand_range_levels<Lanes>(levels, scale, min, to + i);
    });
  }
};

}  // namespace
}  // namespace blocks_of_32

extern const Codec kQ41;
constinit const Codec kQ41 = block_codec<
    blocks_of_32::encode<blocks_of_32::Q41, WasmLanes>, blocks_of_32::decode<blocks_of_32::Q41, WasmLanes>,
    blocks_of_32::encode_weighted<blocks_of_32::Q41, WasmLanes>,
    best::encode<best::ScaleAndMin<blocks_of_32::Q41>, WasmLanes, blocks_of_32::encode<blocks_of_32::Q41, WasmLanes>,
                 blocks_of_32::encode_weighted<blocks_of_32::Q41, WasmLanes>>>({
    .name = "Q4_1",
    .ggml_type = 3,
    .block_weights = blocks_of_32::kWeights,
    .block_bytes = sizeof(blocks_of_32::Q41::Block),
    .searches = false,
    .file_types = {{{"Q4_1", 3}}},
    .needs_rows_to_weigh = true,
});

extern const CodecReference kQ41Reference;
constinit const CodecReference kQ41Reference =
    block_reference<blocks_of_32::encode<blocks_of_32::Q41, ScalarLanes>,
                    blocks_of_32::decode<blocks_of_32::Q41, ScalarLanes>,
                    blocks_of_32::encode_weighted<blocks_of_32::Q41, ScalarLanes>,
                    best::encode<best::ScaleAndMin<blocks_of_32::Q41>, ScalarLanes,
                                 blocks_of_32::encode<blocks_of_32::Q41, ScalarLanes>,
                                 blocks_of_32::encode_weighted<blocks_of_32::Q41, ScalarLanes>>>();

}  // namespace arrowquant
