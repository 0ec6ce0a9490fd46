#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/block_codec.h"
#include "codecs/fp4/fp4.h"
#include "codecs/fp4/scale_search.h"
#include "codecs/fp4/unsigned_e4m3.h"
#include "codecs/improved_blocks.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace fp4 {
namespace {

constexpr size_t kSubBlock = 16;
constexpr size_t kSubBlocks = 4;

/// From here on, in scales, differences of a weight and the products next to it are rounded.
constexpr float kFar = 0x1p+20F;

/// llama.cpp's choice for any weight: the first of the nearest, where differences are rounded to f32. Beside a weight
/// that is large enough all of them are the same, and it becomes 0.
inline uint32_t plain_code(float weight, float scale) noexcept {
  const float magnitude = std::fabs(weight);
  uint32_t nearest = 0;
  float least = magnitude;
  for (uint32_t code = 1; code < kElements.size(); ++code) {
    const float distance = std::fabs(kElements[code] * scale - magnitude);
    if (distance >= least) continue;
    nearest = code;
    least = distance;
  }
  return nearest > 0 && weight < 0.0F ? nearest | 8 : nearest;
}

struct Nvfp4 {
  static constexpr size_t kWeights = kSubBlocks * kSubBlock;
  using Scales = std::array<uint8_t, kSubBlocks>;

  /// 64 weights in 4 sub-blocks of 16: their scales, 2·d in unsigned E4M3; the codes, of each sub-block j in the low
  /// and j + 8 in the high half of its byte j.
  struct Block {
    Scales scales;
    std::array<uint8_t, kWeights / 2> codes;
  };
  static_assert(sizeof(Block) == 36);

  /// 2·d is the largest magnitude / 6, which is rounded as float_to_ue4m3 says, and at most 448.
  template <typename L>
  static bool encode(const float* from, Block* block) noexcept {
    bool is_far = false;
    for (size_t s = 0; s < kSubBlocks; ++s) {
      const int32_t bits = blocks_of_32::largest_bits<L>(from + s * kSubBlock, kSubBlock);
      if (bits >= blocks_of_32::kInfinityBits) return false;
      const auto largest = std::bit_cast<float>(bits);
      block->scales[s] = float_to_ue4m3(largest / 6.0F);
      const float scale = half_of_ue4m3(block->scales[s]);
      is_far = is_far || (scale > 0.0F && largest >= kFar * scale);
    }
    pack<L>(from, *block);
    if (is_far) pack_far(from, *block);
    return true;
  }

  /// Takes the nearest codes for the scales that the block has.
  template <typename L>
  static void pack(const float* from, Block& block) noexcept {
    const auto halfways_of = [&](size_t s) noexcept { return Halfways<L>(half_of_ue4m3(block.scales[s])); };
    const std::array<Halfways<L>, kSubBlocks> halfways = {halfways_of(0), halfways_of(1), halfways_of(2),
                                                          halfways_of(3)};
    const auto code = [&](size_t i, bool is_high) noexcept {
      const float* weights = from + 2 * i - i % 8 + (is_high ? kSubBlock / 2 : 0);
      return halfways[i / 8].codes(L::load(weights));
    };
    pack_codes<L>(code, block.codes.data(), block.codes.size());
  }

  static void pack_far(const float* from, Block& block) noexcept {
    for (size_t i = 0; i < block.codes.size(); ++i) {
      const float* weights = from + 2 * i - i % 8;
      const float scale = half_of_ue4m3(block.scales[i / 8]);
      const uint32_t high = plain_code(weights[kSubBlock / 2], scale);
      block.codes[i] = static_cast<uint8_t>(plain_code(weights[0], scale) | high << 4);
    }
  }

  /// Tries the scales around the present one. With three times as large a scale, 13 codes up, all weights lie among the
  /// elements up to 4, and one half as large has all of those, too; more than 8 up is hardly ever the best. Smaller
  /// ones cut off the largest weights.
  template <typename L>
  static bool improve(const float* from, const float* importance, Block& block) noexcept {
    constexpr std::array<int32_t, 16> kSteps = {0, 1, -1, 2, -2, 3, 4, 5, 6, 7, 8, 9, -3, -4, -6, -8};
    for (size_t s = 0; s < kSubBlocks; ++s) {
      std::array<uint8_t, kSteps.size()> codes;
      std::array<float, kSteps.size()> scales;
      for (size_t i = 0; i < kSteps.size(); ++i) {
        codes[i] = static_cast<uint8_t>(std::clamp<int32_t>(block.scales[s] + kSteps[i], 1, kLargestUe4m3));
        scales[i] = half_of_ue4m3(codes[i]);
      }
      const std::span sub_block(from + s * kSubBlock, kSubBlock);
      block.scales[s] = codes[find_best_scale<L>(sub_block, importance + s * kSubBlock, scales)];
    }
    pack<L>(from, block);
    return true;
  }

  template <typename L>
  static void decode(const Block& block, float* to) noexcept {
    const auto elements = L::load_table(kElementBytes.data());
    for (size_t i = 0; i < block.codes.size(); i += 4 * L::kWidth) {
      const auto codes = L::load_bytes(&block.codes[i]);
      expand<L>(block, i, L::lookup(elements, L::bit_and(codes, L::splat_bytes(15))), to);
      expand<L>(block, i, L::lookup(elements, L::shr_logical(codes, 4)), to + kSubBlock / 2);
    }
  }

  /// Puts the weights of the elements that the low, or the high, halves of bytes i… have.
  template <typename L>
  static void expand(const Block& block, size_t i, typename L::Bytes elements, float* to) noexcept {
    const auto low = L::widen_low_signed(elements);
    const auto high = L::widen_high_signed(elements);
    const std::array<typename L::I32, 4> quarters = {L::widen_low(low), L::widen_high(low), L::widen_low(high),
                                                     L::widen_high(high)};
    for (const auto& quarter : quarters) {
      const auto scale = L::splat(half_of_ue4m3(block.scales[i / 8]));
      L::store(to + 2 * i - i % 8, L::mul(L::to_f32(quarter), scale));
      i += L::kWidth;
    }
  }
};

template <typename L>
constexpr EncodeBlocks kEncodeNvfp4 = blocks_of_32::encode<Nvfp4, L, Nvfp4::kWeights, 1>;
template <typename L>
constexpr DecodeBlocks kDecodeNvfp4 = blocks_of_32::decode<Nvfp4, L, Nvfp4::kWeights>;
template <typename L>
constexpr SearchBlocks kImproveNvfp4 = encode_improved<Nvfp4, L, kEncodeNvfp4<L>>;

}  // namespace
}  // namespace fp4

extern const Codec kNvfp4;
constinit const Codec kNvfp4 =
    block_codec<fp4::kEncodeNvfp4<WasmLanes>, fp4::kDecodeNvfp4<WasmLanes>, nullptr, fp4::kImproveNvfp4<WasmLanes>>({
        .name = "NVFP4",
        .ggml_type = 40,
        .block_weights = fp4::Nvfp4::kWeights,
        .block_bytes = sizeof(fp4::Nvfp4::Block),
        .searches = false,
    });

extern const CodecReference kNvfp4Reference;
constinit const CodecReference kNvfp4Reference =
    block_reference<fp4::kEncodeNvfp4<ScalarLanes>, fp4::kDecodeNvfp4<ScalarLanes>, nullptr,
                    fp4::kImproveNvfp4<ScalarLanes>>();

}  // namespace arrowquant
