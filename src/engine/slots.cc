#include "engine/slots.h"

#include <array>

namespace arrowquant {
namespace {

constexpr size_t kAlignment = 64;

constexpr size_t kSmallestGroup = 32;
/// The widest block formats take 34 bytes for 32 weights.
constexpr size_t kEncodedBytes = kChunkWeights / 32 * 34;
constexpr std::array<size_t, kStreamCount> kStreamBytes = {kChunkWeights * sizeof(float), kEncodedBytes,
                                                           kChunkWeights / kSmallestGroup * sizeof(float),
                                                           kChunkWeights / kSmallestGroup};

constexpr size_t stream_offset(size_t stream) {
  size_t offset = 0;
  for (size_t i = 0; i < stream; ++i) offset += kStreamBytes[i];
  return offset;
}

constexpr size_t kSlotBytes = stream_offset(kStreamCount);
static_assert(kSlotBytes % kAlignment == 0 && stream_offset(1) % kAlignment == 0 &&
              stream_offset(2) % kAlignment == 0 && stream_offset(3) % kAlignment == 0);

}  // namespace

SlotRing::SlotRing(size_t count) : memory_(new uint8_t[count * kSlotBytes + kAlignment]), slots_(count) {
  const auto address = reinterpret_cast<uintptr_t>(memory_.get());
  uint8_t* const aligned = memory_.get() + (kAlignment - address % kAlignment) % kAlignment;
  free_.reserve(count);
  for (size_t i = count; i-- > 0;) {
    slots_[i].memory = aligned + i * kSlotBytes;
    free_.push_back(&slots_[i]);
  }
}

Slot* SlotRing::acquire() noexcept {
  if (free_.empty()) return nullptr;
  Slot* const slot = free_.back();
  free_.pop_back();
  return slot;
}

void SlotRing::release(Slot& slot) noexcept { free_.push_back(&slot); }

uint8_t* stream_memory(const Slot& slot, Stream stream) noexcept {
  return slot.memory + stream_offset(static_cast<size_t>(stream));
}

}  // namespace arrowquant
