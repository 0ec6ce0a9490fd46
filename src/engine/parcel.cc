#include "engine/parcel.h"

namespace arrowquant {
namespace {

std::span<uint8_t> bytes_of(ParcelLabel& label) noexcept {
  return {reinterpret_cast<uint8_t*>(&label), sizeof(ParcelLabel)};
}

}  // namespace

ParcelLabel label_of(Slot& slot) noexcept { return {&slot, slot.work, {}}; }

void execute_parcel(Parcel& parcel, Slot& slot, Scratch& scratch) {
  ParcelLabel label;
  parcel.read(kSlotBytes, bytes_of(label));
  slot.work = label.work;
  if (point_to_planes(slot)) {
    const Work& work = slot.work;
    const auto offset = [&](std::span<uint8_t> plane) { return static_cast<size_t>(plane.data() - slot.memory); };
    const Planes sources = planes_of(work.source, 0, work.weights);
    for (size_t i = 0; i < work.source.encoding.codec->plane_count; ++i) parcel.read(offset(sources[i]), sources[i]);
    label.outcome = execute(work, scratch);
    const Planes targets = planes_of(work.target, 0, work.weights);
    for (size_t i = 0; i < work.target.encoding.codec->plane_count; ++i) {
      if (writes_plane(work, i)) parcel.write(offset(targets[i]), targets[i]);
    }
  } else {
    label.outcome.status = {StatusCode::kInvalidArgument, 0};
  }
  parcel.write(kSlotBytes, bytes_of(label));
}

}  // namespace arrowquant
