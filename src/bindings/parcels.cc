/// Slots as parcels that go to workers and back: for pages whose memory cannot be shared.

#include "bindings/parcels.h"

#include <emscripten/bind.h>
#include <emscripten/emscripten.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>

#include "bindings/library.h"
#include "engine/parcel.h"

/// Takes in a parcel whose label has been put where aq_use_parcels was told; gives its index.
extern "C" EMSCRIPTEN_KEEPALIVE uint32_t aq_parcel_done();

namespace arrowquant {
namespace {

using emscripten::val;

/// Beyond any heap, so that the library can tell parcels' addresses from the heap's.
constexpr uint32_t kParcelBase = 0x40000000;

/// They are not in the heap, but 90 MB all the same.
constexpr size_t kMostParcels = 128;

ParcelLabel arrived;
/// Whom parcels come back to.
Scheduler* receiver = nullptr;

uint32_t index_of(const Slot& slot) {
  return (static_cast<uint32_t>(reinterpret_cast<uintptr_t>(slot.memory)) - kParcelBase) / kSlotBytes;
}

class ParcelSender final : public Remote {
 public:
  void submit(Task& task) noexcept override {
    Slot& slot = static_cast<Slot&>(task);
    const ParcelLabel label = label_of(slot);
    aq_send_parcel(index_of(slot), &label);
  }

  void flush(bool quick) noexcept override { aq_flush_parcels(quick); }
};

/// A parcel in this worker's hands.
class ArrivedParcel final : public Parcel {
 public:
  explicit ArrivedParcel(const val& buffer) : buffer_(buffer) {}

  void read(size_t offset, std::span<uint8_t> to) override {
    aq_read_parcel(buffer_.as_handle(), offset, to.data(), to.size());
  }

  void write(size_t offset, std::span<const uint8_t> from) override {
    aq_write_parcel(buffer_.as_handle(), offset, from.data(), from.size());
  }

 private:
  const val& buffer_;
};

/// Executes a parcel that another instance has sent, an ArrayBuffer.
void execute_here(const val& buffer) {
  static SlotRing slots(1);
  static Slot& slot = *slots.acquire();
  static Scratch& scratch = *new Scratch;
  ArrivedParcel parcel(buffer);
  execute_parcel(parcel, slot, scratch);
}

}  // namespace

std::unique_ptr<Scheduler> scheduler_of_workers(size_t slots, Host& host) {
  aq_use_parcels(kParcelBase, kSlotBytes, sizeof(ParcelLabel), &arrived);
  auto scheduler = std::make_unique<Scheduler>(*new ParcelSender, std::min(slots, kMostParcels),
                                               reinterpret_cast<uint8_t*>(kParcelBase), host);
  receiver = scheduler.get();
  return scheduler;
}

EMSCRIPTEN_BINDINGS(arrowquant_parcels) { emscripten::function("executeParcel", &execute_here); }

}  // namespace arrowquant

uint32_t aq_parcel_done() {
  arrowquant::Slot& slot = *arrowquant::arrived.slot;
  slot.outcome = arrowquant::arrived.outcome;
  arrowquant::receiver->complete(slot);
  return arrowquant::index_of(slot);
}
