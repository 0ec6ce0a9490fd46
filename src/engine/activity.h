#pragma once

#include "engine/thread_pool.h"

namespace arrowquant {

/// Something that the scheduler has executed bit by bit. All calls come on the calling thread.
class Activity : public TaskOwner {
 public:
  /// Submits one task; false when there is none to submit now, or no room for it.
  [[nodiscard]] virtual bool submit_one(ThreadPool& pool) = 0;
  /// Tells its client, once, that it has ended; true from then on.
  [[nodiscard]] virtual bool try_finish() = 0;
};

}  // namespace arrowquant
