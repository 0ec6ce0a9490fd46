#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "codecs/block_codec.h"
#include "codecs/improved_blocks.h"
#include "codecs/ternary/largest_scale.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace ternary {
namespace {

struct Q10 {
  static constexpr size_t kWeights = 128;

  /// 128 weights: f16 scale d, the mean magnitude; then a bit for each, the first in the lowest: whether it is not
  /// negative, as −0 is. weight ≈ d or −d.
  struct Block {
    Half scale;
    std::array<uint8_t, kWeights / 8> bits;
  };
  static_assert(sizeof(Block) == 18);

  /// The sums are f32 in index order, one block a lane.
  template <typename L>
  static bool encode(const float* from, Block* blocks) noexcept {
    auto sum = L::splat(0.0F);
    for (size_t i = 0; i < kWeights; i += L::kWidth) {
      for (const auto& column : L::load_transposed(from + i, kWeights)) sum = L::add(sum, L::abs(column));
    }
    const auto scale = L::mul(sum, L::splat(1.0F / kWeights));
    if (!blocks_of_32::all_fit<L>(blocks_of_32::store_halves<L>(blocks, &Block::scale, scale))) return false;
    for (size_t r = 0; r < L::kWidth; ++r) store_signs<L>(from + r * kWeights, blocks[r]);
    return true;
  }

  /// Where weights do not count the same, their weighted mean is the scale that loses least. It is added up in f64.
  template <typename L>
  static bool improve(const float* from, const float* importance, Block& block) noexcept {
    double sum = 0.0;
    double count = 0.0;
    for (size_t i = 0; i < kWeights; ++i) {
      sum += double{importance[i]} * std::fabs(double{from[i]});
      count += double{importance[i]};
    }
    return count > 0.0 && store_half(static_cast<float>(sum / count), block.scale);
  }

  template <typename L>
  static void store_signs(const float* from, Block& block) noexcept {
    const auto is_not_negative = [&](size_t i) noexcept {
      return L::mask_bits(L::ge(L::load(from + i), L::splat(0.0F)));
    };
    for (size_t word = 0; word < kWeights; word += 32) {
      uint32_t bits = 0;
      for (size_t i = 0; i < 32; i += 4 * L::kWidth) {
        const auto mask = [&](size_t quarter) noexcept { return is_not_negative(word + i + quarter * L::kWidth); };
        bits |= L::bitmask(L::narrow_signed(L::narrow(mask(0), mask(1)), L::narrow(mask(2), mask(3)))) << i;
      }
      store_u32(&block.bits[word / 8], bits);
    }
  }

  template <typename L>
  static void decode(const Block& block, float* to) noexcept {
    constexpr std::array<int32_t, 4> kBits = {1, 2, 4, 8};
    const auto bit = L::load(kBits.data());
    const auto scale = L::splat(load_half(block.scale));
    const auto negative = L::neg(scale);
    for (size_t i = 0; i < kWeights; i += L::kWidth) {
      const auto bits = L::bit_and(L::splat(block.bits[i / 8] >> i % 8), bit);
      L::store(to + i, L::select(L::ne(bits, L::splat(0)), scale, negative));
    }
  }
};

template <typename L>
constexpr EncodeBlocks kEncodeQ10 = blocks_of_32::encode<Q10, L, Q10::kWeights>;
template <typename L>
constexpr DecodeBlocks kDecodeQ10 = blocks_of_32::decode<Q10, L, Q10::kWeights>;
template <typename L>
constexpr SearchBlocks kImproveQ10 = encode_improved<Q10, L, kEncodeQ10<L>>;

}  // namespace
}  // namespace ternary

extern const Codec kQ10;
constinit const Codec kQ10 = block_codec<ternary::kEncodeQ10<WasmLanes>, ternary::kDecodeQ10<WasmLanes>, nullptr,
                                         ternary::kImproveQ10<WasmLanes>>({
    .name = "Q1_0",
    .ggml_type = 41,
    .block_weights = ternary::Q10::kWeights,
    .block_bytes = sizeof(ternary::Q10::Block),
    .searches = false,
    .file_types = {{{"Q1_0", 40}}},
});

extern const CodecReference kQ10Reference;
constinit const CodecReference kQ10Reference =
    block_reference<ternary::kEncodeQ10<ScalarLanes>, ternary::kDecodeQ10<ScalarLanes>, nullptr,
                    ternary::kImproveQ10<ScalarLanes>>();

}  // namespace arrowquant
