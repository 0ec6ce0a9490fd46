#pragma once

#include "engine/scheduler.h"

namespace arrowquant {

/// The one scheduler of this module instance; its threads start with the first call.
[[nodiscard]] Scheduler& scheduler();

}  // namespace arrowquant
