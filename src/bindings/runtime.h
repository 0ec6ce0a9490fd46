#pragma once

#include <emscripten/val.h>

#include <cstdint>

#include "engine/scheduler.h"

namespace arrowquant {

/// The one scheduler of this module instance; its threads start with the first call.
[[nodiscard]] Scheduler& scheduler();

/// Whether the heap has room for `bytes` more; else the request is rejected. To be asked before anything is allocated
/// for a request: an allocation that fails would be the end of the module.
[[nodiscard]] bool has_room(const emscripten::val& request, uint64_t bytes);

}  // namespace arrowquant
