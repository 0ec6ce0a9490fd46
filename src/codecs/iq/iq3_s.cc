#include <algorithm>
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
  static constexpr Rules kRules = {
      .sub_block = 32,
      .trials = make_trials(15.0F, 9, 0.2F, Refinement::kAllIfOffGrid),
      .starts_from_levels = false,
      .least = std::numeric_limits<float>::denorm_min(),
      .fudge = 1.033F,
      .even_signs = false,
      .keeps_points = true,
      .plain = Weighing::kSquare,
      .weighted = Weighing::kRootOfTwice,
  };
  static constexpr Values kValues = {1, 3, 5, 7, 9, 11, 13, 15};

  static Grid& grid() noexcept { return iq3_s_grid(); }

  /// What ggml does not write down of a sub-block of zeros it leaves no room for either: signs and low bits of those
  /// that follow move up, and decode as other weights. So it is here, for the sake of equal bytes.
  static void pack(const Encoded& encoded, Block& block) noexcept {
    constexpr size_t kPoints = kRules.sub_block / Shape::kDimensions;
    constexpr size_t kSigns = kRules.sub_block / 8;
    size_t place = 0;
    for (size_t j = 0; j < kSuperBlock / kRules.sub_block; ++j) {
      if ((encoded.found >> j & 1) == 0) continue;
      for (size_t k = 0; k < kPoints; ++k) {
        const uint32_t point = encoded.points[j * kPoints + k];
        block.points_low[place * kPoints + k] = static_cast<uint8_t>(point & 255);
        block.points_high[j] = static_cast<uint8_t>(block.points_high[j] | point >> 8 << k);
      }
      std::copy_n(&encoded.signs[j * kSigns], kSigns, &block.signs[place * kSigns]);
      ++place;
    }
    pack_codes(encoded, block.sub_scales);
  }

  static void unpack(const Block& block, Decoded& decoded) noexcept {
    for (size_t k = 0; k < block.points_low.size(); ++k) {
      const int high = block.points_high[k / 8] >> k % 8 & 1;
      decoded.points[k] = static_cast<uint16_t>(block.points_low[k] | high << 8);
    }
    decoded.signs = block.signs;
    const float scale = k_quant::load_half(block.scale);
    for (size_t i = 0; i < decoded.factors.size(); ++i) {
      const int code = block.sub_scales[i / 4] >> i / 2 % 2 * 4 & 15;
      decoded.factors[i] = scale * static_cast<float>(1 + 2 * code);
    }
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
