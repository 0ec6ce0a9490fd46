#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "engine/slots.h"

namespace arrowquant {

/// What goes with a slot's memory to another instance of this very program, where the chunk is executed, and back.
/// The addresses are those of the instance that sends it; the codecs lie at the same places in both.
struct ParcelLabel {
  Slot* slot = nullptr;
  Work work;
  Outcome outcome;
};
static_assert(std::is_trivially_copyable_v<ParcelLabel>, "it travels as bytes");

/// A parcel: the memory of a slot, then the label.
inline constexpr size_t kParcelBytes = kSlotBytes + sizeof(ParcelLabel);

[[nodiscard]] ParcelLabel label_of(Slot& slot) noexcept;

/// The bytes of a parcel, which may lie outside of this program's memory.
class Parcel {
 public:
  Parcel() = default;
  Parcel(const Parcel&) = delete;
  Parcel& operator=(const Parcel&) = delete;
  virtual ~Parcel() = default;
  virtual void read(size_t offset, std::span<uint8_t> to) = 0;
  virtual void write(size_t offset, std::span<const uint8_t> from) = 0;
};

/// Does what the label says: in `slot`, from where the results are copied back, the outcome too.
void execute_parcel(Parcel& parcel, Slot& slot, Scratch& scratch);

}  // namespace arrowquant
