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

struct Iq2Xxs {
  /// 256 weights in 8 sub-blocks: f16 scale; for each sub-block the points of its four groups of 8 weights and a number
  /// of 32 bits, seven signs of each group, of which the last makes the number of signs even, and above them the
  /// sub-block's scale.
  struct SubBlockBytes {
    std::array<uint8_t, 4> points;
    std::array<uint8_t, 4> signs_and_scale;
  };
  struct Block {
    k_quant::HalfBytes scale;
    std::array<SubBlockBytes, kSuperBlock / 32> sub_blocks;
  };
  static_assert(sizeof(Block) == 66);

  using Shape = EightOfThree;
  static constexpr Rules kRules = {
      .sub_block = 32,
      .trials = make_trials(5.0F, 6, 0.1F, Refinement::kAll),
      .starts_from_levels = true,
      .least = 0.0F,
      .fudge = 1.0F,
      .even_signs = true,
      .keeps_points = false,
      .plain = Weighing::kRoot,
      .weighted = Weighing::kRoot,
  };
  static constexpr Values kValues = {8, 25, 43};

  static Grid& grid() noexcept { return iq2_xxs_grid(); }

  static void pack(const Encoded& encoded, Block& block) noexcept {
    for (size_t j = 0; j < block.sub_blocks.size(); ++j) {
      SubBlockBytes& to = block.sub_blocks[j];
      for (size_t k = 0; k < 4; ++k) to.points[k] = static_cast<uint8_t>(encoded.points[4 * j + k]);
      store_u32(to.signs_and_scale.data(), signs_and_scale(encoded, j));
    }
  }

  static void unpack(const Block& block, Decoded& decoded) noexcept {
    const float scale = k_quant::load_half(block.scale);
    for (size_t j = 0; j < block.sub_blocks.size(); ++j) {
      const SubBlockBytes& from = block.sub_blocks[j];
      for (size_t k = 0; k < 4; ++k) decoded.points[4 * j + k] = from.points[k];
      unpack_signs_and_scale(load_u32(from.signs_and_scale.data()), j, scale, 0.25F, decoded);
    }
  }
};

}  // namespace
}  // namespace iq

extern const Codec kIq2Xxs;
constinit const Codec kIq2Xxs = block_codec<iq::encode<iq::Iq2Xxs, WasmLanes>, iq::decode<iq::Iq2Xxs, WasmLanes>,
                                            iq::encode_weighed<iq::Iq2Xxs, WasmLanes>>({
    .name = "IQ2_XXS",
    .ggml_type = 16,
    .block_weights = iq::kSuperBlock,
    .block_bytes = sizeof(iq::Iq2Xxs::Block),
    .searches = true,
    .file_types = {{{"IQ2_XXS", 19}}},
    .needs_importance = true,
});

extern const CodecReference kIq2XxsReference;
constinit const CodecReference kIq2XxsReference =
    block_reference<iq::encode<iq::Iq2Xxs, ScalarLanes>, iq::decode<iq::Iq2Xxs, ScalarLanes>,
                    iq::encode_weighed<iq::Iq2Xxs, ScalarLanes>>();

}  // namespace arrowquant
