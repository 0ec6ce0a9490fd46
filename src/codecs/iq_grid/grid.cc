#include "codecs/iq_grid/grid.h"

#include <algorithm>

#include "codecs/iq_grid/grid_points.h"

namespace arrowquant::iq {
namespace {

/// More than the largest distance, 4 · 7².
constexpr size_t kDistances = 200;
/// Keys of half a group that have 8 bits or fewer.
constexpr size_t kHalfKeys = 256;

using HalfDistances = std::array<uint8_t, kHalfKeys>;

/// The distance of every half of a group from one, by its key.
HalfDistances half_distances(const GridShape& shape, uint32_t key) noexcept {
  HalfDistances distances{};
  const uint32_t values = 1U << shape.bits;
  uint32_t done = 1;
  for (uint32_t dimension = 0; dimension < shape.dimensions / 2; ++dimension) {
    const auto own = static_cast<int>(key >> dimension * shape.bits & (values - 1));
    for (uint32_t value = values; value-- > 0;) {
      const int difference = static_cast<int>(value) - own;
      const int squared = difference * difference;
      for (uint32_t rest = 0; rest < done; ++rest) {
        distances[value * done + rest] = static_cast<uint8_t>(distances[rest] + squared);
      }
    }
    done *= values;
  }
  return distances;
}

/// The last distance that counts, where `counts` points have each.
size_t last_distance(const std::array<uint16_t, kDistances>& counts, uint32_t wanted) noexcept {
  size_t last = 0;
  for (size_t distance = 0; distance < kDistances && wanted > 0; ++distance) {
    if (counts[distance] == 0) continue;
    last = distance;
    --wanted;
  }
  return last;
}

template <size_t kPoints, size_t kDenseKeys, size_t kNeighbours>
struct Storage {
  std::array<std::atomic<Key>, kPoints> keys;
  std::array<std::atomic<uint32_t>, kDenseKeys> states;
  std::array<Key, kNeighbours> lists;

  constexpr Grid::Memory memory() noexcept { return {keys, states, lists}; }
};

/// 3^8.
constexpr size_t kTernaryKeys = 6561;
/// 8^4.
constexpr size_t kOctalKeys = 4096;

}  // namespace

void Grid::expand() noexcept {
  // Whoever comes here at the same time stores the same numbers.
  const uint32_t values = shape_.levels;
  uint32_t number = 0;
  for (uint32_t dense_key = 0; dense_key < memory_.states.size(); ++dense_key) {
    if ((points_[dense_key / 64] >> dense_key % 64 & 1) == 0) continue;
    uint32_t key = 0;
    uint32_t rest = dense_key;
    for (uint32_t dimension = 0; dimension < shape_.dimensions; ++dimension, rest /= values) {
      key |= rest % values << dimension * shape_.bits;
    }
    memory_.keys[number].store(static_cast<Key>(key), std::memory_order_relaxed);
    memory_.states[dense_key].store(kOnGrid | number, std::memory_order_relaxed);
    ++number;
  }
  ready_.store(true, std::memory_order_release);
}

size_t Grid::collect_neighbours(Key key, NeighbourRoom& room) const noexcept {
  const uint32_t half_bits = shape_.dimensions * shape_.bits / 2;
  const uint32_t half_mask = (1U << half_bits) - 1;
  const HalfDistances low = half_distances(shape_, key & half_mask);
  const HalfDistances high = half_distances(shape_, key >> half_bits);
  const auto distance_of = [&](Key point) noexcept -> size_t {
    return size_t{low[point & half_mask]} + high[point >> half_bits];
  };
  std::array<uint16_t, kDistances> counts{};
  for (const auto& point : memory_.keys) ++counts[distance_of(point.load(std::memory_order_relaxed))];
  const size_t last = last_distance(counts, distances_);
  uint16_t total = 0;
  for (size_t distance = 0; distance <= last; ++distance) {
    const uint16_t count = counts[distance];
    counts[distance] = total;
    total = static_cast<uint16_t>(total + count);
  }
  for (const auto& point : memory_.keys) {
    const Key found = point.load(std::memory_order_relaxed);
    const size_t distance = distance_of(found);
    if (distance <= last) room[counts[distance]++] = found;
  }
  return total;
}

std::span<const Key> Grid::find_neighbours(Key key, std::atomic<uint32_t>& state, NeighbourRoom& room) noexcept {
  const size_t count = collect_neighbours(key, room);
  const std::span<const Key> found(room.data(), count);
  uint32_t unknown = 0;
  if (!state.compare_exchange_strong(unknown, kClaimed, std::memory_order_relaxed)) return found;
  const uint32_t offset = listed_.fetch_add(static_cast<uint32_t>(count), std::memory_order_relaxed);
  std::copy(found.begin(), found.end(), memory_.lists.begin() + offset);
  state.store(kListed | offset << kOffsetShift | static_cast<uint32_t>(count), std::memory_order_release);
  return found;
}

Grid& iq2_xxs_grid() noexcept {
  static constinit Storage<256, kTernaryKeys, 113157> storage{};
  static constinit Grid grid(kEightOfThree, 2, kIq2XxsPoints, storage.memory());
  grid.prepare();
  return grid;
}

Grid& iq2_xs_grid() noexcept {
  static constinit Storage<512, kTernaryKeys, 181721> storage{};
  static constinit Grid grid(kEightOfThree, 2, kIq2XsPoints, storage.memory());
  grid.prepare();
  return grid;
}

Grid& iq2_s_grid() noexcept {
  static constinit Storage<1024, kTernaryKeys, 44716> storage{};
  static constinit Grid grid(kEightOfThree, 1, kIq2SPoints, storage.memory());
  grid.prepare();
  return grid;
}

Grid& iq1_grid() noexcept {
  static constinit Storage<2048, kTernaryKeys, 327721> storage{};
  static constinit Grid grid(kEightOfThree, 3, kIq1Points, storage.memory());
  grid.prepare();
  return grid;
}

Grid& iq3_xxs_grid() noexcept {
  static constinit Storage<256, kOctalKeys, 18985> storage{};
  static constinit Grid grid(kFourOfEight, 2, kIq3XxsPoints, storage.memory());
  grid.prepare();
  return grid;
}

Grid& iq3_s_grid() noexcept {
  static constinit Storage<512, kOctalKeys, 24733> storage{};
  static constinit Grid grid(kFourOfEight, 3, kIq3SPoints, storage.memory());
  grid.prepare();
  return grid;
}

}  // namespace arrowquant::iq
