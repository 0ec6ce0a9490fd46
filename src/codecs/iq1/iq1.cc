#include "codecs/iq1/iq1.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <span>

namespace arrowquant::iq1 {
namespace {

constexpr uint32_t kHalfKeys = 256;
constexpr uint32_t kHalfGroup = kGroup / 2;

/// Errors of the levels of each weight, which are added up in order.
using Terms = std::array<std::array<float, 4>, kGroup>;

Terms make_terms(const Group& group, float scale) noexcept {
  Terms terms{};
  for (size_t i = 0; i < kGroup; ++i) {
    for (size_t level = 0; level < 3; ++level) {
      const float difference = scale * (*group.values)[level] - group.weights[i];
      terms[i][level] = group.counts[i] * difference * difference;
    }
  }
  return terms;
}

/// The sums of the first four terms, by the lower half of a key.
std::array<float, kHalfKeys> add_first_terms(const Terms& terms) noexcept {
  std::array<float, kHalfKeys> sums;
  for (uint32_t b = 0; b < 3; ++b) {
    for (uint32_t a = 0; a < 3; ++a) sums[a | b << 2] = terms[0][a] + terms[1][b];
  }
  for (uint32_t i = 2; i < kHalfGroup; ++i) {
    const uint32_t count = 1U << 2 * i;
    // The sums that are there become those of level 0 last: they are what the others are made of.
    for (uint32_t level = 3; level-- > 0;) {
      for (uint32_t low = 0; low < count; ++low) sums[low | level << 2 * i] = sums[low] + terms[i][level];
    }
  }
  return sums;
}

}  // namespace

bool move_to_grid(iq::Grid& grid, const Group& group, float scale, iq::Key& key, bool& was_on_grid) noexcept {
  iq::NeighbourRoom room;
  const iq::Key own = key;
  const auto [keys, on_grid] = grid.candidates(own, room);
  was_on_grid = on_grid;
  if (on_grid) return true;
  const Terms terms = make_terms(group, scale);
  const auto first_sums = add_first_terms(terms);
  float least = FLT_MAX;
  for (const iq::Key candidate : keys) {
    float error = first_sums[candidate & 0xFF];
    // The other terms make it no smaller.
    if (!(error < least)) continue;
    for (uint32_t i = kHalfGroup; i < kGroup; ++i) error += terms[i][candidate >> 2 * i & 3];
    if (!(error < least)) continue;
    least = error;
    key = candidate;
  }
  return least < FLT_MAX;
}

bool fit_to_grid(iq::Grid& grid, std::span<const Group> groups, float& scale, iq::Key* keys) noexcept {
  bool all_were = true;
  for (size_t k = 0; k < groups.size(); ++k) {
    bool was_on_grid = true;
    if (!move_to_grid(grid, groups[k], scale, keys[k], was_on_grid)) return false;
    all_were = all_were && was_on_grid;
  }
  if (!all_were) {
    FitSums sums;
    for (size_t k = 0; k < groups.size(); ++k) sums.add(groups[k], keys[k], 1.0F);
    if (sums.product > 0.0F && sums.square > 0.0F) scale = sums.product / sums.square;
  }
  return scale >= 0.0F;
}

void FitSums::add(const Group& group, iq::Key key, float factor) noexcept {
  for (size_t i = 0; i < kGroup; ++i) {
    const float value = (*group.values)[key >> 2 * i & 3] * factor;
    const float weighed = group.counts[i] * value;
    product += weighed * group.weights[i];
    square += weighed * value;
  }
}

int32_t code_of(float ratio) noexcept {
  // As ggml rounds: what is no number, or too large, loses its upper bits.
  const float sum = 0.5F * (ratio - 1.0F) + 12582912.0F;
  const auto nearest = static_cast<int32_t>(std::bit_cast<uint32_t>(sum) & 0x007FFFFF) - 0x00400000;
  return std::clamp(nearest, 0, 7);
}

}  // namespace arrowquant::iq1
