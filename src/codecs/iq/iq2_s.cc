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
  static constexpr Rules kRules = {
      .sub_block = 16,
      .trials = make_trials(5.0F, 9, 0.1F, Refinement::kOffGrid),
      .starts_from_levels = false,
      .least = 1e-8F,
      .fudge = 0.9875F,
      .even_signs = false,
      .keeps_points = true,
      .plain = Weighing::kMean,
      .weighted = Weighing::kRootOfTwice,
  };
  static constexpr Values kValues = {8, 25, 43};

  static Grid& grid() noexcept { return iq2_s_grid(); }

  static void pack(const Encoded& encoded, Block& block) noexcept {
    for (size_t k = 0; k < block.points_low.size(); ++k) {
      block.points_low[k] = static_cast<uint8_t>(encoded.points[k] & 255);
      uint8_t& high = block.points_high[k / 4];
      high = static_cast<uint8_t>(high | encoded.points[k] >> 8 << k % 4 * 2);
    }
    block.signs = encoded.signs;
    pack_codes(encoded, block.sub_scales);
  }

  static void unpack(const Block& block, Decoded& decoded) noexcept {
    for (size_t k = 0; k < block.points_low.size(); ++k) {
      const int high = block.points_high[k / 4] >> k % 4 * 2 & 3;
      decoded.points[k] = static_cast<uint16_t>(block.points_low[k] | high << 8);
    }
    decoded.signs = block.signs;
    unpack_codes(block.sub_scales, k_quant::load_half(block.scale), decoded);
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
