#include "engine/slots.h"

namespace arrowquant {

static_assert(kSlotBytes % kSlotAlignment == 0);

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

bool point_to_planes(Slot& slot) noexcept {
  uint64_t at = 0;
  for (Operand* operand : {&slot.work.source, &slot.work.target}) {
    for (size_t i = 0; i < operand->encoding.codec->plane_count; ++i) {
      const uint64_t bytes = plane_bytes(operand->encoding, i, slot.work.weights);
      if (at + bytes > kSlotBytes) return false;
      operand->planes[i] = slot.memory + at;
      at += (bytes + kSlotAlignment - 1) / kSlotAlignment * kSlotAlignment;
    }
  }
  return true;
}

}  // namespace arrowquant
