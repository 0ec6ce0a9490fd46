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

struct Iq2Xs {
  /// 256 weights in 16 sub-blocks: f16 scale; for each group of 8 weights a number of 16 bits, the point's in the low
  /// nine and seven signs above them, of which the last makes the number of signs even; the sub-blocks' scales, four
  /// bits each, the even ones in the low halves.
  struct Block {
    k_quant::HalfBytes scale;
    std::array<std::array<uint8_t, 2>, kSuperBlock / 8> groups;
    std::array<uint8_t, kSuperBlock / 32> sub_scales;
  };
  static_assert(sizeof(Block) == 74);

  using Shape = EightOfThree;
  static constexpr Rules kRules = {
      .sub_block = 16,
      .trials = make_trials(5.0F, 9, 0.1F, Refinement::kOffGrid),
      .starts_from_levels = false,
      .least = 1e-15F,
      .fudge = 1.0F,
      .even_signs = true,
      .keeps_points = false,
      .plain = Weighing::kRoot,
      .weighted = Weighing::kRoot,
  };
  static constexpr Values kValues = {8, 25, 43};

  static Grid& grid() noexcept { return iq2_xs_grid(); }

  static void pack(const Encoded& encoded, Block& block) noexcept {
    for (size_t k = 0; k < block.groups.size(); ++k) {
      store_u16(block.groups[k].data(), static_cast<uint16_t>(encoded.points[k] | (encoded.signs[k] & 127) << 9));
    }
    pack_codes(encoded, block.sub_scales);
  }

  static void unpack(const Block& block, Decoded& decoded) noexcept {
    for (size_t k = 0; k < block.groups.size(); ++k) {
      const uint32_t bits = load_u16(block.groups[k].data());
      decoded.points[k] = static_cast<uint16_t>(bits & 511);
      decoded.signs[k] = even_signs(bits >> 9);
    }
    unpack_codes(block.sub_scales, k_quant::load_half(block.scale), decoded);
  }
};

}  // namespace
}  // namespace iq

extern const Codec kIq2Xs;
constinit const Codec kIq2Xs = block_codec<iq::encode<iq::Iq2Xs, WasmLanes>, iq::decode<iq::Iq2Xs, WasmLanes>,
                                           iq::encode_weighed<iq::Iq2Xs, WasmLanes>>({
    .name = "IQ2_XS",
    .ggml_type = 17,
    .block_weights = iq::kSuperBlock,
    .block_bytes = sizeof(iq::Iq2Xs::Block),
    .searches = true,
    .file_types = {{{"IQ2_XS", 20}, {"IQ2_S", 28}}},
    .needs_importance = true,
});

extern const CodecReference kIq2XsReference;
constinit const CodecReference kIq2XsReference =
    block_reference<iq::encode<iq::Iq2Xs, ScalarLanes>, iq::decode<iq::Iq2Xs, ScalarLanes>,
                    iq::encode_weighed<iq::Iq2Xs, ScalarLanes>>();

}  // namespace arrowquant
