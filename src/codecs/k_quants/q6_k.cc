#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "codecs/block_codec.h"
#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/k_quants/k_quant_packing.h"
#include "codecs/k_quants/k_quant_signed.h"
#include "simd/lanes_pair.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace k_quant {
namespace {

constexpr int32_t kLow = -32;
constexpr int32_t kHigh = 31;

/// What the search found. Its own levels are nearest_integer(level_scale · weight), or all the lowest where
/// level_scale is 0; they are used only where the stored scale becomes 0.
struct Fits {
  alignas(16) std::array<float, kSignedBlocks> scale;
  alignas(16) std::array<float, kSignedBlocks> level_scale;
};

/// A weight of each sub-block with its square and its cube, by which the sums weigh it.
template <typename Lanes>
struct Row {
  alignas(16) std::array<float, Lanes::kWidth> value;
  alignas(16) std::array<float, Lanes::kWidth> square;
  alignas(16) std::array<float, Lanes::kWidth> cube;
};

template <typename Lanes>
using Rows = std::array<Row<Lanes>, kSignedWeights>;

template <typename Lanes>
struct Sums {
  typename Lanes::F32 product;
  typename Lanes::F32 level_squared;
};

/// |level_scale · value| is at most 33, so that the rounding needs no check.
template <typename Lanes>
Sums<Lanes> sum_levels(const Rows<Lanes>& rows, typename Lanes::F32 level_scale) noexcept {
  Sums<Lanes> sums{Lanes::splat(0.0F), Lanes::splat(0.0F)};
  for (const Row<Lanes>& row : rows) {
    const auto level = nearest_level<Lanes, false>(Lanes::mul(level_scale, Lanes::load(row.value.data())),
                                                   Lanes::splat(float{kLow}), Lanes::splat(float{kHigh}));
    const auto weighted = Lanes::mul(Lanes::load(row.square.data()), level);
    sums.product = Lanes::add(sums.product, Lanes::mul(Lanes::load(row.cube.data()), level));
    sums.level_squared = Lanes::add(sums.level_squared, Lanes::mul(weighted, level));
  }
  return sums;
}

/// llama.cpp's `make_qx_quants` with squared weights: spreads the levels over the extreme value, then tries 18 other
/// spreads, and keeps the one whose least-squares scale explains most.
template <typename Lanes>
void search_scale(const Rows<Lanes>& rows, Fits& fits, size_t first) noexcept {
  const auto zero = Lanes::splat(0.0F);
  const auto extreme = find_extreme<Lanes>(rows);
  auto level_scale = Lanes::div(Lanes::splat(float{kLow}), extreme.value);
  const auto start = sum_levels<Lanes>(rows, level_scale);
  auto scale =
      Lanes::select(Lanes::ne(start.level_squared, zero), Lanes::div(start.product, start.level_squared), zero);
  auto best = Lanes::mul(scale, start.product);
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const float top = -(32.0F + 0.1F * static_cast<float>(step));
    const auto candidate = Lanes::div(Lanes::splat(top), extreme.value);
    const auto sums = sum_levels<Lanes>(rows, candidate);
    const auto more = Lanes::gt(Lanes::mul(sums.product, sums.product), Lanes::mul(best, sums.level_squared));
    const auto better = Lanes::mask_and(Lanes::gt(sums.level_squared, zero), more);
    const auto candidate_scale = Lanes::div(sums.product, sums.level_squared);
    scale = Lanes::select(better, candidate_scale, scale);
    best = Lanes::select(better, Lanes::mul(candidate_scale, sums.product), best);
    level_scale = Lanes::select(better, candidate, level_scale);
  }
  Lanes::store(&fits.scale[first], Lanes::select(extreme.nothing, zero, scale));
  Lanes::store(&fits.level_scale[first], Lanes::select(extreme.nothing, zero, level_scale));
}

template <typename Lanes>
Fits fit_super_block(const float* weights) noexcept {
  using Wide = PairLanes<Lanes>;
  Rows<Wide> rows;
  Fits fits;
  for (size_t first = 0; first < kSignedBlocks; first += Wide::kWidth) {
    interleave<Lanes>(weights + first * kSignedWeights, rows, &Row<Wide>::value);
    for (Row<Wide>& row : rows) {
      const auto value = Wide::load(row.value.data());
      const auto square = Wide::mul(value, value);
      Wide::store(row.square.data(), square);
      Wide::store(row.cube.data(), Wide::mul(square, value));
    }
    search_scale<Wide>(rows, fits, first);
  }
  return fits;
}

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

  static SignedFactors load_factors(const Block& block) noexcept {
    const float scale = load_half(block.scale);
    SignedFactors factors;
    for (size_t j = 0; j < kSignedBlocks; ++j) {
      factors[j] = scale * static_cast<float>(static_cast<int8_t>(block.sub_scales[j]));
    }
    return factors;
  }

  /// False if the scale is infinite in f16. What does not fit a sub-block's byte wraps, as it does in llama.cpp.
  [[nodiscard]] static bool store_scales(const Fits& fits, float top, Block& block) noexcept {
    const float inv_scale = -128.0F / top;
    for (size_t j = 0; j < kSignedBlocks; ++j) {
      block.sub_scales[j] = static_cast<uint8_t>(std::min(nearest_integer(inv_scale * fits.scale[j]), 127) & 0xFF);
    }
    return store_half(block.scale, 1.0F / inv_scale);
  }

  template <typename Lanes>
  static bool encode(const float* from, Block& block) noexcept {
    const Fits fits = fit_super_block<Lanes>(from);
    const float top = extreme_scale(fits.scale);
    if (std::fabs(top) < kNothing) {
      block = {};
      return true;
    }
    if (!store_scales(fits, top, block)) return false;
    const auto searched = [&](size_t i, size_t j) noexcept {
      const int32_t level = nearest_integer(fits.level_scale[j] * from[j * kSignedWeights + i]);
      return static_cast<uint8_t>(fits.level_scale[j] == 0.0F ? 0 : std::clamp(level, kLow, kHigh) - kLow);
    };
    Levels levels;
    round_signed<Lanes, kLow, kHigh>(from, load_factors(block), searched, levels);
    pack_nibbles<Lanes, 64>(levels, block.nibbles.data());
    pack_two_bits<Lanes, 4>(levels, block.high_bits.data());
    return true;
  }

  template <typename Lanes>
  static void decode(const Block& block, float* to) noexcept {
    Levels levels;
    unpack_nibbles<Lanes, 64>(block.nibbles.data(), levels);
    unpack_two_bits<Lanes, 4>(block.high_bits.data(), levels);
    expand_signed<Lanes, kLow>(levels, load_factors(block), to);
  }
};

}  // namespace
}  // namespace k_quant

extern const Codec kQ6K;
constinit const Codec kQ6K =
    block_codec<k_quant::encode<k_quant::Q6K, WasmLanes>, k_quant::decode<k_quant::Q6K, WasmLanes>>({
        .name = "Q6_K",
        .ggml_type = 14,
        .block_weights = k_quant::kSuperBlock,
        .block_bytes = sizeof(k_quant::Q6K::Block),
        .searches = true,
        .file_types = {{{"Q6_K", 18}}},
    });

extern const CodecReference kQ6KReference;
constinit const CodecReference kQ6KReference =
    block_reference<k_quant::encode<k_quant::Q6K, ScalarLanes>, k_quant::decode<k_quant::Q6K, ScalarLanes>>();

}  // namespace arrowquant
