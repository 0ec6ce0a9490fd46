#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/thread_pool.h"

namespace arrowquant {

/// Room for a chunk's floats, and for all planes of what is encoded from them or was: 10 bits a weight, which those of
/// the narrowest groups (9.25) and of the widest blocks (8.5) fit into, each at an address of its own alignment.
inline constexpr size_t kSlotBytes = kChunkWeights * sizeof(float) + kChunkWeights / 8 * 10;
inline constexpr size_t kSlotAlignment = 64;

/// Room for one chunk before and after; itself the task that transcodes it.
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

/// Has the slot's work read and write the slot's memory: the planes of the source, then those of the target, one after
/// the other. False where they do not fit.
[[nodiscard]] bool point_to_planes(Slot& slot) noexcept;

}  // namespace arrowquant
