#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

/// The grids behind llama.cpp's IQ1, IQ2 and IQ3 types: the few combinations of levels that a group of weights may
/// have.
namespace arrowquant::iq {

/// What a grid's points are made of.
struct GridShape {
  uint32_t dimensions;  ///< levels of a point
  uint32_t bits;        ///< of a level in a key
  uint32_t levels;      ///< 0…levels − 1
};

inline constexpr GridShape kEightOfThree = {8, 2, 3};
inline constexpr GridShape kFourOfEight = {4, 3, 8};

/// The levels of a group, the first in the lowest bits, `bits` each: the numbers of ggml's `kgrid_…`.
using Key = uint16_t;

/// More neighbours than any key of any grid has.
inline constexpr size_t kMostNeighbours = 320;

/// Where a thread puts neighbours that another one is writing down at that time.
using NeighbourRoom = std::array<Key, kMostNeighbours>;

/// The keys that a group may get in the place of its own: that one alone if it is on the grid.
struct Candidates {
  std::span<const Key> keys;
  bool on_grid;
};

/// A set of points, numbered in ascending order of their keys, and for all other keys their neighbours on the grid: the
/// points at the least distances, of which the first `distances` different ones count, in the order of distance and
/// then of number (ggml's `iq2xs_init_impl` and `iq3xs_init_impl`). Distance is the sum of the squared differences of
/// levels.
///
/// What is not in the binary is made when it is first asked for: neighbours key by key, which takes a few microseconds
/// each. Any number of threads may ask at once; none waits for another one, and all get the same.
class Grid {
 public:
  /// All zeros at first.
  struct Memory {
    std::span<std::atomic<Key>> keys;         ///< one for each point
    std::span<std::atomic<uint32_t>> states;  ///< one for each dense key
    std::span<Key> lists;                     ///< as many as all keys have neighbours
  };

  constexpr Grid(const GridShape& shape, uint32_t distances, std::span<const uint64_t> points,
                 const Memory& memory) noexcept
      : shape_(shape), distances_(distances), points_(points), memory_(memory) {}

  /// Must have been called once before any of the following.
  void prepare() noexcept {
    if (!ready_.load(std::memory_order_acquire)) expand();
  }

  [[nodiscard]] Key key_of(size_t number) const noexcept {
    return memory_.keys[number].load(std::memory_order_relaxed);
  }

  /// The number of a point. `key` must be on the grid.
  [[nodiscard]] uint32_t number_of(Key key) const noexcept {
    return memory_.states[dense(key)].load(std::memory_order_relaxed) & kNumber;
  }

  /// `key` must have no level that the shape has not. The result is good as long as `room` is left alone.
  [[nodiscard]] Candidates candidates(const Key& key, NeighbourRoom& room) noexcept {
    std::atomic<uint32_t>& state = memory_.states[dense(key)];
    const uint32_t known = state.load(std::memory_order_acquire);
    if ((known & kOnGrid) != 0) return {{&key, 1}, true};
    if ((known & kListed) == 0) return {find_neighbours(key, state, room), false};
    return {memory_.lists.subspan(known >> kOffsetShift & kOffset, known & kCount), false};
  }

 private:
  // A state is 0 while nothing is known of a key. Of a point it says the number, of another key the neighbours' count
  // and where they begin in the lists.
  static constexpr uint32_t kOnGrid = 1U << 31;
  static constexpr uint32_t kListed = 1U << 30;
  static constexpr uint32_t kClaimed = 1U << 29;  ///< somebody is writing the list
  static constexpr uint32_t kNumber = 0xFFF;
  static constexpr uint32_t kCount = 0x1FF;
  static constexpr uint32_t kOffsetShift = 9;
  static constexpr uint32_t kOffset = 0xFFFFF;

  /// The rank of a key among those with no level too many: the levels as digits of base 3, or of base 8.
  [[nodiscard]] uint32_t dense(Key key) const noexcept {
    if (shape_.bits == kFourOfEight.bits) return key;
    return kTernary[key & 0xFF] + 81U * kTernary[key >> 8];
  }
  static constexpr std::array<uint8_t, 256> kTernary = [] {
    std::array<uint8_t, 256> ranks{};
    for (uint32_t key = 0; key < 256; ++key) {
      ranks[key] = static_cast<uint8_t>((key & 3) + 3 * (key >> 2 & 3) + 9 * (key >> 4 & 3) + 27 * (key >> 6));
    }
    return ranks;
  }();

  void expand() noexcept;
  [[nodiscard]] std::span<const Key> find_neighbours(Key key, std::atomic<uint32_t>& state,
                                                     NeighbourRoom& room) noexcept;
  [[nodiscard]] size_t collect_neighbours(Key key, NeighbourRoom& room) const noexcept;

  GridShape shape_;
  uint32_t distances_;
  std::span<const uint64_t> points_;
  Memory memory_;
  std::atomic<bool> ready_ = false;
  std::atomic<uint32_t> listed_ = 0;  ///< how much of the lists is taken
};

/// Each is prepared when it is asked for.
[[nodiscard]] Grid& iq2_xxs_grid() noexcept;
[[nodiscard]] Grid& iq2_xs_grid() noexcept;
[[nodiscard]] Grid& iq2_s_grid() noexcept;
[[nodiscard]] Grid& iq1_grid() noexcept;
[[nodiscard]] Grid& iq3_xxs_grid() noexcept;
[[nodiscard]] Grid& iq3_s_grid() noexcept;

}  // namespace arrowquant::iq
