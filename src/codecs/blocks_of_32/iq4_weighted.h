#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "codecs/blocks_of_32/blocks_of_32.h"
#include "codecs/weighted/weigh.h"
#include "simd/lanes_scalar.h"

/// IQ4_NL and IQ4_XS where it is known how much each column counts.
namespace arrowquant::blocks_of_32 {

/// Runs `Format::encode_counted<Lanes>(from, counts, blocks)` over blocks, kAtOnce in each call; it returns false where
/// it must refuse one. Blocks that do not fill the lanes, and the exact place of a refusal, are left to the scalar
/// instance. `importance` may be nullptr: ones.
template <typename Format, typename Lanes, size_t kBlockWeights = kWeights, size_t kAtOnce = Lanes::kWidth>
Status encode_iq4_weighted(std::span<const float> weights, const float* importance, std::span<uint8_t> bytes) noexcept {
  auto* blocks = reinterpret_cast<typename Format::Block*>(bytes.data());
  const size_t count = weights.size() / kBlockWeights;
  alignas(16) std::array<float, kAtOnce * kBlockWeights> counts;
  alignas(16) std::array<float, Lanes::kWidth> sums{};
  size_t i = 0;
  for (; i + kAtOnce <= count; i += kAtOnce) {
    const size_t at = i * kBlockWeights;
    if (i % Lanes::kWidth == 0) {
      weighted::sum_squares_of_blocks<Lanes>(&weights[at], kBlockWeights, count - i, sums.data());
    }
    for (size_t k = 0; k < kAtOnce; ++k) {
      const size_t first = at + k * kBlockWeights;
      const float mean = sums[(i + k) % Lanes::kWidth] * (2.0F / float{kBlockWeights});
      weighted::weigh<Lanes>(weights.subspan(first, kBlockWeights),
                             importance == nullptr ? nullptr : importance + first, mean, &counts[k * kBlockWeights]);
    }
    if (!Format::template encode_counted<Lanes>(&weights[at], counts.data(), blocks + i)) break;
  }
  const size_t done = i * kBlockWeights;
  if (i == count) return {};
  if constexpr (kAtOnce == 1) {
    return refusal(weights.subspan(done, kBlockWeights)).offset_by(done);
  } else {
    const auto rest = encode_iq4_weighted<Format, ScalarLanes, kBlockWeights, 1>(
        weights.subspan(done), importance == nullptr ? nullptr : importance + done,
        bytes.subspan(i * sizeof(typename Format::Block)));
    return rest.ok() ? rest : rest.offset_by(done);
  }
}

}  // namespace arrowquant::blocks_of_32
