#include <array>
#include <cstddef>
#include <cstdint>

#include "codecs/best/one_scale.h"
#include "codecs/block_codec.h"
#include "codecs/blocks_of_32/peak_scale.h"
#include "codecs/blocks_of_32/weighted_blocks.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace blocks_of_32 {
namespace {

struct Q40 {
  /// 32 weights: f16 scale, the levels.
  struct Block {
    std::array<uint8_t, 2> scale;
    Nibbles nibbles;
  };
  static_assert(sizeof(Block) == 18);
  static constexpr int kHalf = 8;

  /// For the search with the most effort: where it puts the peak, and how many of these it tries at once.
  using Levels = best::WholeLevels<-kHalf, kHalf - 1>;
  using TrialLevels = Levels;
  static constexpr std::array kPeaks = {-8.5F, -7.2F, -7.8F, -8.2F, -8.8F, -6.9F};
  static constexpr size_t kTogether = 3;

  template <typename Lanes>
  static void pack(const float* from, float inv_scale, Block& block) noexcept {
    const auto levels = [&](size_t i) noexcept { return whole_levels<Lanes, Levels>(from + i, inv_scale, kHalf); };
    pack_nibbles<Lanes>(levels, block.nibbles);
  }

  template <typename Lanes>
  static bool encode(const float* from, Block* blocks, PeakScan<Lanes>& scan, const float* next) noexcept {
    PeakScales<Lanes> scales;
    if (!find_peak_scales<Lanes, kHalf>(from, scan.peaks(), blocks, scales)) return false;
    for (size_t r = 0; r < Lanes::kWidth; ++r) {
      const auto levels = [&](size_t i) noexcept {
        return peak_levels<Lanes, kHalf>(from + r * kWeights + i, scales, r);
      };
      scan.scan(next + r * kWeights, r);
      pack_nibbles<Lanes>(levels, blocks[r].nibbles);
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
    return encode_signed<Q40, Lanes>(from, counts, count, blocks);
  }

  template <typename Lanes>
  static void decode(const Block& block, float* to) noexcept {
    const float scale = load_half(block.scale);
    unpack_nibbles<Lanes>(block.nibbles, [&](size_t i, typename Lanes::Bytes levels) noexcept {
      expand_peak_levels<Lanes, kHalf>(levels, scale, to + i);
    });
  }
};

}  // namespace
}  // namespace blocks_of_32

extern const Codec kQ40;
constinit const Codec kQ40 = block_codec<
    blocks_of_32::encode<blocks_of_32::Q40, WasmLanes>, blocks_of_32::decode<blocks_of_32::Q40, WasmLanes>,
    blocks_of_32::encode_weighted<blocks_of_32::Q40, WasmLanes>,
    best::encode<best::OneScale<blocks_of_32::Q40>, WasmLanes, blocks_of_32::encode<blocks_of_32::Q40, WasmLanes>,
                 blocks_of_32::encode_weighted<blocks_of_32::Q40, WasmLanes>>>({
    .name = "Q4_0",
    .ggml_type = 2,
    .block_weights = blocks_of_32::kWeights,
    .block_bytes = sizeof(blocks_of_32::Q40::Block),
    .searches = false,
    .file_types = {{{"Q4_0", 2}}},
    .needs_rows_to_weigh = true,
});

extern const CodecReference kQ40Reference;
constinit const CodecReference kQ40Reference = block_reference<
    blocks_of_32::encode<blocks_of_32::Q40, ScalarLanes>, blocks_of_32::decode<blocks_of_32::Q40, ScalarLanes>,
    blocks_of_32::encode_weighted<blocks_of_32::Q40, ScalarLanes>,
    best::encode<best::OneScale<blocks_of_32::Q40>, ScalarLanes, blocks_of_32::encode<blocks_of_32::Q40, ScalarLanes>,
                 blocks_of_32::encode_weighted<blocks_of_32::Q40, ScalarLanes>>>();

}  // namespace arrowquant
