#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "codecs/improved_blocks.h"
#include "codecs/k_quants/k_quant_levels.h"
#include "codecs/k_quants/k_quant_weighted.h"

/// What the searches of the most effort share: super-blocks one by one, each kept only where it loses less than the
/// bytes that less effort would write.
namespace arrowquant::best_k {

using k_quant::kSuperBlock;

/// How much each weight of a super-block counts.
using Counts = std::array<float, kSuperBlock>;

/// Importance in units of the largest, so that sums of it stay in the range of f32; ones without any. False where no
/// weight counts.
inline bool load_counts(const float* importance, Counts& counts) noexcept {
  counts.fill(1.0F);
  if (importance == nullptr) return true;
  const double most = *std::max_element(importance, importance + kSuperBlock);
  if (most <= 0.0) return false;
  for (size_t i = 0; i < kSuperBlock; ++i) counts[i] = static_cast<float>(double{importance[i]} / most);
  return true;
}

/// The block that loses least of what less effort writes and what `Format::find<Lanes>(weights, counts, is_uneven,
/// block)` does. It returns false where it found nothing.
template <typename Format, typename Lanes>
Status encode(std::span<const float> weights, const float* importance, std::span<uint8_t> bytes) noexcept {
  using Block = typename Format::Block;
  std::array<float, kSuperBlock> decoded;
  Counts counts;
  const auto error_of = [&](const Block& block, const float* from, const float* columns) noexcept {
    Format::template decode<Lanes>(block, decoded.data());
    return squared_error<Lanes>(from, decoded.data(), columns == nullptr ? kOnes.data() : columns, kSuperBlock);
  };
  for (size_t i = 0; i < weights.size() / kSuperBlock; ++i) {
    const auto from = weights.subspan(i * kSuperBlock, kSuperBlock);
    const auto to = bytes.subspan(i * sizeof(Block), sizeof(Block));
    const float* counted = importance == nullptr ? nullptr : importance + i * kSuperBlock;
    const Status status = counted == nullptr ? k_quant::encode<Format, Lanes>(from, to)
                                             : k_quant::encode_weighted<Format, Lanes>(from, counted, to);
    if (!status.ok()) return status.offset_by(i * kSuperBlock);
    Block found;
    if (!load_counts(counted, counts) ||
        !Format::template find<Lanes>(from.data(), counts.data(), counted != nullptr, found))
      continue;
    auto& block = *reinterpret_cast<Block*>(to.data());
    if (error_of(found, from.data(), counted) < kLess * error_of(block, from.data(), counted)) block = found;
  }
  return {};
}

}  // namespace arrowquant::best_k
