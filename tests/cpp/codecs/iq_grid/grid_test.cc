#include "codecs/iq_grid/grid.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace arrowquant::iq {
namespace {

struct Case {
  std::string name;
  Grid& (*grid)() noexcept;
  GridShape shape;
  uint32_t distances;
  size_t points;
};

const std::array kCases = {
    Case{"IQ2_XXS", iq2_xxs_grid, kEightOfThree, 2, 256}, Case{"IQ2_XS", iq2_xs_grid, kEightOfThree, 2, 512},
    Case{"IQ2_S", iq2_s_grid, kEightOfThree, 1, 1024},    Case{"IQ1", iq1_grid, kEightOfThree, 3, 2048},
    Case{"IQ3_XXS", iq3_xxs_grid, kFourOfEight, 2, 256},  Case{"IQ3_S", iq3_s_grid, kFourOfEight, 3, 512},
};

uint32_t distance(const GridShape& shape, Key a, Key b) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < shape.dimensions; ++i) {
    const int mask = (1 << shape.bits) - 1;
    const int difference = (a >> i * shape.bits & mask) - (b >> i * shape.bits & mask);
    sum += static_cast<uint32_t>(difference * difference);
  }
  return sum;
}

/// By sorting everything.
std::vector<Key> plain_neighbours(const Case& one, const Grid& grid, Key key) {
  std::vector<std::tuple<uint32_t, size_t, Key>> all;
  std::set<uint32_t> distances;
  for (size_t i = 0; i < one.points; ++i) {
    const Key point = grid.key_of(i);
    all.emplace_back(distance(one.shape, key, point), i, point);
    distances.insert(std::get<0>(all.back()));
  }
  std::sort(all.begin(), all.end());
  const uint32_t last = *std::next(distances.begin(), one.distances - 1);
  std::vector<Key> found;
  for (const auto& [far, number, point] : all) {
    if (far <= last) found.push_back(point);
  }
  return found;
}

/// Some keys, spread over all; the shape has all of their levels.
std::vector<Key> some_keys(const GridShape& shape, size_t count, uint32_t seed) {
  std::vector<Key> keys(count);
  for (Key& key : keys) {
    uint32_t levels = 0;
    for (uint32_t i = 0; i < shape.dimensions; ++i) {
      seed = seed * 1664525U + 1013904223U;
      levels |= (seed >> 16) % shape.levels << i * shape.bits;
    }
    key = static_cast<Key>(levels);
  }
  return keys;
}

std::vector<Key> candidates_of(Grid& grid, Key key) {
  NeighbourRoom room;
  const auto keys = grid.candidates(key, room).keys;
  return {keys.begin(), keys.end()};
}

class Grids : public ::testing::TestWithParam<Case> {};

TEST_P(Grids, HaveTheirPointsInOrder) {
  Grid& grid = GetParam().grid();
  for (size_t i = 0; i < GetParam().points; ++i) {
    const Key key = grid.key_of(i);
    EXPECT_EQ(grid.number_of(key), i);
    NeighbourRoom room;
    EXPECT_TRUE(grid.candidates(key, room).on_grid);
    EXPECT_EQ(candidates_of(grid, key), std::vector<Key>{key});
    if (i > 0) {
      EXPECT_LT(grid.key_of(i - 1), key);
    }
  }
}

TEST_P(Grids, FindTheNeighboursThatSortingFinds) {
  Grid& grid = GetParam().grid();
  for (const Key key : some_keys(GetParam().shape, 24, 1)) {
    NeighbourRoom room;
    if (grid.candidates(key, room).on_grid) continue;
    const auto expected = plain_neighbours(GetParam(), grid, key);
    EXPECT_EQ(candidates_of(grid, key), expected) << key << ", first asked for";
    EXPECT_EQ(candidates_of(grid, key), expected) << key << ", known";
  }
}

// Without threads there is nobody to tell.
#if !defined(__wasm__) || defined(__wasm_atomics__)
TEST_P(Grids, TellSeveralThreadsTheSame) {
  Grid& grid = GetParam().grid();
  const auto keys = some_keys(GetParam().shape, 48, 2);
  std::array<std::vector<std::vector<Key>>, 3> found;
  std::vector<std::thread> threads;
  threads.reserve(found.size());
  for (auto& lists : found) {
    threads.emplace_back([&] {
      for (const Key key : keys) lists.push_back(candidates_of(grid, key));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(found[1], found[0]);
  EXPECT_EQ(found[2], found[0]);
}
#endif

INSTANTIATE_TEST_SUITE_P(, Grids, ::testing::ValuesIn(kCases), [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace arrowquant::iq
