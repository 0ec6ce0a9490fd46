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

constexpr size_t kSubBlock = 16;
constexpr size_t kSubBlocks = kSuperBlock / kSubBlock;
constexpr size_t kGroups = kSubBlock / kGroup;
/// Sub-blocks with no magnitude as large get the scale 0.
constexpr float kSmallest = 1e-7F;

/// Sums over those of the first weights in ascending order that belong to one of the groups, with room for lanes behind
/// the last.
using Prefixes = std::array<std::array<float, kSubBlock + 4>, kGroups>;

/// Bit 0 of a way says whether the second group is lowered, bit 1 whether the first is.
constexpr bool is_lowered(int32_t way, size_t group) noexcept { return (way >> (1 - group) & 1) != 0; }
constexpr const Values& values_of(int32_t way, size_t group) noexcept {
  return is_lowered(way, group) ? kLowered : kRaised;
}

/// What the squares of the values of one level have over those of the next.
constexpr float step(const Values& values, size_t level) noexcept {
  return values[level] * values[level] - values[level + 1] * values[level + 1];
}

struct Iq1M {
  /// 256 weights in 16 sub-blocks of 16: the low eight bits of the points of 32 groups of 8 weights; for each of them
  /// three bits more, and whether its values are lowered, a group in half a byte; four numbers of 16 bits with the
  /// sub-blocks' scales s, of three bits each, and in the highest four bits a quarter of the f16 scale d, its lowest
  /// first. weight ≈ d · (2·s + 1) · value of the level.
  struct Block {
    std::array<uint8_t, kSuperBlock / kGroup> points_low;
    std::array<uint8_t, kSubBlocks> rest;
    std::array<std::array<uint8_t, 2>, kSubBlocks / 4> scales;
  };
  static_assert(sizeof(Block) == 56);

  struct Fits {
    std::array<float, kSubBlocks> scale{};
    std::array<int32_t, kSubBlocks> way{};
    alignas(16) std::array<float, kSuperBlock> counts;
  };

  /// Without importance a weight x counts x².
  template <typename L>
  static bool encode(iq::Grid& grid, const float* from, const float* importance, Block& block) noexcept {
    const float spread = spread_of(from);
    if (!(spread < std::numeric_limits<float>::infinity())) return false;
    Fits fits;
    if (importance != nullptr) {
      weighted::weigh<L>({from, kSuperBlock}, importance, spread, fits.counts.data());
    } else {
      for (size_t i = 0; i < kSuperBlock; ++i) fits.counts[i] = from[i] * from[i];
    }
    float largest = 0.0F;
    for (size_t s = 0; s < kSubBlocks; ++s) {
      if (!fit<L>(grid, from, s, fits, block)) return false;
      largest = fits.scale[s] > largest ? fits.scale[s] : largest;
    }
    return largest == 0.0F || store_scales(grid, from, fits, largest / 15.0F, block);
  }

  /// Finds the points of sub-block `s`, and its scale, by the split of its sorted weights into three levels that
  /// explains most of them.
  template <typename L>
  static bool fit(iq::Grid& grid, const float* super_block, size_t s, Fits& fits, Block& block) noexcept {
    const float* from = super_block + s * kSubBlock;
    const float* counts = &fits.counts[s * kSubBlock];
    float largest = 0.0F;
    for (size_t i = 0; i < kSubBlock; ++i) largest = std::fabs(from[i]) > largest ? std::fabs(from[i]) : largest;
    if (largest < kSmallest) return true;
    const auto ranks = rank<L, kSubBlock>(from);
    const Split split = find_split<L>(from, counts, ranks);
    if (split.way < 0) return is_nothing(from, {counts, kSubBlock});
    const bool is_turned = split.scale < 0.0F;
    fits.way[s] = is_turned ? 3 - split.way : split.way;
    fits.scale[s] = std::fabs(split.scale);
    std::array<Group, kGroups> groups;
    std::array<iq::Key, kGroups> keys;
    for (size_t k = 0; k < kGroups; ++k) {
      groups[k] = {from + k * kGroup, counts + k * kGroup, &values_of(fits.way[s], k)};
      keys[k] = key_of(&ranks[k * kGroup], split, is_turned);
    }
    if (!fit_to_grid<L>(grid, groups, fits.scale[s], keys.data())) return false;
    for (size_t k = 0; k < kGroups; ++k) {
      const uint32_t point = grid.number_of(keys[k]);
      block.points_low[s * kGroups + k] = static_cast<uint8_t>(point);
      block.rest[s] = static_cast<uint8_t>(block.rest[s] | point >> 8 << 4 * k);
    }
    return true;
  }

  /// What the groups of a split add to the sums. Where a level begins its value is one higher, so that all of them are
  /// sums over the weights before the two places, and of all.
  struct Parts {
    Prefixes sum_x{};
    Prefixes sum_w{};
    /// By group and whether it is lowered.
    std::array<std::array<float, 2>, kGroups> all_x;
    std::array<std::array<float, 2>, kGroups> all_w;
    std::array<Prefixes, 2> second_w;
  };

  /// Tries every split, with raised and with lowered values of both groups.
  template <typename L>
  static Split find_split(const float* from, const float* counts,
                          const std::array<int32_t, kSubBlock>& ranks) noexcept {
    const Parts parts = prepare(from, counts, ranks);
    const auto row_of = [&](size_t first) noexcept {
      std::array<typename L::F32, kGroups> before;
      std::array<std::array<typename L::F32, 2>, kGroups> first_w;
      for (size_t k = 0; k < kGroups; ++k) {
        before[k] = L::splat(parts.sum_x[k][first]);
        for (size_t lowered = 0; lowered < 2; ++lowered) {
          const Values& values = lowered == 0 ? kRaised : kLowered;
          first_w[k][lowered] = L::splat(parts.all_w[k][lowered] + parts.sum_w[k][first] * step(values, 0));
        }
      }
      return [=, &parts](Split& split, size_t second) noexcept {
        std::array<std::array<typename L::F32, 2>, kGroups> x;
        std::array<std::array<typename L::F32, 2>, kGroups> w;
        for (size_t k = 0; k < kGroups; ++k) {
          const auto both = L::add(before[k], L::load(&parts.sum_x[k][second]));
          for (size_t lowered = 0; lowered < 2; ++lowered) {
            x[k][lowered] = L::sub(L::splat(parts.all_x[k][lowered]), both);
            w[k][lowered] = L::add(first_w[k][lowered], L::load(&parts.second_w[lowered][k][second]));
          }
        }
        const auto ways = [](const auto& sums) noexcept {
          return std::array{L::add(sums[0][0], sums[1][0]), L::add(sums[0][0], sums[1][1]),
                            L::add(sums[0][1], sums[1][0]), L::add(sums[0][1], sums[1][1])};
        };
        challenge<L, 4>(split, ways(x), ways(w), first, second);
      };
    };
    return search_splits<L, kSubBlock>(row_of);
  }

  static Parts prepare(const float* from, const float* counts, const std::array<int32_t, kSubBlock>& ranks) noexcept {
    std::array<size_t, kSubBlock> order;
    for (size_t i = 0; i < kSubBlock; ++i) order[static_cast<size_t>(ranks[i])] = i;
    Parts parts;
    for (size_t k = 0; k < kGroups; ++k) {
      auto& sum_x = parts.sum_x[k];
      auto& sum_w = parts.sum_w[k];
      for (size_t j = 0; j < kSubBlock; ++j) {
        const size_t i = order[j];
        const bool is_own = i / kGroup == k;
        sum_x[j + 1] = is_own ? sum_x[j] + counts[i] * from[i] : sum_x[j];
        sum_w[j + 1] = is_own ? sum_w[j] + counts[i] : sum_w[j];
      }
      for (size_t lowered = 0; lowered < 2; ++lowered) {
        const Values& values = lowered == 0 ? kRaised : kLowered;
        parts.all_x[k][lowered] = sum_x[kSubBlock] * values[2];
        parts.all_w[k][lowered] = sum_w[kSubBlock] * values[2] * values[2];
        // Behind the last place nothing has a chance.
        parts.second_w[lowered][k].fill(std::numeric_limits<float>::quiet_NaN());
        for (size_t j = 0; j <= kSubBlock; ++j) parts.second_w[lowered][k][j] = sum_w[j] * step(values, 1);
      }
    }
    return parts;
  }

  /// Rounds the sub-blocks' scales, and finds the super-block's by least squares. False where f16 cannot hold that.
  static bool store_scales(const iq::Grid& grid, const float* from, const Fits& fits, float scale,
                           Block& block) noexcept {
    const float inv_scale = 1.0F / scale;
    FitSums sums;
    std::array<uint32_t, kSubBlocks / 4> packed{};
    for (size_t s = 0; s < kSubBlocks; ++s) {
      const int32_t code = code_of(inv_scale * fits.scale[s]);
      packed[s / 4] |= static_cast<uint32_t>(code) << 3 * (s % 4);
      for (size_t k = 0; k < kGroups; ++k) {
        const size_t i = s * kSubBlock + k * kGroup;
        sums.add({from + i, &fits.counts[i], &values_of(fits.way[s], k)}, grid.key_of(point_of(block, s, k)),
                 static_cast<float>(2 * code + 1));
        if (is_lowered(fits.way[s], k)) block.rest[s] = static_cast<uint8_t>(block.rest[s] | 8U << 4 * k);
      }
    }
    if (sums.square > 0.0F) scale = sums.product / sums.square;
    // The factor is ggml's.
    const uint16_t half = float_to_half(scale * 1.1125F);
    for (size_t i = 0; i < packed.size(); ++i) {
      store_u16(block.scales[i].data(), static_cast<uint16_t>(packed[i] | (half >> 4 * i & 15U) << 12));
    }
    return std::isfinite(half_to_float(half));
  }

  static uint32_t point_of(const Block& block, size_t s, size_t group) noexcept {
    return block.points_low[s * kGroups + group] | (block.rest[s] >> 4 * group & 7U) << 8;
  }

  template <typename L>
  static void decode(const iq::Grid& grid, const Block& block, float* to) noexcept {
    uint32_t half = 0;
    for (size_t i = 0; i < block.scales.size(); ++i) half |= (load_u16(block.scales[i].data()) >> 12 & 15U) << 4 * i;
    const float scale = half_to_float(static_cast<uint16_t>(half));
    for (size_t s = 0; s < kSubBlocks; ++s) {
      const uint32_t code = load_u16(block.scales[s / 4].data()) >> 3 * (s % 4) & 7U;
      const float own = scale * static_cast<float>(2 * code + 1);
      for (size_t k = 0; k < kGroups; ++k) {
        const Values& values = (block.rest[s] >> 4 * k & 8) != 0 ? kLowered : kRaised;
        expand<L>(grid.key_of(point_of(block, s, k)), values, own, to + s * kSubBlock + k * kGroup);
      }
    }
  }
};

template <typename L>
constexpr EncodeBlocks kEncodeIq1M = encode_super_blocks<Iq1M, L, false>;
template <typename L>
constexpr SearchBlocks kWeighIq1M = encode_super_blocks<Iq1M, L, true>;
template <typename L>
constexpr DecodeBlocks kDecodeIq1M = decode_super_blocks<Iq1M, L>;

}  // namespace
}  // namespace iq1

extern const Codec kIq1M;
constinit const Codec kIq1M =
    block_codec<iq1::kEncodeIq1M<WasmLanes>, iq1::kDecodeIq1M<WasmLanes>, iq1::kWeighIq1M<WasmLanes>>({
        .name = "IQ1_M",
        .ggml_type = 29,
        .block_weights = iq1::kSuperBlock,
        .block_bytes = sizeof(iq1::Iq1M::Block),
        .searches = true,
        .file_types = {{{"IQ1_M", 31}}},
    });

extern const CodecReference kIq1MReference;
constinit const CodecReference kIq1MReference =
    block_reference<iq1::kEncodeIq1M<ScalarLanes>, iq1::kDecodeIq1M<ScalarLanes>, iq1::kWeighIq1M<ScalarLanes>>();

}  // namespace arrowquant
