#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "codecs/block_codec.h"
#include "codecs/fp4/fp4.h"
#include "codecs/fp4/rounded_log2.h"
#include "codecs/fp4/scale_search.h"
#include "codecs/improved_blocks.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace fp4 {
namespace {

struct Mxfp4 {
  static constexpr size_t kWeights = 32;

  /// 32 weights: the scale's exponent e, d = 2^(e − 128); the codes, j in the low and j + 16 in the high half of byte
  /// j.
  struct Block {
    uint8_t exponent;
    blocks_of_32::Nibbles codes;
  };
  static_assert(sizeof(Block) == 17);

  static float scale_of(uint8_t exponent) noexcept {
    return std::bit_cast<float>(exponent < 2 ? 0x00200000U << exponent : static_cast<uint32_t>(exponent - 1) << 23);
  }

  /// The largest element is four times d or more below the largest weight: e is floor(log2 magnitude) + 125, where the
  /// logarithm is rounded to f32, and 0 for zeros. Below 2^−125 it wraps around, as in llama.cpp on x86, to scales
  /// beside which all weights become zeros.
  static uint8_t exponent_of(int32_t largest) noexcept {
    return largest > 0 ? static_cast<uint8_t>(floor_of_rounded_log2(static_cast<uint32_t>(largest)) + 125) : uint8_t{0};
  }

  template <typename L>
  static bool encode(const float* from, Block* block) noexcept {
    const int32_t largest = blocks_of_32::largest_bits<L>(from, kWeights);
    if (largest >= blocks_of_32::kInfinityBits) return false;
    block->exponent = exponent_of(largest);
    pack<L>(from, *block);
    return true;
  }

  /// Takes the nearest codes for the scale that the block has.
  template <typename L>
  static void pack(const float* from, Block& block) noexcept {
    const Halfways<L> halfways(scale_of(block.exponent));
    const auto code = [&](size_t i, bool is_high) noexcept {
      return halfways.codes(L::load(from + i + (is_high ? kWeights / 2 : 0)));
    };
    pack_codes<L>(code, block.codes.data(), block.codes.size());
  }

  /// Tries the scales near the one that the largest weight asks for. With one four times as large all weights lie among
  /// the elements up to 4, and one twice as large has all of those, too. Smaller ones cut off the largest weights.
  template <typename L>
  static bool improve(const float* from, const float* importance, Block& block) noexcept {
    constexpr std::array<int32_t, 4> kSteps = {0, 1, -1, -2};
    const int32_t largest = blocks_of_32::largest_bits<L>(from, kWeights);
    if (largest == 0) return false;
    int32_t middle = floor_of_rounded_log2(static_cast<uint32_t>(largest)) + 125;
    size_t best = 0;
    // As long as the least of them is the best.
    do {
      std::array<uint8_t, kSteps.size()> exponents;
      std::array<float, kSteps.size()> scales;
      for (size_t i = 0; i < kSteps.size(); ++i) {
        // From 2 on scales are normal numbers, and up to 252 the largest element is finite.
        exponents[i] = static_cast<uint8_t>(std::clamp(middle + kSteps[i], 2, 252));
        scales[i] = scale_of(exponents[i]);
      }
      best = find_best_scale<L>({from, kWeights}, importance, scales);
      block.exponent = exponents[best];
      middle += kSteps.back();
    } while (best == kSteps.size() - 1);
    pack<L>(from, block);
    return true;
  }

  template <typename L>
  static void decode(const Block& block, float* to) noexcept {
    const auto scale = L::splat(scale_of(block.exponent));
    const auto elements = L::load_table(kElementBytes.data());
    blocks_of_32::unpack_nibbles<L>(block.codes, [&](size_t i, typename L::Bytes codes) noexcept {
      blocks_of_32::from_levels<L>(L::lookup(elements, codes), to + i,
                                   [&](typename L::F32 element) noexcept { return L::mul(element, scale); });
    });
  }
};

template <typename L>
constexpr EncodeBlocks kEncodeMxfp4 = blocks_of_32::encode<Mxfp4, L, Mxfp4::kWeights, 1>;
template <typename L>
constexpr DecodeBlocks kDecodeMxfp4 = blocks_of_32::decode<Mxfp4, L, Mxfp4::kWeights>;
template <typename L>
constexpr SearchBlocks kImproveMxfp4 = encode_improved<Mxfp4, L, kEncodeMxfp4<L>>;

}  // namespace
}  // namespace fp4

extern const Codec kMxfp4;
constinit const Codec kMxfp4 =
    block_codec<fp4::kEncodeMxfp4<WasmLanes>, fp4::kDecodeMxfp4<WasmLanes>, nullptr, fp4::kImproveMxfp4<WasmLanes>>({
        .name = "MXFP4",
        .ggml_type = 39,
        .block_weights = fp4::Mxfp4::kWeights,
        .block_bytes = sizeof(fp4::Mxfp4::Block),
        .searches = false,
        .file_types = {{{"MXFP4_MOE", 38}}},
    });

extern const CodecReference kMxfp4Reference;
constinit const CodecReference kMxfp4Reference =
    block_reference<fp4::kEncodeMxfp4<ScalarLanes>, fp4::kDecodeMxfp4<ScalarLanes>, nullptr,
                    fp4::kImproveMxfp4<ScalarLanes>>();

}  // namespace arrowquant
