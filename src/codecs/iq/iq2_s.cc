#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "codecs/block_codec.h"
#include "codecs/iq/decoder.h"
#include "codecs/iq/encoder.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace iq {
namespace {

struct Iq2S {
  /// 256 weights in 16 sub-blocks: f16 scale; the low eight bits of the points of 32 groups of 8 weights; the groups'
  /// signs; the points' upper two bits, four points to a byte; the sub-blocks' scales, four bits each, the even ones in
  /// the low halves.
  struct Block {
    k_quant::HalfBytes scale;
    std::array<uint8_t, kSuperBlock / 8> points_low;
    std::array<uint8_t, kSuperBlock / 8> signs;
    std::array<uint8_t, kSuperBlock / 32> points_high;
    std::array<uint8_t, kSuperBlock / 32> sub_scales;
  };
  static_assert(sizeof(Block) == 82);

  using Shape = EightOfThree;
  static constexpr size_t kSubBlock = 16;
  static constexpr Trials kTrials = make_trials(5.0F, 9, 0.1F, Refinement::kOffGrid);
  static constexpr float kLeast = 1e-8F;
  static constexpr float kFudge = 0.9875F;
  static constexpr bool kEvenSigns = false;
  static constexpr bool kKeepsSigns = true;
  static constexpr Weighing kPlain = Weighing::kMean;
  static constexpr Weighing kWeighted = Weighing::kRootOfTwice;
  static constexpr std::array<uint8_t, 16> kValues = {8, 25, 43};

  static Grid& grid() noexcept { return iq2_s_grid(); }

  template <typename Lanes, size_t kCount>
  static void start(const WeighedWeights& weighed, std::array<Start, kCount>& starts) noexcept {
    start_at_largest<Iq2S, Lanes>(weighed, starts);
  }

  static void store_signs(size_t group, uint8_t signs, Block& block) noexcept { block.signs[group] = signs; }
  static void store_point(size_t group, uint32_t number, Block& block) noexcept {
    block.points_low[group] = static_cast<uint8_t>(number & 255);
    uint8_t& high = block.points_high[group / 4];
    high = static_cast<uint8_t>(high | number >> 8 << group % 4 * 2);
  }
  static void store_scale(size_t i, uint32_t code, Block& block) noexcept {
    block.sub_scales[i / 2] = static_cast<uint8_t>(block.sub_scales[i / 2] | code << i % 2 * 4);
  }

  static uint32_t signs_of(size_t group, const Block& block) noexcept { return block.signs[group]; }
  static uint32_t point_of(size_t group, const Block& block) noexcept {
    const uint32_t high = block.points_high[group / 4] >> group % 4 * 2 & 3U;
    return block.points_low[group] | high << 8;
  }
  static float factor_of(size_t i, const Block& block) noexcept {
    const auto code = static_cast<float>(block.sub_scales[i / 2] >> i % 2 * 4 & 15);
    return k_quant::load_half(block.scale) * (0.5F + code) * 0.25F;
  }
};

}  // namespace
}  // namespace iq

extern const Codec kIq2S;
constinit const Codec kIq2S = block_codec<iq::encode<iq::Iq2S, WasmLanes>, iq::decode<iq::Iq2S, WasmLanes>,
                                          iq::encode_weighed<iq::Iq2S, WasmLanes>>({
    .name = "IQ2_S",
    .ggml_type = 22,
    .block_weights = iq::kSuperBlock,
    .block_bytes = sizeof(iq::Iq2S::Block),
    .searches = true,
    .file_types = {{{"IQ2_M", 29}}},
});

extern const CodecReference kIq2SReference;
constinit const CodecReference kIq2SReference =
    block_reference<iq::encode<iq::Iq2S, ScalarLanes>, iq::decode<iq::Iq2S, ScalarLanes>,
                    iq::encode_weighed<iq::Iq2S, ScalarLanes>>();

}  // namespace arrowquant
