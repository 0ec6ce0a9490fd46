#include "engine/slots.h"

namespace arrowquant {

static_assert(kSlotBytes % kSlotAlignment == 0 && stream_begin(1) % kSlotAlignment == 0 &&
              stream_begin(2) % kSlotAlignment == 0 && stream_begin(3) % kSlotAlignment == 0);

SlotRing::SlotRing(size_t count) : memory_(new uint8_t[count * kSlotBytes + kSlotAlignment]), slots_(count) {
  const auto address = reinterpret_cast<uintptr_t>(memory_.get());
  lay_out(memory_.get() + (kSlotAlignment - address % kSlotAlignment) % kSlotAlignment, false);
}

SlotRing::SlotRing(size_t count, uint8_t* memory) : slots_(count) { lay_out(memory, true); }

void SlotRing::lay_out(uint8_t* memory, bool remote) {
  free_.reserve(slots_.size());
  for (size_t i = slots_.size(); i-- > 0;) {
    slots_[i].memory = memory + i * kSlotBytes;
    slots_[i].remote = remote;
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

void point_to_streams(Slot& slot) noexcept {
  slot.work.input = stream_memory(slot, Stream::kWeights);
  slot.work.output = stream_memory(slot, Stream::kWeights);
  slot.work.encoded = stream_memory(slot, Stream::kEncoded);
  slot.work.scales = reinterpret_cast<float*>(stream_memory(slot, Stream::kScales));
  slot.work.zero_points = stream_memory(slot, Stream::kZeroPoints);
}

}  // namespace arrowquant
