#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "codecs/block_codec.h"
#include "codecs/iq/decoder.h"
#include "codecs/iq/encoder.h"
#include "codecs/iq/level_scale.h"
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
  static constexpr size_t kSubBlock = 32;
  static constexpr Trials kTrials = make_trials(5.0F, 6, 0.1F, Refinement::kAll);
  static constexpr float kFudge = 1.0F;
  static constexpr bool kEvenSigns = true;
  static constexpr bool kKeepsSigns = false;
  static constexpr Weighing kPlain = Weighing::kRoot;
  static constexpr Weighing kWeighted = Weighing::kRoot;
  static constexpr std::array<uint8_t, 16> kValues = {8, 25, 43};

  static Grid& grid() noexcept { return iq2_xxs_grid(); }

  /// The trials lie around the scale that is best for any levels 0…4.
  template <typename Lanes, size_t kCount>
  static void start(const WeighedWeights& weighed, std::array<Start, kCount>& starts) noexcept {
    alignas(16) std::array<float, kCount> scales;
    for (size_t j = 0; j < kCount; j += Lanes::kWidth) find_level_scales<Lanes>(weighed, j, scales);
    for (size_t j = 0; j < kCount; ++j) starts[j] = {scales[j], scales[j] * float{Shape::kLevels}};
  }

  static void add_bits(size_t i, uint32_t bits, Block& block) noexcept {
    uint8_t* to = block.sub_blocks[i].signs_and_scale.data();
    store_u32(to, load_u32(to) | bits);
  }
  static void store_signs(size_t group, uint8_t signs, Block& block) noexcept {
    add_bits(group / 4, (signs & 127U) << group % 4 * 7, block);
  }
  static void store_point(size_t group, uint32_t number, Block& block) noexcept {
    block.sub_blocks[group / 4].points[group % 4] = static_cast<uint8_t>(number);
  }
  static void store_scale(size_t i, uint32_t code, Block& block) noexcept { add_bits(i, code << 28, block); }

  static uint32_t signs_of(size_t group, const Block& block) noexcept {
    return even_signs(load_u32(block.sub_blocks[group / 4].signs_and_scale.data()) >> group % 4 * 7 & 127);
  }
  static uint32_t point_of(size_t group, const Block& block) noexcept {
    return block.sub_blocks[group / 4].points[group % 4];
  }
  static float factor_of(size_t i, const Block& block) noexcept {
    const auto code = static_cast<float>(load_u32(block.sub_blocks[i].signs_and_scale.data()) >> 28);
    return k_quant::load_half(block.scale) * (0.5F + code) * 0.25F;
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
