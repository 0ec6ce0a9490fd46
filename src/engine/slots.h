#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/thread_pool.h"

namespace arrowquant {

/// The arrays that a layer consists of, before and after encoding.
enum class Stream : uint8_t { kWeights = 0, kEncoded = 1, kScales = 2, kZeroPoints = 3 };
inline constexpr size_t kStreamCount = 4;

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

  /// nullptr when all are in use.
  [[nodiscard]] Slot* acquire() noexcept;
  void release(Slot& slot) noexcept;
  [[nodiscard]] size_t free_count() const noexcept { return free_.size(); }
  [[nodiscard]] size_t count() const noexcept { return slots_.size(); }

 private:
  std::unique_ptr<uint8_t[]> memory_;
  std::vector<Slot> slots_;
  std::vector<Slot*> free_;
};

/// Where a stream begins in a slot's memory.
[[nodiscard]] uint8_t* stream_memory(const Slot& slot, Stream stream) noexcept;

}  // namespace arrowquant
