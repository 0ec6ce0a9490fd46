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

struct Iq3Xxs {
  /// 256 weights in 8 sub-blocks: f16 scale; the points of 64 groups of 4 weights; for each sub-block a number of 32
  /// bits, seven signs of every 8 weights, of which the last makes the number of signs even, and above them the
  /// sub-block's scale.
  struct Block {
    k_quant::HalfBytes scale;
    std::array<uint8_t, kSuperBlock / 4> points;
    std::array<std::array<uint8_t, 4>, kSuperBlock / 32> signs_and_scales;
  };
  static_assert(sizeof(Block) == 98);

  using Shape = FourOfEight;
  static constexpr Rules kRules = {
      .sub_block = 32,
      .trials = make_trials(15.0F, 15, 0.2F, Refinement::kOffGrid),
      .starts_from_levels = false,
      .least = 1e-8F,
      .fudge = 1.0125F,
      .even_signs = true,
      .keeps_points = false,
      .plain = Weighing::kSquare,
      .weighted = Weighing::kRootOfTwice,
  };
  static constexpr Values kValues = {4, 12, 20, 28, 36, 44, 52, 62};

  static Grid& grid() noexcept { return iq3_xxs_grid(); }

  static void pack(const Encoded& encoded, Block& block) noexcept {
    for (size_t k = 0; k < block.points.size(); ++k) block.points[k] = static_cast<uint8_t>(encoded.points[k]);
    for (size_t j = 0; j < block.signs_and_scales.size(); ++j) {
      store_u32(block.signs_and_scales[j].data(), signs_and_scale(encoded, j));
    }
  }

  static void unpack(const Block& block, Decoded& decoded) noexcept {
    const float scale = k_quant::load_half(block.scale);
    for (size_t k = 0; k < block.points.size(); ++k) decoded.points[k] = block.points[k];
    for (size_t j = 0; j < block.signs_and_scales.size(); ++j) {
      unpack_signs_and_scale(load_u32(block.signs_and_scales[j].data()), j, scale, 0.5F, decoded);
    }
  }
};

}  // namespace
}  // namespace iq

extern const Codec kIq3Xxs;
constinit const Codec kIq3Xxs = block_codec<iq::encode<iq::Iq3Xxs, WasmLanes>, iq::decode<iq::Iq3Xxs, WasmLanes>,
                                            iq::encode_weighed<iq::Iq3Xxs, WasmLanes>>({
    .name = "IQ3_XXS",
    .ggml_type = 18,
    .block_weights = iq::kSuperBlock,
    .block_bytes = sizeof(iq::Iq3Xxs::Block),
    .searches = true,
    .file_types = {{{"IQ3_XXS", 23}}},
});

extern const CodecReference kIq3XxsReference;
constinit const CodecReference kIq3XxsReference =
    block_reference<iq::encode<iq::Iq3Xxs, ScalarLanes>, iq::decode<iq::Iq3Xxs, ScalarLanes>,
                    iq::encode_weighed<iq::Iq3Xxs, ScalarLanes>>();

}  // namespace arrowquant
