#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/half.h"
#include "codecs/best/one_scale.h"
#include "codecs/block_codec.h"
#include "codecs/blocks_of_32/blocks_of_32.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace blocks_of_32 {
namespace {

struct Q80 {
  /// 32 weights: f16 scale d, then the levels as signed bytes. weight ≈ d · level.
  struct Block {
    std::array<uint8_t, 2> scale;
    std::array<uint8_t, kWeights> levels;
  };
  static_assert(sizeof(Block) == 34);

  /// For the search with the most effort. With so many levels the errors of the scales next to each other have little
  /// to do with each other, and of many the least is small.
  using Levels = best::WholeLevels<-128, 127>;
  using TrialLevels = best::AnyLevels;
  static constexpr size_t kTogether = 3;
  static constexpr auto kPeaks = [] {
    std::array<float, 21> peaks{};
    for (size_t i = 0; i < peaks.size(); ++i) peaks[i] = 0.75F * static_cast<float>(i) - 128.4F;
    return peaks;
  }();

  template <typename Lanes>
  static void pack(const float* from, float inv_scale, Block& block) noexcept {
    store_bytes<Lanes>(block, [&](size_t i) noexcept {
      return Levels::nearest<Lanes>(Lanes::mul(Lanes::load(from + i), Lanes::splat(inv_scale)));
    });
  }

  /// The largest magnitude of each block, which is not finite if a weight is not.
  template <typename Lanes>
  static typename Lanes::F32 find_magnitudes(const float* from) noexcept {
    const auto max = [](auto a, auto b) noexcept { return Lanes::max(a, b); };
    typename Lanes::I32Square rows;
    for (size_t r = 0; r < Lanes::kWidth; ++r) {
      rows[r] = Lanes::splat(int32_t{0});
      for (size_t i = 0; i < kWeights; i += Lanes::kWidth) {
        const auto bits = Lanes::bits(Lanes::load(from + r * kWeights + i));
        rows[r] = max(rows[r], Lanes::bit_and(bits, Lanes::splat(~kSign)));
      }
    }
    // Without their signs the bits of floats are in the order of the floats.
    return Lanes::from_bits(fold_rows<Lanes>(rows, max));
  }

  /// Half away from zero. The number before 0.5 is what is added: with 0.5 itself, the sum of the number before 0.5
  /// and 0.5 would round up to 1.
  template <typename Lanes>
  static typename Lanes::F32 round_away(typename Lanes::F32 value) noexcept {
    const auto sign = Lanes::bit_and(Lanes::bits(value), Lanes::splat(kSign));
    const auto half = Lanes::from_bits(Lanes::bit_or(sign, Lanes::bits(Lanes::splat(0x0.FFFFFFp-1F))));
    return Lanes::whole_part(Lanes::add(value, half));
  }

  /// d = magnitude / 127; level = weight · (1/d), rounded half away from zero; 1/d is taken before d becomes f16.
  template <typename Lanes>
  static bool encode(const float* from, Block* blocks) noexcept {
    const auto scale = Lanes::div(find_magnitudes<Lanes>(from), Lanes::splat(127.0F));
    if (!all_fit<Lanes>(store_halves<Lanes>(blocks, &Block::scale, scale))) return false;
    alignas(16) std::array<float, Lanes::kWidth> inv_scales;
    Lanes::store(inv_scales.data(), invert<Lanes>(scale));
    for (size_t r = 0; r < Lanes::kWidth; ++r) {
      store_levels<Lanes>(from + r * kWeights, Lanes::splat(inv_scales[r]), blocks[r]);
    }
    return true;
  }

  template <typename Lanes>
  static void store_levels(const float* from, typename Lanes::F32 inv_scale, Block& block) noexcept {
    store_bytes<Lanes>(
        block, [&](size_t i) noexcept { return round_away<Lanes>(Lanes::mul(Lanes::load(from + i), inv_scale)); });
  }

  /// `whole(i)` are the levels of kWidth weights from i on.
  template <typename Lanes, typename Whole>
  static void store_bytes(Block& block, Whole whole) noexcept {
    const auto level = [&](size_t i) noexcept { return Lanes::round_magic(whole(i)); };
    for (size_t i = 0; i < kWeights; i += 4 * Lanes::kWidth) {
      const auto low = Lanes::narrow(level(i), level(i + Lanes::kWidth));
      const auto high = Lanes::narrow(level(i + 2 * Lanes::kWidth), level(i + 3 * Lanes::kWidth));
      Lanes::store_bytes(&block.levels[i], Lanes::narrow_signed(low, high));
    }
  }

  /// A block that `encode` refuses, as gguf-py has it: its scale is infinite, or NaN, in f16. Where it is so in f32,
  /// too, all levels are 0.
  static void encode_overflowing(const float* from, Block& block) noexcept {
    const float scale = find_magnitudes<ScalarLanes>(from) / 127.0F;
    store_u16(block.scale.data(), float_to_half(scale));
    block.levels.fill(0);
    if (std::isfinite(scale)) store_levels<ScalarLanes>(from, invert<ScalarLanes>(scale), block);
  }

  template <typename Lanes>
  static void decode(const Block& block, float* to) noexcept {
    const auto scale = Lanes::splat(load_half(block.scale));
    for (size_t i = 0; i < kWeights; i += 4 * Lanes::kWidth) {
      from_levels<Lanes>(Lanes::load_bytes(&block.levels[i]), to + i,
                         [&](typename Lanes::F32 level) noexcept { return Lanes::mul(level, scale); });
    }
  }
};

/// The context of what lies `weights` weights further on.
constexpr EncodeContext further(EncodeContext context, size_t weights) noexcept {
  if (context.row_weights == 0) return context;
  const size_t column = context.first_column + weights;
  context.first_row += column / context.row_weights;
  context.first_column = column % context.row_weights;
  return context;
}

/// Blocks that are refused are encoded all the same where that is asked for, and those between them as ever.
template <Codec::Encode kEncode>
Status encode_q8_0(std::span<const float> weights, const Planes& planes, const EncodeContext& context) noexcept {
  auto* blocks = reinterpret_cast<Q80::Block*>(planes[0].data());
  size_t done = 0;
  while (true) {
    const auto rest = weights.subspan(done * kWeights);
    const auto rest_context = further(context, done * kWeights);
    const Status status = kEncode(rest, {planes[0].subspan(done * sizeof(Q80::Block))}, rest_context);
    if (status.ok()) return {};
    if (!context.overflows) return status.offset_by(done * kWeights);
    const size_t count = static_cast<size_t>(status.position) / kWeights;
    const auto before = planes[0].subspan(done * sizeof(Q80::Block), count * sizeof(Q80::Block));
    if (!kEncode(rest.first(count * kWeights), {before}, rest_context).ok()) return status;
    done += count;
    Q80::encode_overflowing(&weights[done * kWeights], blocks[done]);
    ++done;
  }
}

template <typename Lanes>
inline constexpr Codec::Encode kPlainEncode =
    encode_plane<encode<Q80, Lanes>, nullptr, best::encode<best::OneScale<Q80>, Lanes, encode<Q80, Lanes>>>;

constexpr Codec with_overflow(Codec codec) noexcept {
  codec.encode = encode_q8_0<kPlainEncode<WasmLanes>>;
  return codec;
}

}  // namespace
}  // namespace blocks_of_32

extern const Codec kQ80;
constinit const Codec kQ80 = blocks_of_32::with_overflow(
    block_codec<
        blocks_of_32::encode<blocks_of_32::Q80, WasmLanes>, blocks_of_32::decode<blocks_of_32::Q80, WasmLanes>, nullptr,
        best::encode<best::OneScale<blocks_of_32::Q80>, WasmLanes, blocks_of_32::encode<blocks_of_32::Q80, WasmLanes>>>(
        {
            .name = "Q8_0",
            .ggml_type = 8,
            .block_weights = blocks_of_32::kWeights,
            .block_bytes = sizeof(blocks_of_32::Q80::Block),
            .searches = false,
            .file_types = {{{"Q8_0", 7}}},
        }));

extern const CodecReference kQ80Reference;
constinit const CodecReference kQ80Reference = {blocks_of_32::encode_q8_0<blocks_of_32::kPlainEncode<ScalarLanes>>,
                                                decode_plane<blocks_of_32::decode<blocks_of_32::Q80, ScalarLanes>>};

}  // namespace arrowquant
