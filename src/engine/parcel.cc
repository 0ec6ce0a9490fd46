#include "engine/parcel.h"

#include "engine/batch.h"

namespace arrowquant {
namespace {

std::span<uint8_t> bytes_of(ParcelLabel& label) noexcept {
  return {reinterpret_cast<uint8_t*>(&label), sizeof(ParcelLabel)};
}

/// A stream of the slot, as long as the work needs it.
std::span<uint8_t> stream_of(const Slot& slot, const Work& work, Stream stream) noexcept {
  LayerSpec spec;
  spec.operation = work.operation;
  spec.affine = work.affine;
  spec.format = work.format;
  spec.source = work.source;
  return {stream_memory(slot, stream), static_cast<size_t>(stream_bytes(spec, stream, work.weights))};
}

}  // namespace

ParcelLabel label_of(Slot& slot) noexcept { return {&slot, slot.work, {}}; }

void execute_parcel(Parcel& parcel, Slot& slot, Scratch& scratch) {
  ParcelLabel label;
  parcel.read(kSlotBytes, bytes_of(label));
  const auto offset = [](Stream stream) { return stream_begin(static_cast<size_t>(stream)); };
  for (const Stream stream : input_streams(label.work.operation)) {
    parcel.read(offset(stream), stream_of(slot, label.work, stream));
  }
  slot.work = label.work;
  point_to_streams(slot);
  label.outcome = execute(slot.work, scratch);
  for (const Stream stream : output_streams(label.work.operation)) {
    parcel.write(offset(stream), stream_of(slot, label.work, stream));
  }
  parcel.write(kSlotBytes, bytes_of(label));
}

}  // namespace arrowquant
