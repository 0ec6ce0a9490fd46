#pragma once

#include <cstddef>
#include <span>

#include "engine/work.h"

namespace arrowquant {

/// Whether the weights are what the kernels take.
[[nodiscard]] bool is_plain(const Operand& operand) noexcept;

/// Weights as f32, or why there are none.
struct Loaded {
  Status status;
  std::span<const float> weights;
};

/// `count` weights from `first` on: in place where they are f32 already, else decoded into `room`, which has also room
/// for the units that they begin and end in the middle of.
[[nodiscard]] Loaded load(const Operand& from, size_t first, size_t count, bool checks_planes,
                          std::span<float> room) noexcept;

}  // namespace arrowquant
