#pragma once

#include <cstddef>
#include <memory>

#include "engine/scheduler.h"

namespace arrowquant {

/// A scheduler whose slots are parcels, which workers execute, each with an instance of its own. It must live as long
/// as this program: parcels come back to it.
[[nodiscard]] std::unique_ptr<Scheduler> scheduler_of_workers(size_t slots, Host& host);

}  // namespace arrowquant
