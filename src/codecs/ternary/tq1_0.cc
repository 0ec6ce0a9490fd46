#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "codecs/block_codec.h"
#include "codecs/improved_blocks.h"
#include "codecs/ternary/largest_scale.h"
#include "codecs/ternary/ternary_search.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace ternary {
namespace {

/// 256/243 in 1/65536, rounded up.
constexpr int32_t kWidening = 69042;

/// A number of five ternary digits, 0…242, as the fraction of 256 that it is of 243, rounded up: its digits are then
/// the carries out of a byte that is multiplied by 3 again and again.
constexpr int32_t widen(int32_t digits) noexcept { return (digits * kWidening + 65535) >> 16; }

static_assert(
    [] {
      for (int32_t digits = 0; digits < 243; ++digits) {
        if (widen(digits) != (digits * 256 + 242) / 243) return false;
      }
      return true;
    }(),
    "the product has to round up as the quotient");

struct Tq10 {
  static constexpr size_t kWeights = 256;

  /// 256 weights: the levels plus one, as ternary digits of numbers, the first the highest, which are stored as `widen`
  /// has them; then f16 scale d. The first 32 bytes have the digits m, m + 32, … of 160 weights, the next 16 m, m + 16,
  /// … of 80, the last 4 m, m + 4, … of 16, with a fifth digit that is 0. weight ≈ d · level.
  struct Block {
    std::array<uint8_t, 48> fives;
    std::array<uint8_t, 4> fours;
    Half scale;
  };
  static_assert(sizeof(Block) == 54);

  template <typename L>
  static bool encode(const float* from, Block* block) noexcept {
    const auto scale = std::bit_cast<float>(largest_bits<L>(from, kWeights));
    if (!store_half(scale, block->scale)) return false;
    pack<L>(from, blocks_of_32::invert<ScalarLanes>(scale), *block);
    return true;
  }

  template <typename L>
  static void pack(const float* from, float inv_scale, Block& block) noexcept {
    pack_digits<L, 5>(from, 32, inv_scale, block.fives.data());
    pack_digits<L, 5>(from + 160, 16, inv_scale, &block.fives[32]);
    pack_digits<ScalarLanes, 4>(from + 240, 4, inv_scale, block.fours.data());
  }

  /// Fills `count` bytes with kDigits digits each, those of a byte `count` weights apart.
  template <typename L, size_t kDigits>
  static void pack_digits(const float* from, size_t count, float inv_scale, uint8_t* to) noexcept {
    for (size_t m = 0; m < count; m += 4 * L::kWidth) {
      auto digits = stored_levels<L>(from + m, inv_scale);
      for (size_t n = 1; n < kDigits; ++n) {
        digits = L::add(triple<L>(digits), stored_levels<L>(from + m + n * count, inv_scale));
      }
      if constexpr (kDigits == 4) digits = triple<L>(digits);
      L::store_bytes(to + m, widen_all<L>(digits));
    }
  }

  template <typename L>
  static typename L::Bytes triple(typename L::Bytes digits) noexcept {
    return L::add(L::add(digits, digits), digits);
  }

  template <typename L>
  static typename L::Bytes widen_all(typename L::Bytes digits) noexcept {
    const auto widened = [](typename L::I32 number) noexcept {
      return L::shr(L::add(L::mul(number, L::splat(kWidening)), L::splat(65535)), 16);
    };
    const auto half = [&](typename L::I16 numbers) noexcept {
      return L::narrow(widened(L::widen_low(numbers)), widened(L::widen_high(numbers)));
    };
    return L::narrow_unsigned(half(L::widen_low_unsigned(digits)), half(L::widen_high_unsigned(digits)));
  }

  template <typename L>
  static bool improve(const float* from, const float* importance, Block& block) noexcept {
    return improve_ternary<Tq10, L>(from, importance, block);
  }

  template <typename L>
  static void decode(const Block& block, float* to) noexcept {
    const float scale = load_half(block.scale);
    unpack_digits<L, 5>(block.fives.data(), 32, scale, to);
    unpack_digits<L, 5>(&block.fives[32], 16, scale, to + 160);
    unpack_digits<ScalarLanes, 4>(block.fours.data(), 4, scale, to + 240);
  }

  template <typename L, size_t kDigits>
  static void unpack_digits(const uint8_t* from, size_t count, float scale, float* to) noexcept {
    for (size_t m = 0; m < count; m += 4 * L::kWidth) {
      auto rest = L::load_bytes(from + m);
      for (size_t n = 0; n < kDigits; ++n, rest = triple<L>(rest)) {
        // What of 3 · rest is above a byte is 1 from 86 on and 2 from 171 on.
        const auto is_one = L::ge_unsigned(rest, L::splat_bytes(86));
        const auto is_two = L::ge_unsigned(rest, L::splat_bytes(171));
        expand_levels<L>(L::sub(L::sub(L::splat_bytes(0xFF), is_one), is_two), scale, to + m + n * count);
      }
    }
  }
};

template <typename L>
constexpr EncodeBlocks kEncodeTq10 = blocks_of_32::encode<Tq10, L, Tq10::kWeights, 1>;
template <typename L>
constexpr DecodeBlocks kDecodeTq10 = blocks_of_32::decode<Tq10, L, Tq10::kWeights>;
template <typename L>
constexpr SearchBlocks kImproveTq10 = encode_improved<Tq10, L, kEncodeTq10<L>>;

}  // namespace
}  // namespace ternary

extern const Codec kTq10;
constinit const Codec kTq10 = block_codec<ternary::kEncodeTq10<WasmLanes>, ternary::kDecodeTq10<WasmLanes>, nullptr,
                                          ternary::kImproveTq10<WasmLanes>>({
    .name = "TQ1_0",
    .ggml_type = 34,
    .block_weights = ternary::Tq10::kWeights,
    .block_bytes = sizeof(ternary::Tq10::Block),
    .searches = false,
    .file_types = {{{"TQ1_0", 36}}},
});

extern const CodecReference kTq10Reference;
constinit const CodecReference kTq10Reference =
    block_reference<ternary::kEncodeTq10<ScalarLanes>, ternary::kDecodeTq10<ScalarLanes>, nullptr,
                    ternary::kImproveTq10<ScalarLanes>>();

}  // namespace arrowquant
