#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "codecs/block_codec.h"
#include "codecs/blocks_of_32/blocks_of_32.h"

/// The search with the most effort for formats whose (sub-)blocks are 32 weights: it starts from what the codec's own
/// encoder writes, looks for a better block, and keeps it where the error, squared and weighed by importance, is less.
///
/// So whatever a block is refused for, and blocks that no search can help (zeros, scales that f16 cannot hold), are the
/// encoder's affair. A lane owns a block. Sums are f32 in index order: they only have to tell good blocks from better
/// ones, and what is kept is better by more than they can err.
namespace arrowquant::best {

using blocks_of_32::kWeights;

/// kWidth blocks side by side: lane r of row j is weight j of block r.
template <typename Lanes>
class Rows {
 public:
  [[nodiscard]] typename Lanes::F32 operator[](size_t row) const noexcept {
    return Lanes::load(&values_[row * Lanes::kWidth]);
  }
  void set(size_t row, typename Lanes::F32 value) noexcept { Lanes::store(&values_[row * Lanes::kWidth], value); }
  /// From blocks that lie one after the other.
  void load(const float* from) noexcept {
    for (size_t j = 0; j < kWeights; j += Lanes::kWidth) {
      const auto columns = Lanes::load_transposed(from + j, kWeights);
      for (size_t c = 0; c < Lanes::kWidth; ++c) set(j + c, columns[c]);
    }
  }

 private:
  alignas(16) std::array<float, kWeights * Lanes::kWidth> values_;
};

/// The weights of kWidth blocks and, with `kWeighs`, how much each counts.
template <typename Lanes, bool kWeighs>
struct Targets {
  Rows<Lanes> weights;
  Rows<Lanes> importance;

  /// Importance is divided by the largest of each block, which is returned, so that no sum overflows; where that is 0
  /// it becomes NaN, and every comparison of errors fails.
  typename Lanes::F32 load(const float* from, const float* column_importance) noexcept {
    weights.load(from);
    if constexpr (!kWeighs) {
      return Lanes::splat(1.0F);
    } else {
      importance.load(column_importance);
      auto most = importance[0];
      for (size_t j = 1; j < kWeights; ++j) most = Lanes::pmax(most, importance[j]);
      for (size_t j = 0; j < kWeights; ++j) importance.set(j, Lanes::div(importance[j], most));
      return most;
    }
  }
  /// `term` times what row `j` counts.
  [[nodiscard]] typename Lanes::F32 weigh(size_t j, typename Lanes::F32 term) const noexcept {
    if constexpr (kWeighs) return Lanes::mul(importance[j], term);
    return term;
  }
};

/// What kWidth blocks decode to.
template <typename Format, typename Lanes>
Rows<Lanes> decode_rows(const typename Format::Block* blocks) noexcept {
  std::array<float, Lanes::kWidth * kWeights> weights;
  for (size_t r = 0; r < Lanes::kWidth; ++r) Format::template decode<Lanes>(blocks[r], &weights[r * kWeights]);
  Rows<Lanes> rows;
  rows.load(weights.data());
  return rows;
}

/// Σ w·(x − decoded)².
template <typename Lanes, bool kWeighs>
typename Lanes::F32 distance(const Targets<Lanes, kWeighs>& targets, const Rows<Lanes>& decoded) noexcept {
  auto error = Lanes::splat(0.0F);
  for (size_t j = 0; j < kWeights; ++j) {
    const auto off = Lanes::sub(targets.weights[j], decoded[j]);
    error = Lanes::add(error, targets.weigh(j, Lanes::mul(off, off)));
  }
  return error;
}

/// Which candidates have less error than what is there, by more than f32 sums of 32 squares can err. Nothing is better
/// than squares that are, or nearly are, too small for f32.
template <typename Lanes>
typename Lanes::Mask is_better(typename Lanes::F32 candidate, typename Lanes::F32 present) noexcept {
  const auto less = Lanes::lt(candidate, Lanes::mul(present, Lanes::splat(1.0F - 0x1p-12F)));
  return Lanes::mask_and(less, Lanes::gt(present, Lanes::splat(0x1p-100F)));
}

/// The weight of largest magnitude of each block, with its sign.
template <typename Lanes>
typename Lanes::F32 signed_peak(const Rows<Lanes>& weights) noexcept {
  auto low = weights[0];
  auto high = low;
  for (size_t j = 1; j < kWeights; ++j) {
    low = Lanes::pmin(low, weights[j]);
    high = Lanes::pmax(high, weights[j]);
  }
  return Lanes::select(Lanes::gt(Lanes::neg(low), high), low, high);
}

/// The nearest f16, half to even; infinite where that overflows.
template <typename Lanes>
typename Lanes::F32 round_to_half(typename Lanes::F32 value) noexcept {
  return half_to_float<Lanes>(number_to_half<Lanes>(value));
}

/// Improves blocks that do not fill the lanes: beside them lie zeros, which nothing can improve.
template <typename Search, typename Lanes, bool kWeighs>
void improve_rest(std::span<const float> weights, const float* importance, typename Search::Block* blocks) noexcept {
  constexpr size_t kAtOnce = Search::template kAtOnce<Lanes>;
  std::array<float, kAtOnce * Search::kBlockWeights> from{};
  std::array<float, kAtOnce * Search::kBlockWeights> counts{};
  std::array<typename Search::Block, kAtOnce> improved{};
  const size_t count = weights.size() / Search::kBlockWeights;
  std::copy(weights.begin(), weights.end(), from.begin());
  if constexpr (kWeighs) std::copy(importance, importance + weights.size(), counts.begin());
  std::copy(blocks, blocks + count, improved.begin());
  Search::template improve<Lanes, kWeighs>(from.data(), counts.data(), improved.data());
  std::copy(improved.begin(), improved.begin() + static_cast<ptrdiff_t>(count), blocks);
}

template <typename Search, typename Lanes, bool kWeighs>
void improve(std::span<const float> weights, const float* importance, typename Search::Block* blocks) noexcept {
  constexpr size_t kAtOnce = Search::template kAtOnce<Lanes>;
  constexpr size_t kStep = kAtOnce * Search::kBlockWeights;
  size_t at = 0;
  for (; at + kStep <= weights.size(); at += kStep, blocks += kAtOnce) {
    Search::template improve<Lanes, kWeighs>(&weights[at], kWeighs ? importance + at : nullptr, blocks);
  }
  if (at < weights.size()) {
    improve_rest<Search, Lanes, kWeighs>(weights.subspan(at), kWeighs ? importance + at : nullptr, blocks);
  }
}

/// The kBest of a block codec: `kEncode` without importance, `kWeighted` with it (nullptr: none of it matters there),
/// and then each block improved by `Search::improve`, which takes kAtOnce of them.
template <typename Search, typename Lanes, EncodeBlocks kEncode, SearchBlocks kWeighted = nullptr>
Status encode(std::span<const float> weights, const float* importance, std::span<uint8_t> bytes) noexcept {
  Status status;
  if constexpr (kIsGiven<kWeighted>) {
    status = importance != nullptr ? kWeighted(weights, importance, bytes) : kEncode(weights, bytes);
  } else {
    status = kEncode(weights, bytes);
  }
  if (!status.ok()) return status;
  auto* blocks = reinterpret_cast<typename Search::Block*>(bytes.data());
  if (importance != nullptr) {
    improve<Search, Lanes, true>(weights, importance, blocks);
  } else {
    improve<Search, Lanes, false>(weights, nullptr, blocks);
  }
  return status;
}

}  // namespace arrowquant::best
