#include "codecs/iq1/iq1.h"

#include <algorithm>
#include <array>
#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/k_quants/k_quant_levels.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant::iq1 {
namespace {

constexpr uint32_t kHalfKeys = 256;
constexpr uint32_t kHalfGroup = kGroup / 2;

/// Errors of the levels of each weight, which are added up in order.
using Terms = std::array<std::array<float, kGroup>, 4>;

template <typename L>
Terms make_terms(const Group& group, float scale) noexcept {
  Terms terms;
  for (size_t i = 0; i < kGroup; i += L::kWidth) {
    for (size_t level = 0; level < 3; ++level) {
      const auto difference = L::sub(L::splat(scale * (*group.values)[level]), L::load(group.weights + i));
      L::store(&terms[level][i], L::mul(L::mul(L::load(group.counts + i), difference), difference));
    }
  }
  return terms;
}

/// By the lower half of a key the sums of the first four terms, and what these are at least with the other four.
struct HalfSums {
  std::array<float, kHalfKeys> first;
  std::array<float, kHalfKeys> least;
};

template <typename L>
HalfSums add_first_terms(const Terms& terms) noexcept {
  HalfSums sums;
  std::array<typename L::F32, kHalfGroup> others;
  for (size_t i = 0; i < kHalfGroup; ++i) {
    const size_t at = kHalfGroup + i;
    others[i] = L::splat(std::min(std::min(terms[0][at], terms[1][at]), terms[2][at]));
  }
  const std::array<float, 4> first = {terms[0][0], terms[1][0], terms[2][0], 0.0F};
  for (size_t at = 0; at < 4; at += L::kWidth) {
    for (size_t b = 0; b < 3; ++b) {
      const auto two = L::add(L::load(&first[at]), L::splat(terms[b][1]));
      for (size_t c = 0; c < 3; ++c) {
        const auto three = L::add(two, L::splat(terms[c][2]));
        for (size_t d = 0; d < 3; ++d) {
          auto sum = L::add(three, L::splat(terms[d][3]));
          const size_t key = at | b << 2 | c << 4 | d << 6;
          L::store(&sums.first[key], sum);
          for (const auto other : others) sum = L::add(sum, other);
          L::store(&sums.least[key], sum);
        }
      }
    }
  }
  return sums;
}

/// Replaces a key that is not on the grid by the neighbour with the least error at this scale, the first of them. False
/// where none has a finite one: there ggml reads what does not belong to the group.
template <typename L>
bool move_to_grid(iq::Grid& grid, const Group& group, float scale, iq::Key& key, bool& was_on_grid) noexcept {
  iq::NeighbourRoom room;
  const iq::Key own = key;
  const auto [keys, on_grid] = grid.candidates(own, room);
  was_on_grid = on_grid;
  if (on_grid) return true;
  const Terms terms = make_terms<L>(group, scale);
  const HalfSums sums = add_first_terms<L>(terms);
  float least = FLT_MAX;
  for (const iq::Key candidate : keys) {
    // Sums are rounded in the same order, so that they are no smaller than with smaller terms.
    if (sums.least[candidate & 0xFF] >= least) continue;
    float error = sums.first[candidate & 0xFF];
    for (uint32_t i = kHalfGroup; i < kGroup; ++i) error += terms[candidate >> 2 * i & 3][i];
    if (!(error < least)) continue;
    least = error;
    key = candidate;
  }
  return least < FLT_MAX;
}

}  // namespace

template <typename L>
bool fit_to_grid(iq::Grid& grid, std::span<const Group> groups, float& scale, iq::Key* keys) noexcept {
  bool all_were = true;
  for (size_t k = 0; k < groups.size(); ++k) {
    bool was_on_grid = true;
    if (!move_to_grid<L>(grid, groups[k], scale, keys[k], was_on_grid)) return false;
    all_were = all_were && was_on_grid;
  }
  if (!all_were) {
    FitSums sums;
    for (size_t k = 0; k < groups.size(); ++k) sums.add(groups[k], keys[k], 1.0F);
    if (sums.product > 0.0F && sums.square > 0.0F) scale = sums.product / sums.square;
  }
  return scale >= 0.0F;
}

template bool fit_to_grid<ScalarLanes>(iq::Grid&, std::span<const Group>, float&, iq::Key*) noexcept;
template bool fit_to_grid<WasmLanes>(iq::Grid&, std::span<const Group>, float&, iq::Key*) noexcept;

void FitSums::add(const Group& group, iq::Key key, float factor) noexcept {
  for (size_t i = 0; i < kGroup; ++i) {
    const float value = (*group.values)[key >> 2 * i & 3] * factor;
    const float weighed = group.counts[i] * value;
    product += weighed * group.weights[i];
    square += weighed * value;
  }
}

int32_t code_of(float ratio) noexcept { return std::clamp(k_quant::nearest_integer(0.5F * (ratio - 1.0F)), 0, 7); }

}  // namespace arrowquant::iq1
