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
  static constexpr size_t kSubBlock = 16;
  static constexpr Trials kTrials = make_trials(5.0F, 9, 0.1F, Refinement::kOffGrid);
  static constexpr float kLeast = 1e-15F;
  static constexpr float kFudge = 1.0F;
  static constexpr bool kEvenSigns = true;
  static constexpr bool kKeepsSigns = false;
  static constexpr Weighing kPlain = Weighing::kRoot;
  static constexpr Weighing kWeighted = Weighing::kRoot;
  static constexpr std::array<uint8_t, 16> kValues = {8, 25, 43};

  static Grid& grid() noexcept { return iq2_xs_grid(); }

  template <typename Lanes, size_t kCount>
  static void start(const WeighedWeights& weighed, std::array<Start, kCount>& starts) noexcept {
    start_at_largest<Iq2Xs, Lanes>(weighed, starts);
  }

  static void store_signs(size_t group, uint8_t signs, Block& block) noexcept {
    store_u16(block.groups[group].data(), static_cast<uint16_t>((signs & 127) << 9));
  }
  static void store_point(size_t group, uint32_t number, Block& block) noexcept {
    uint8_t* to = block.groups[group].data();
    store_u16(to, static_cast<uint16_t>(load_u16(to) | number));
  }
  static void store_scale(size_t i, uint32_t code, Block& block) noexcept {
    block.sub_scales[i / 2] = static_cast<uint8_t>(block.sub_scales[i / 2] | code << i % 2 * 4);
  }

  static uint32_t signs_of(size_t group, const Block& block) noexcept {
    return even_signs(load_u16(block.groups[group].data()) >> 9);
  }
  static uint32_t point_of(size_t group, const Block& block) noexcept {
    return load_u16(block.groups[group].data()) & 511;
  }
  static float factor_of(size_t i, const Block& block) noexcept {
    const auto code = static_cast<float>(block.sub_scales[i / 2] >> i % 2 * 4 & 15);
    return k_quant::load_half(block.scale) * (0.5F + code) * 0.25F;
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
