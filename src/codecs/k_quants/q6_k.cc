#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "codecs/best_k/best_super_block.h"
#include "codecs/best_k/signed_search.h"
#include "codecs/block_codec.h"
#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/k_quants/k_quant_packing.h"
#include "codecs/k_quants/k_quant_signed.h"
#include "codecs/k_quants/k_quant_weighted.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace k_quant {
namespace {

constexpr int32_t kHalf = 32;

struct Q6K {
  /// 256 weights: the levels' low four bits, of each 128 weights the first 64 in the low halves of 64 bytes, and their
  /// high two, four to a byte; 16 signed scales; f16 scale. weight ≈ scale · sub-block scale · (level − 32).
  struct Block {
    std::array<uint8_t, kSuperBlock / 2> nibbles;
    std::array<uint8_t, kSuperBlock / 4> high_bits;
    std::array<uint8_t, kSignedBlocks> sub_scales;
    HalfBytes scale;
  };
  static_assert(sizeof(Block) == 210);

  /// Importance alone counts.
  static constexpr float kMeanSquares = 0.0F;

  static SignedFactors load_factors(const Block& block) noexcept {
    const float scale = load_half(block.scale);
    SignedFactors factors;
    for (size_t j = 0; j < kSignedBlocks; ++j) {
      factors[j] = scale * static_cast<float>(static_cast<int8_t>(block.sub_scales[j]));
    }
    return factors;
  }

  /// False if the scale is infinite in f16. What does not fit a sub-block's byte wraps, as it does in llama.cpp.
  [[nodiscard]] static bool store_scales(const SignedFits& fits, float top, Block& block) noexcept {
    const float inv_scale = -128.0F / top;
    for (size_t j = 0; j < kSignedBlocks; ++j) {
      block.sub_scales[j] = static_cast<uint8_t>(std::min(nearest_integer(inv_scale * fits.scale[j]), 127) & 0xFF);
    }
    return store_half(block.scale, 1.0F / inv_scale);
  }

  template <typename Lanes>
  static bool encode(const float* from, Block& block) noexcept {
    return encode_counted<Lanes>(from, nullptr, block);
  }

  template <typename Lanes>
  static bool encode_counted(const float* from, const float* counts, Block& block) noexcept {
    const SignedFits fits = fit_signed<Lanes>(from, counts, kHalf);
    const float top = extreme_scale(fits.scale);
    if (std::fabs(top) < kNothing) {
      block = {};
      return true;
    }
    if (!store_scales(fits, top, block)) return false;
    const auto searched = [&](size_t i, size_t j) noexcept {
      return fits.level(from[j * kSignedWeights + i], j, kHalf);
    };
    Levels levels;
    round_signed<Lanes, -kHalf, kHalf - 1>(from, load_factors(block), searched, levels);
    pack_nibbles<Lanes, 64>(levels, block.nibbles.data());
    pack_two_bits<Lanes, 4>(levels, block.high_bits.data());
    return true;
  }

  struct BestRule {
    static constexpr int32_t kLow = -kHalf;
    static constexpr int32_t kHigh = kHalf - 1;
    static constexpr bool kBothSigns = false;
    static constexpr int kSpreads = 16;
    static constexpr float kWidest = 25.0F;
    static constexpr float kSpreadStep = 0.5F;
    static constexpr int32_t kMost = 128;
    static constexpr int kScales = 16;
    static constexpr float kScaleStep = 1.2F;
  };

  template <typename Lanes>
  static bool find(const float* weights, const float* counts, bool is_uneven, Block& block) noexcept {
    best_k::SignedScales found;
    if (!best_k::SignedSearch<Lanes, BestRule>(weights, counts, is_uneven).find(found)) return false;
    for (size_t j = 0; j < kSignedBlocks; ++j) {
      block.sub_scales[j] = static_cast<uint8_t>(static_cast<int>(found.sub_scale[j]));
    }
    if (!store_half(block.scale, found.scale)) return false;
    Levels levels;
    round_signed<Lanes, -kHalf, kHalf - 1>(
        weights, load_factors(block), [](size_t, size_t) noexcept { return uint8_t{0}; }, levels);
    pack_nibbles<Lanes, 64>(levels, block.nibbles.data());
    pack_two_bits<Lanes, 4>(levels, block.high_bits.data());
    return true;
  }

  template <typename Lanes>
  static void decode(const Block& block, float* to) noexcept {
    Levels levels;
    unpack_nibbles<Lanes, 64>(block.nibbles.data(), levels);
    unpack_two_bits<Lanes, 4>(block.high_bits.data(), levels);
    expand_signed<Lanes, -kHalf>(levels, load_factors(block), to);
  }
};

}  // namespace
}  // namespace k_quant

extern const Codec kQ6K;
constinit const Codec kQ6K =
    block_codec<k_quant::encode<k_quant::Q6K, WasmLanes>, k_quant::decode<k_quant::Q6K, WasmLanes>,
                k_quant::encode_weighted<k_quant::Q6K, WasmLanes>, best_k::encode<k_quant::Q6K, WasmLanes>>({
        .name = "Q6_K",
        .ggml_type = 14,
        .block_weights = k_quant::kSuperBlock,
        .block_bytes = sizeof(k_quant::Q6K::Block),
        .searches = true,
        .file_types = {{{"Q6_K", 18}}},
    });

extern const CodecReference kQ6KReference;
constinit const CodecReference kQ6KReference =
    block_reference<k_quant::encode<k_quant::Q6K, ScalarLanes>, k_quant::decode<k_quant::Q6K, ScalarLanes>,
                    k_quant::encode_weighted<k_quant::Q6K, ScalarLanes>, best_k::encode<k_quant::Q6K, ScalarLanes>>();

}  // namespace arrowquant
