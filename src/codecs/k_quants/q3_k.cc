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
#include "codecs/weighted/signed_levels.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace k_quant {
namespace {

constexpr int32_t kLow = -4;
constexpr int32_t kHigh = 3;
constexpr int kTries = 5;

/// What the search found. Its levels (weight i of sub-block j at i · kSignedBlocks + j) are used only where the stored
/// scale becomes 0.
struct Fits {
  alignas(16) std::array<float, kSignedBlocks> scale;
  alignas(16) std::array<int32_t, kSuperBlock> level;
};

/// A weight of each sub-block, with its square and cube, by which the sums weigh it, its level (as the mantissa from
/// which nearest_integer would take it), and what it adds to the two sums.
template <typename Lanes>
struct Row {
  alignas(16) std::array<float, Lanes::kWidth> value;
  alignas(16) std::array<float, Lanes::kWidth> square;
  alignas(16) std::array<float, Lanes::kWidth> cube;
  alignas(16) std::array<float, Lanes::kWidth> product;
  alignas(16) std::array<float, Lanes::kWidth> level_squared;
  alignas(16) std::array<int32_t, Lanes::kWidth> level;
};

template <typename Lanes>
using Rows = std::array<Row<Lanes>, kSignedWeights>;

template <typename Lanes>
struct Sums {
  typename Lanes::F32 product;
  typename Lanes::F32 level_squared;
};

template <typename Lanes>
typename Lanes::I32 nearest_mantissa(typename Lanes::F32 value) noexcept {
  const auto bits = Lanes::bits(Lanes::add(value, Lanes::splat(kMagic)));
  const auto mantissa = Lanes::bit_and(bits, Lanes::splat(kMantissa));
  return Lanes::max(Lanes::min(mantissa, Lanes::splat(kMantissaOfZero + kHigh)), Lanes::splat(kMantissaOfZero + kLow));
}

/// What a weight adds to the sums at this level.
template <typename Lanes>
Sums<Lanes> share_of(const Row<Lanes>& row, typename Lanes::I32 level) noexcept {
  const auto exponent = Lanes::splat(kMagicBits & ~kMantissa);
  const auto number = Lanes::sub(Lanes::from_bits(Lanes::bit_or(level, exponent)), Lanes::splat(kMagic));
  const auto weighted = Lanes::mul(Lanes::load(row.square.data()), number);
  return {Lanes::mul(Lanes::load(row.cube.data()), number), Lanes::mul(weighted, number)};
}

template <typename Lanes>
void set_level(Row<Lanes>& row, typename Lanes::I32 level, const Sums<Lanes>& share) noexcept {
  Lanes::store(row.level.data(), level);
  Lanes::store(row.product.data(), share.product);
  Lanes::store(row.level_squared.data(), share.level_squared);
}

/// Spreads the levels over the extreme value.
template <typename Lanes>
Sums<Lanes> first_levels(Rows<Lanes>& rows, typename Lanes::F32 extreme) noexcept {
  const auto level_scale = Lanes::div(Lanes::splat(float{kLow}), extreme);
  Sums<Lanes> sums{Lanes::splat(0.0F), Lanes::splat(0.0F)};
  for (Row<Lanes>& row : rows) {
    const auto value = Lanes::load(row.value.data());
    const auto square = Lanes::mul(value, value);
    Lanes::store(row.square.data(), square);
    Lanes::store(row.cube.data(), Lanes::mul(square, value));
    const auto level = nearest_mantissa<Lanes>(Lanes::mul(level_scale, value));
    const auto share = share_of<Lanes>(row, level);
    set_level<Lanes>(row, level, share);
    sums.product = Lanes::add(sums.product, share.product);
    sums.level_squared = Lanes::add(sums.level_squared, share.level_squared);
  }
  return sums;
}

/// Moves each weight to the level that is best with all others as they are. False when no lane changed anything; what
/// did not change in one round does not change in the next, so lanes that are done may go along.
template <typename Lanes>
bool refine_levels(Rows<Lanes>& rows, Sums<Lanes>& sums) noexcept {
  const auto zero = Lanes::splat(0.0F);
  bool changed = false;
  for (Row<Lanes>& row : rows) {
    const auto rest = Lanes::sub(sums.product, Lanes::load(row.product.data()));
    const auto rest_squared = Lanes::sub(sums.level_squared, Lanes::load(row.level_squared.data()));
    const auto value = Lanes::load(row.value.data());
    const auto level = nearest_mantissa<Lanes>(Lanes::div(Lanes::mul(value, rest_squared), rest));
    const auto old_level = Lanes::load(row.level.data());
    const auto moved = Lanes::mask_and(Lanes::gt(rest, zero), Lanes::ne(level, old_level));
    if (!Lanes::any(moved)) continue;
    const auto share = share_of<Lanes>(row, level);
    const auto product = Lanes::add(rest, share.product);
    const auto squared = Lanes::add(rest_squared, share.level_squared);
    const auto now = Lanes::mul(Lanes::mul(product, product), sums.level_squared);
    const auto before = Lanes::mul(Lanes::mul(sums.product, sums.product), squared);
    const auto better = Lanes::mask_and(moved, Lanes::mask_and(Lanes::gt(squared, zero), Lanes::gt(now, before)));
    changed = changed || Lanes::any(better);
    sums.product = Lanes::select(better, product, sums.product);
    sums.level_squared = Lanes::select(better, squared, sums.level_squared);
    const auto new_level = Lanes::select(better, level, old_level);
    set_level<Lanes>(row, new_level, share_of<Lanes>(row, new_level));
  }
  return changed;
}

/// llama.cpp's `make_q3_quants` for a vector of sub-blocks.
template <typename Lanes>
void search_levels(Rows<Lanes>& rows, Fits& fits, size_t first) noexcept {
  const auto zero = Lanes::splat(0.0F);
  const auto extreme = weighted::find_extreme<Lanes>(rows);
  auto sums = first_levels<Lanes>(rows, extreme.value);
  for (int attempt = 0; attempt < kTries; ++attempt) {
    if (!refine_levels<Lanes>(rows, sums)) break;
  }
  const auto quotient = Lanes::div(sums.product, sums.level_squared);
  // Where the sums overflowed the quotient is NaN, and stays so.
  const auto scale = Lanes::select(Lanes::le(sums.level_squared, zero), zero, quotient);
  Lanes::store(&fits.scale[first], Lanes::select(extreme.nothing, zero, scale));
  const auto lowest = Lanes::splat(kMantissaOfZero + kLow);
  for (size_t i = 0; i < kSignedWeights; ++i) {
    const auto level = Lanes::select(extreme.nothing, lowest, Lanes::load(rows[i].level.data()));
    Lanes::store(&fits.level[i * kSignedBlocks + first], level);
  }
}

template <typename Lanes>
Fits fit_super_block(const float* weights) noexcept {
  Rows<Lanes> rows;
  Fits fits;
  for (size_t first = 0; first < kSignedBlocks; first += Lanes::kWidth) {
    interleave<Lanes>(weights + first * kSignedWeights, rows, &Row<Lanes>::value);
    search_levels<Lanes>(rows, fits, first);
  }
  return fits;
}

struct Q3K {
  /// 256 weights: the levels' third bits (bit s of byte i is weight 32·s + i's) and their low two, four to a byte;
  /// sixteen 6-bit scales, which are stored with 32 added: scales j and j + 8 have their low four bits in byte j,
  /// scales j, j + 4, j + 8 and j + 12 their high two in byte 8 + j; f16 scale. weight ≈ scale · (sub-block scale − 32)
  /// · (level − 4).
  struct Block {
    std::array<uint8_t, kSuperBlock / 8> high_bits;
    std::array<uint8_t, kSuperBlock / 4> low_bits;
    std::array<uint8_t, 12> sub_scales;
    HalfBytes scale;
  };
  static_assert(sizeof(Block) == 110);

  static constexpr float kMeanSquares = 2.0F;

  static SignedFactors load_factors(const Block& block) noexcept {
    const float scale = load_half(block.scale);
    SignedFactors factors;
    for (size_t j = 0; j < kSignedBlocks; ++j) {
      const int low = block.sub_scales[j % 8] >> (j / 8 * 4) & 15;
      const int high = block.sub_scales[8 + j % 4] >> (j / 4 * 2) & 3;
      factors[j] = scale * static_cast<float>((low | high << 4) - 32);
    }
    return factors;
  }

  static void store_sub_scale(size_t j, int stored, Block& block) noexcept {
    uint8_t& low = block.sub_scales[j % 8];
    uint8_t& high = block.sub_scales[8 + j % 4];
    low = static_cast<uint8_t>(low | (stored & 15) << (j / 8 * 4));
    high = static_cast<uint8_t>(high | (stored >> 4) << (j / 4 * 2));
  }

  /// False if the scale is infinite in f16. A sub-block's scale wraps to a byte before it is clamped, as in llama.cpp.
  [[nodiscard]] static bool store_scales(const Fits& fits, Block& block) noexcept {
    block.sub_scales = {};
    const float top = extreme_scale(fits.scale);
    if (top == 0.0F) return store_half(block.scale, 0.0F);
    const float inv_scale = -32.0F / top;
    for (size_t j = 0; j < kSignedBlocks; ++j) {
      const auto scale = static_cast<int8_t>(nearest_integer(inv_scale * fits.scale[j]));
      store_sub_scale(j, std::clamp<int>(scale, -32, 31) + 32, block);
    }
    return store_half(block.scale, 1.0F / inv_scale);
  }

  /// The same with importance: false where a sum overflows f32, too.
  template <typename Lanes>
  [[nodiscard]] static bool store_counted_scales(const SignedFits& fits, Block& block) noexcept {
    if (!all_finite(fits.scale) || !all_finite(fits.count)) return false;
    std::array<uint8_t, kSignedBlocks> stored;
    const float scale = weighted::find_signed_levels<Lanes>({fits.scale, fits.count.data(), 32.0F}, stored.data());
    block.sub_scales = {};
    for (size_t j = 0; j < kSignedBlocks; ++j) store_sub_scale(j, stored[j], block);
    return std::isfinite(scale) && store_half(block.scale, scale);
  }

  /// Levels for the stored scales. Where one is 0, `searched` is asked, as by round_signed.
  template <typename Lanes, typename Searched>
  static void pack(const float* from, Searched searched, Block& block) noexcept {
    Levels levels;
    round_signed<Lanes, kLow, kHigh>(from, load_factors(block), searched, levels);
    pack_high_bit<Lanes, 2>(levels, block.high_bits.data());
    pack_two_bits<Lanes, 0>(levels, block.low_bits.data());
  }

  template <typename Lanes>
  static bool encode(const float* from, Block& block) noexcept {
    const Fits fits = fit_super_block<Lanes>(from);
    if (!store_scales(fits, block)) return false;
    const auto searched = [&](size_t i, size_t j) noexcept {
      return static_cast<uint8_t>(fits.level[i * kSignedBlocks + j] - (kMantissaOfZero + kLow));
    };
    pack<Lanes>(from, searched, block);
    return true;
  }

  template <typename Lanes>
  static bool encode_counted(const float* from, const float* counts, Block& block) noexcept {
    const SignedFits fits = fit_signed<Lanes>(from, counts, -kLow);
    if (!store_counted_scales<Lanes>(fits, block)) return false;
    const auto searched = [&](size_t i, size_t j) noexcept {
      return fits.level(from[j * kSignedWeights + i], j, -kLow);
    };
    pack<Lanes>(from, searched, block);
    return true;
  }

  struct BestRule {
    static constexpr int32_t kLow = k_quant::kLow;
    static constexpr int32_t kHigh = k_quant::kHigh;
    static constexpr bool kBothSigns = true;
    static constexpr int kSpreads = 6;
    static constexpr float kWidest = 2.7F;
    static constexpr float kSpreadStep = 0.35F;
    static constexpr int32_t kMost = 32;
    static constexpr int kScales = 16;
    static constexpr float kScaleStep = 0.5F;
  };

  template <typename Lanes>
  static bool find(const float* weights, const float* counts, bool is_uneven, Block& block) noexcept {
    best_k::SignedScales found;
    if (!best_k::SignedSearch<Lanes, BestRule>(weights, counts, is_uneven).find(found)) return false;
    block.sub_scales = {};
    for (size_t j = 0; j < kSignedBlocks; ++j) store_sub_scale(j, static_cast<int>(found.sub_scale[j]) + 32, block);
    if (!store_half(block.scale, found.scale)) return false;
    Levels levels;
    round_signed<Lanes, kLow, kHigh>(
        weights, load_factors(block), [](size_t, size_t) noexcept { return uint8_t{0}; }, levels);
    pack_high_bit<Lanes, 2>(levels, block.high_bits.data());
    pack_two_bits<Lanes, 0>(levels, block.low_bits.data());
    return true;
  }

  template <typename Lanes>
  static void decode(const Block& block, float* to) noexcept {
    Levels levels{};
    unpack_two_bits<Lanes, 0>(block.low_bits.data(), levels);
    unpack_high_bit<Lanes, 2>(block.high_bits.data(), levels);
    expand_signed<Lanes, kLow>(levels, load_factors(block), to);
  }
};

}  // namespace
}  // namespace k_quant

extern const Codec kQ3K;
constinit const Codec kQ3K =
    block_codec<k_quant::encode<k_quant::Q3K, WasmLanes>, k_quant::decode<k_quant::Q3K, WasmLanes>,
                k_quant::encode_weighted<k_quant::Q3K, WasmLanes>, best_k::encode<k_quant::Q3K, WasmLanes>>({
        .name = "Q3_K",
        .ggml_type = 11,
        .block_weights = k_quant::kSuperBlock,
        .block_bytes = sizeof(k_quant::Q3K::Block),
        .searches = true,
        .file_types = {{{"Q3_K_S", 11}, {"Q3_K_M", 12}, {"Q3_K_L", 13}}},
    });

extern const CodecReference kQ3KReference;
constinit const CodecReference kQ3KReference =
    block_reference<k_quant::encode<k_quant::Q3K, ScalarLanes>, k_quant::decode<k_quant::Q3K, ScalarLanes>,
                    k_quant::encode_weighted<k_quant::Q3K, ScalarLanes>, best_k::encode<k_quant::Q3K, ScalarLanes>>();

}  // namespace arrowquant
