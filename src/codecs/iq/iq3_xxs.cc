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
  static constexpr size_t kSubBlock = 32;
  static constexpr Trials kTrials = make_trials(15.0F, 15, 0.2F, Refinement::kOffGrid);
  static constexpr float kLeast = 1e-8F;
  static constexpr float kFudge = 1.0125F;
  static constexpr bool kEvenSigns = true;
  static constexpr bool kKeepsSigns = false;
  static constexpr Weighing kPlain = Weighing::kSquare;
  static constexpr Weighing kWeighted = Weighing::kRootOfTwice;
  static constexpr std::array<uint8_t, 16> kValues = {4, 12, 20, 28, 36, 44, 52, 62};

  static Grid& grid() noexcept { return iq3_xxs_grid(); }

  template <typename Lanes, size_t kCount>
  static void start(const WeighedWeights& weighed, std::array<Start, kCount>& starts) noexcept {
    start_at_largest<Iq3Xxs, Lanes>(weighed, starts);
  }

  static void add_bits(size_t i, uint32_t bits, Block& block) noexcept {
    uint8_t* to = block.signs_and_scales[i].data();
    store_u32(to, load_u32(to) | bits);
  }
  static void store_signs(size_t group, uint8_t signs, Block& block) noexcept {
    add_bits(group / 4, (signs & 127U) << group % 4 * 7, block);
  }
  static void store_point(size_t group, uint32_t number, Block& block) noexcept {
    block.points[group] = static_cast<uint8_t>(number);
  }
  static void store_scale(size_t i, uint32_t code, Block& block) noexcept { add_bits(i, code << 28, block); }

  static uint32_t signs_of(size_t group, const Block& block) noexcept {
    return even_signs(load_u32(block.signs_and_scales[group / 4].data()) >> group % 4 * 7 & 127);
  }
  static uint32_t point_of(size_t group, const Block& block) noexcept { return block.points[group]; }
  static float factor_of(size_t i, const Block& block) noexcept {
    const auto code = static_cast<float>(load_u32(block.signs_and_scales[i].data()) >> 28);
    return k_quant::load_half(block.scale) * (0.5F + code) * 0.5F;
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
