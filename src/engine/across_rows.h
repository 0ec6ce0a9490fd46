#pragma once

#include "engine/work.h"

namespace arrowquant {

/// Transcodes into a codec that works across rows: floats in place, else blocks of a few columns, which are decoded
/// into the scratch. Positions in the outcome count from the first weight of `work`. What fills up the tensor is not
/// measured.
[[nodiscard]] Outcome transcode_across_rows(const Work& work, Scratch& scratch) noexcept;

}  // namespace arrowquant
