#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "codecs/blocks_of_32/blocks_of_32.h"
#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/weighted/min_search.h"
#include "codecs/weighted/signed_search.h"
#include "codecs/weighted/weigh.h"
#include "simd/lanes_pair.h"

/// Q4_0, Q4_1, Q5_0 and Q5_1 where it is known how much each column counts. Their levels are those of the search, with
/// the scale (and min) in f32.
namespace arrowquant::blocks_of_32 {

/// Blocks that are searched at once.
template <typename Lanes>
inline constexpr size_t kSearched = PairLanes<Lanes>::kWidth;

/// The scales and level scales of the blocks, and their mins.
template <typename Lanes>
struct Searched {
  alignas(16) std::array<float, kSearched<Lanes>> scale;
  alignas(16) std::array<float, kSearched<Lanes>> level_scale;
  alignas(16) std::array<float, kSearched<Lanes>> min;
  alignas(16) std::array<float, kSearched<Lanes>> level_min;
};

/// Codecs share the function: it is not inlined.
template <typename Lanes>
[[gnu::noinline]] void search_signed(const float* weights, const float* counts, int half,
                                     Searched<Lanes>& found) noexcept {
  using Wide = PairLanes<Lanes>;
  using Row = weighted::SignedRow<Wide>;
  std::array<Row, kWeights> rows;
  k_quant::interleave<Lanes>(weights, rows, &Row::value);
  k_quant::interleave<Lanes>(counts, rows, &Row::count);
  for (Row& row : rows) {
    Wide::store(row.product.data(), Wide::mul(Wide::load(row.count.data()), Wide::load(row.value.data())));
  }
  const auto fit = weighted::search_signed_scale<Wide>(rows, static_cast<float>(half));
  Wide::store(found.scale.data(), fit.scale);
  Wide::store(found.level_scale.data(), fit.level_scale);
}

/// Codecs share the function: it is not inlined.
template <typename Lanes>
[[gnu::noinline]] void search_min(const float* weights, const float* counts, int max_level,
                                  Searched<Lanes>& found) noexcept {
  using Wide = PairLanes<Lanes>;
  using Row = weighted::MinRow<Wide>;
  std::array<Row, kWeights> rows;
  k_quant::interleave<Lanes>(weights, rows, &Row::value);
  k_quant::interleave<Lanes>(counts, rows, &Row::count);
  const auto fit = weighted::search_scale_and_min<Wide, false>(rows, weighted::counted_search(max_level));
  Wide::store(found.scale.data(), fit.scale);
  Wide::store(found.level_scale.data(), fit.level_scale);
  Wide::store(found.min.data(), Wide::neg(fit.min));
  Wide::store(found.level_min.data(), fit.level_min);
}

/// The f16 of a number becomes the block's `member`. False if it is infinite or NaN.
template <typename Block>
[[nodiscard]] bool store_number(Block& block, HalfMember<Block> member, float value) noexcept {
  return all_fit<ScalarLanes>(store_halves<ScalarLanes>(&block, member, value));
}

/// Encodes `count` blocks, at most kSearched, with levels −kHalf…kHalf − 1; 0 for all of a block of zeros. Returns how
/// many it has encoded before it must refuse one.
template <typename Format, typename Lanes>
size_t encode_signed(const float* from, const float* counts, size_t count, typename Format::Block* blocks) noexcept {
  using F32 = typename Lanes::F32;
  constexpr float kHalf = Format::kHalf;
  Searched<Lanes> found;
  search_signed<Lanes>(from, counts, Format::kHalf, found);
  for (size_t r = 0; r < count; ++r) {
    if (!store_number(blocks[r], &Format::Block::scale, found.scale[r])) return r;
    const F32 level_scale = Lanes::splat(found.level_scale[r]);
    const F32 offset = Lanes::splat(found.level_scale[r] == 0.0F ? 0.0F : kHalf);
    Format::template put<Lanes>(
        [&](size_t i) noexcept {
          return to_bytes<Lanes>([&](size_t k) noexcept {
            const F32 spread = Lanes::mul(level_scale, Lanes::load(from + r * kWeights + i + k));
            const F32 level =
                k_quant::nearest_level<Lanes, false>(spread, Lanes::splat(-kHalf), Lanes::splat(kHalf - 1.0F));
            return Lanes::add(level, offset);
          });
        },
        blocks[r]);
  }
  return count;
}

/// The same with levels 0…kMaxLevel above a min.
template <typename Format, typename Lanes>
size_t encode_above_min(const float* from, const float* counts, size_t count, typename Format::Block* blocks) noexcept {
  using F32 = typename Lanes::F32;
  Searched<Lanes> found;
  search_min<Lanes>(from, counts, Format::kMaxLevel, found);
  for (size_t r = 0; r < count; ++r) {
    if (!store_number(blocks[r], &Format::Block::scale, found.scale[r])) return r;
    if (!store_number(blocks[r], &Format::Block::min, found.min[r])) return r;
    const F32 level_scale = Lanes::splat(found.level_scale[r]);
    const F32 level_min = Lanes::splat(found.level_min[r]);
    Format::template put<Lanes>(
        [&](size_t i) noexcept {
          return to_bytes<Lanes>([&](size_t k) noexcept {
            const F32 above = Lanes::sub(Lanes::load(from + r * kWeights + i + k), level_min);
            return k_quant::nearest_level<Lanes, true>(Lanes::mul(level_scale, above), Lanes::splat(0.0F),
                                                       Lanes::splat(float{Format::kMaxLevel}));
          });
        },
        blocks[r]);
  }
  return count;
}

/// Runs `Format::encode_counted<Lanes>(from, counts, count, blocks)` over the blocks of a row, kSearched at a time, the
/// last ones filled up with zeros. What a weight counts depends on all of the row.
template <typename Format, typename Lanes>
Status encode_weighted(std::span<const float> row, const float* importance, std::span<uint8_t> bytes) noexcept {
  constexpr size_t kGroup = kSearched<Lanes> * kWeights;
  auto* blocks = reinterpret_cast<typename Format::Block*>(bytes.data());
  const float sum = weighted::sum_squares(row);
  if (!std::isfinite(sum)) {
    const auto* bad = std::find_if(row.data(), row.data() + row.size(), [](float x) { return !std::isfinite(x); });
    if (bad != row.data() + row.size()) return {StatusCode::kNotFinite, static_cast<size_t>(bad - row.data())};
  }
  const float mean = sum / static_cast<float>(row.size());
  alignas(16) std::array<float, kGroup> padded{};
  alignas(16) std::array<float, kGroup> counts{};
  for (size_t at = 0; at < row.size(); at += kGroup) {
    const auto group = row.subspan(at, std::min(kGroup, row.size() - at));
    weighted::weigh<Lanes>(group, importance == nullptr ? nullptr : importance + at, mean, counts.data());
    const float* from = group.data();
    if (group.size() < kGroup) {
      std::copy(group.begin(), group.end(), padded.begin());
      from = padded.data();
    }
    const size_t count = group.size() / kWeights;
    const size_t encoded = Format::template encode_counted<Lanes>(from, counts.data(), count, blocks + at / kWeights);
    if (encoded < count) return {StatusCode::kScaleOverflow, at + encoded * kWeights};
  }
  return {};
}

}  // namespace arrowquant::blocks_of_32
