#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/thread_pool.h"

namespace arrowquant {

/// The arrays that a layer consists of, before and after encoding.
enum class Stream : uint8_t { kWeights = 0, kEncoded = 1, kScales = 2, kZeroPoints = 3 };
inline constexpr size_t kStreamCount = 4;

/// Room for each stream of a chunk: in the smallest groups, and in the widest block formats (34 bytes for 32 weights).
inline constexpr std::array<size_t, kStreamCount> kStreamRoom = {
    kChunkWeights * sizeof(float), kChunkWeights / 32 * 34, kChunkWeights / 32 * sizeof(float), kChunkWeights / 32};

/// Where a stream begins in a slot's memory.
[[nodiscard]] constexpr size_t stream_begin(size_t stream) noexcept {
  size_t begin = 0;
  for (size_t i = 0; i < stream; ++i) begin += kStreamRoom[i];
  return begin;
}

inline constexpr size_t kSlotBytes = stream_begin(kStreamCount);
inline constexpr size_t kSlotAlignment = 64;

/// Room for one chunk in all of its streams; itself the task that encodes or decodes it.
struct Slot : Task {
  size_t layer = 0;
  uint64_t chunk = 0;
  uint8_t* memory = nullptr;
};

/// A fixed number of slots in one allocation; the one that was given back last is lent out next, while it is in cache.
class SlotRing {
 public:
  explicit SlotRing(size_t count);
  /// Slots of a Remote, whose `count * kSlotBytes` from `memory` on need not be memory of this program.
  SlotRing(size_t count, uint8_t* memory);

  /// nullptr when all are in use.
  [[nodiscard]] Slot* acquire() noexcept;
  void release(Slot& slot) noexcept;
  [[nodiscard]] size_t free_count() const noexcept { return free_.size(); }
  [[nodiscard]] size_t count() const noexcept { return slots_.size(); }

 private:
  void lay_out(uint8_t* memory, bool remote);

  std::unique_ptr<uint8_t[]> memory_;
  std::vector<Slot> slots_;
  std::vector<Slot*> free_;
};

[[nodiscard]] inline uint8_t* stream_memory(const Slot& slot, Stream stream) noexcept {
  return slot.memory + stream_begin(static_cast<size_t>(stream));
}

/// Has the slot's work read and write the slot's streams.
void point_to_streams(Slot& slot) noexcept;

}  // namespace arrowquant
