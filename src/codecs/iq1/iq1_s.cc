#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/bytes.h"
#include "base/half.h"
#include "codecs/block_codec.h"
#include "codecs/iq1/iq1.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace iq1 {
namespace {

constexpr size_t kSubBlock = 32;
constexpr size_t kSubBlocks = kSuperBlock / kSubBlock;
constexpr size_t kGroups = kSubBlock / kGroup;
/// Sub-blocks with no magnitude as large get the scale 0.
constexpr float kSmallest = 1e-12F;

/// Sums over the first weights in ascending order, with room for lanes behind the last.
using Prefixes = std::array<float, kSubBlock + 4>;

struct Iq1S {
  /// 256 weights in 8 sub-blocks of 32: f16 scale d; the low eight bits of the points of 32 groups of 8 weights; for
  /// each sub-block the upper three bits of its four points, its scale s of three bits, and whether its values are
  /// lowered. weight ≈ d · (2·s + 1) · value of the level.
  struct Block {
    std::array<uint8_t, 2> scale;
    std::array<uint8_t, kSuperBlock / kGroup> points_low;
    std::array<std::array<uint8_t, 2>, kSubBlocks> rest;
  };
  static_assert(sizeof(Block) == 50);

  struct Scales {
    std::array<float, kSubBlocks> scale{};
    std::array<bool, kSubBlocks> is_lowered{};
  };

  template <typename L>
  static bool encode(iq::Grid& grid, const float* from, const float* importance, Block& block) noexcept {
    const float spread = spread_of(from);
    if (!(spread < std::numeric_limits<float>::infinity())) return false;
    Scales scales;
    float largest = 0.0F;
    for (size_t s = 0; s < kSubBlocks; ++s) {
      alignas(16) std::array<float, kSubBlock> counts;
      weighted::weigh<L>({from + s * kSubBlock, kSubBlock}, importance + s * kSubBlock, spread, counts.data());
      if (!fit<L>(grid, from + s * kSubBlock, counts.data(), s, scales, block)) return false;
      largest = scales.scale[s] > largest ? scales.scale[s] : largest;
    }
    if (largest == 0.0F) return true;
    const float scale = largest / 15.0F;
    // The factor is ggml's.
    const uint16_t half = float_to_half(scale * 1.125F);
    store_u16(block.scale.data(), half);
    const float inv_scale = 1.0F / scale;
    for (size_t s = 0; s < kSubBlocks; ++s) {
      const int32_t code = code_of(inv_scale * scales.scale[s]) | (scales.is_lowered[s] ? 8 : 0);
      store_u16(block.rest[s].data(), static_cast<uint16_t>(load_u16(block.rest[s].data()) | code << 12));
    }
    return std::isfinite(half_to_float(half));
  }

  /// Finds the points of sub-block `s`, and its scale, by the split of its sorted weights into three levels that
  /// explains most of them.
  template <typename L>
  static bool fit(iq::Grid& grid, const float* from, const float* counts, size_t s, Scales& scales,
                  Block& block) noexcept {
    float largest = 0.0F;
    for (size_t i = 0; i < kSubBlock; ++i) largest = std::fabs(from[i]) > largest ? std::fabs(from[i]) : largest;
    if (largest < kSmallest) return true;
    const auto ranks = rank<L, kSubBlock>(from);
    const Split split = find_split<L>(from, counts, ranks);
    if (split.way < 0) return is_nothing(from, {counts, kSubBlock});
    const bool is_turned = split.scale < 0.0F;
    scales.is_lowered[s] = (split.way == 1) != is_turned;
    scales.scale[s] = std::fabs(split.scale);
    const Values& values = scales.is_lowered[s] ? kLowered : kRaised;
    std::array<Group, kGroups> groups;
    std::array<iq::Key, kGroups> keys;
    for (size_t k = 0; k < kGroups; ++k) {
      groups[k] = {from + k * kGroup, counts + k * kGroup, &values};
      keys[k] = key_of(&ranks[k * kGroup], split, is_turned);
    }
    if (!fit_to_grid<L>(grid, groups, scales.scale[s], keys.data())) return false;
    uint32_t high = 0;
    for (size_t k = 0; k < kGroups; ++k) {
      const uint32_t point = grid.number_of(keys[k]);
      block.points_low[s * kGroups + k] = static_cast<uint8_t>(point);
      high |= point >> 8 << 3 * k;
    }
    store_u16(block.rest[s].data(), static_cast<uint16_t>(high));
    return true;
  }

  /// Tries every split, with raised and with lowered values.
  template <typename L>
  static Split find_split(const float* from, const float* counts,
                          const std::array<int32_t, kSubBlock>& ranks) noexcept {
    Prefixes sum_x{};
    Prefixes sum_w{};
    add_up(from, counts, ranks, sum_x, sum_w);
    // What weights from the second place on add with the highest values; behind the last place nothing has a chance.
    std::array<Prefixes, 2> products{};
    std::array<Prefixes, 2> squares;
    for (size_t way = 0; way < 2; ++way) {
      const float value = way == 0 ? kRaised[2] : kLowered[2];
      squares[way].fill(std::numeric_limits<float>::quiet_NaN());
      for (size_t i = 0; i <= kSubBlock; ++i) {
        products[way][i] = (sum_x[kSubBlock] - sum_x[i]) * value;
        squares[way][i] = (sum_w[kSubBlock] - sum_w[i]) * value * value;
      }
    }
    const auto middle = L::splat(kRaised[1]);
    const auto row_of = [&](size_t first) noexcept {
      const auto before_x = L::splat(sum_x[first]);
      const auto before_w = L::splat(sum_w[first]);
      const auto raised_x = L::splat(sum_x[first] * kRaised[0]);
      const auto lowered_x = L::splat(sum_x[first] * kLowered[0]);
      const auto raised_w = L::splat(sum_w[first] * kRaised[0] * kRaised[0]);
      const auto lowered_w = L::splat(sum_w[first] * kLowered[0] * kLowered[0]);
      return [=, &sum_x, &sum_w, &products, &squares](Split& split, size_t second) noexcept {
        // The values in the middle are opposite to each other.
        const auto x = L::mul(L::sub(L::load(&sum_x[second]), before_x), middle);
        const auto w = L::mul(L::mul(L::sub(L::load(&sum_w[second]), before_w), middle), middle);
        challenge<L, 2>(split,
                        {L::add(L::add(raised_x, x), L::load(&products[0][second])),
                         L::add(L::sub(lowered_x, x), L::load(&products[1][second]))},
                        {L::add(L::add(raised_w, w), L::load(&squares[0][second])),
                         L::add(L::add(lowered_w, w), L::load(&squares[1][second]))},
                        first, second);
      };
    };
    return search_splits<L, kSubBlock>(row_of);
  }

  static void add_up(const float* from, const float* counts, const std::array<int32_t, kSubBlock>& ranks,
                     Prefixes& sum_x, Prefixes& sum_w) noexcept {
    std::array<size_t, kSubBlock> order;
    for (size_t i = 0; i < kSubBlock; ++i) order[static_cast<size_t>(ranks[i])] = i;
    for (size_t j = 0; j < kSubBlock; ++j) {
      const size_t i = order[j];
      sum_x[j + 1] = sum_x[j] + counts[i] * from[i];
      sum_w[j + 1] = sum_w[j] + counts[i];
    }
  }

  template <typename L>
  static void decode(const iq::Grid& grid, const Block& block, float* to) noexcept {
    const float scale = half_to_float(load_u16(block.scale.data()));
    for (size_t s = 0; s < kSubBlocks; ++s) {
      const uint32_t rest = load_u16(block.rest[s].data());
      const float own = scale * static_cast<float>(2 * (rest >> 12 & 7) + 1);
      const Values& values = (rest & 0x8000) != 0 ? kLowered : kRaised;
      for (size_t k = 0; k < kGroups; ++k) {
        const uint32_t point = block.points_low[s * kGroups + k] | (rest >> 3 * k & 7) << 8;
        expand<L>(grid.key_of(point), values, own, to + s * kSubBlock + k * kGroup);
      }
    }
  }
};

template <typename L>
constexpr SearchBlocks kEncodeIq1S = encode_super_blocks<Iq1S, L, true>;
template <typename L>
constexpr EncodeBlocks kEncodePlainIq1S = encode_super_blocks<Iq1S, L, true>;
template <typename L>
constexpr DecodeBlocks kDecodeIq1S = decode_super_blocks<Iq1S, L>;

}  // namespace
}  // namespace iq1

extern const Codec kIq1S;
constinit const Codec kIq1S =
    block_codec<iq1::kEncodePlainIq1S<WasmLanes>, iq1::kDecodeIq1S<WasmLanes>, iq1::kEncodeIq1S<WasmLanes>>({
        .name = "IQ1_S",
        .ggml_type = 19,
        .block_weights = iq1::kSuperBlock,
        .block_bytes = sizeof(iq1::Iq1S::Block),
        .searches = true,
        .file_types = {{{"IQ1_S", 24}}},
        .needs_importance = true,
    });

extern const CodecReference kIq1SReference;
constinit const CodecReference kIq1SReference =
    block_reference<iq1::kEncodePlainIq1S<ScalarLanes>, iq1::kDecodeIq1S<ScalarLanes>, iq1::kEncodeIq1S<ScalarLanes>>();

}  // namespace arrowquant
