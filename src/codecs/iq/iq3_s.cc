#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/bytes.h"
#include "codecs/block_codec.h"
#include "codecs/iq/decoder.h"
#include "codecs/iq/encoder.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace iq {
namespace {

struct Iq3S {
  /// 256 weights in 8 sub-blocks: f16 scale; the low eight bits of the points of 64 groups of 4 weights; the points'
  /// ninth bits; the signs; the sub-blocks' scales, four bits each, the even ones in the low halves.
  struct Block {
    k_quant::HalfBytes scale;
    std::array<uint8_t, kSuperBlock / 4> points_low;
    std::array<uint8_t, kSuperBlock / 32> points_high;
    std::array<uint8_t, kSuperBlock / 8> signs;
    std::array<uint8_t, kSuperBlock / 64> sub_scales;
  };
  static_assert(sizeof(Block) == 110);

  using Shape = FourOfEight;
  static constexpr size_t kSubBlock = 32;
  static constexpr Trials kTrials = make_trials(15.0F, 9, 0.2F, Refinement::kAllIfOffGrid);
  static constexpr float kLeast = std::numeric_limits<float>::denorm_min();
  static constexpr float kFudge = 1.033F;
  static constexpr bool kEvenSigns = false;
  static constexpr bool kKeepsSigns = true;
  static constexpr Weighing kPlain = Weighing::kSquare;
  static constexpr Weighing kWeighted = Weighing::kRootOfTwice;
  static constexpr std::array<uint8_t, 16> kValues = {1, 3, 5, 7, 9, 11, 13, 15};

  static Grid& grid() noexcept { return iq3_s_grid(); }

  template <typename Lanes, size_t kCount>
  static void start(const WeighedWeights& weighed, std::array<Start, kCount>& starts) noexcept {
    start_at_largest<Iq3S, Lanes>(weighed, starts);
  }

  static void store_signs(size_t group, uint8_t signs, Block& block) noexcept { block.signs[group] = signs; }
  static void store_point(size_t group, uint32_t number, Block& block) noexcept {
    block.points_low[group] = static_cast<uint8_t>(number & 255);
    uint8_t& high = block.points_high[group / 8];
    high = static_cast<uint8_t>(high | number >> 8 << group % 8);
  }
  static void store_scale(size_t i, uint32_t code, Block& block) noexcept {
    block.sub_scales[i / 2] = static_cast<uint8_t>(block.sub_scales[i / 2] | code << i % 2 * 4);
  }

  static uint32_t signs_of(size_t group, const Block& block) noexcept { return block.signs[group]; }
  static uint32_t point_of(size_t group, const Block& block) noexcept {
    const uint32_t high = block.points_high[group / 8] >> group % 8 & 1U;
    return block.points_low[group] | high << 8;
  }
  static float factor_of(size_t i, const Block& block) noexcept {
    const int code = block.sub_scales[i / 2] >> i % 2 * 4 & 15;
    return k_quant::load_half(block.scale) * static_cast<float>(1 + 2 * code);
  }
};

}  // namespace
}  // namespace iq

extern const Codec kIq3S;
constinit const Codec kIq3S = block_codec<iq::encode<iq::Iq3S, WasmLanes>, iq::decode<iq::Iq3S, WasmLanes>,
                                          iq::encode_weighed<iq::Iq3S, WasmLanes>>({
    .name = "IQ3_S",
    .ggml_type = 21,
    .block_weights = iq::kSuperBlock,
    .block_bytes = sizeof(iq::Iq3S::Block),
    .searches = true,
    .file_types = {{{"IQ3_XS", 22}, {"IQ3_S", 26}, {"IQ3_M", 27}}},
});

extern const CodecReference kIq3SReference;
constinit const CodecReference kIq3SReference =
    block_reference<iq::encode<iq::Iq3S, ScalarLanes>, iq::decode<iq::Iq3S, ScalarLanes>,
                    iq::encode_weighed<iq::Iq3S, ScalarLanes>>();

}  // namespace arrowquant
