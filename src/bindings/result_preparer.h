#pragma once

#include <emscripten/val.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/activity.h"
#include "engine/batch.h"

namespace arrowquant {

/// Has the pool allocate the larger results of a request ahead of time, so that the calling thread need not be the
/// first to touch their pages. Results that come too late are dropped; nothing depends on them.
class ResultPreparer final : public Activity {
 public:
  ResultPreparer(emscripten::val request, const std::vector<LayerSpec>& layers);

  [[nodiscard]] bool empty() const noexcept { return orders_.empty(); }
  [[nodiscard]] bool submit_one(ThreadPool& pool) override;
  [[nodiscard]] bool try_finish() override { return next_ == orders_.size() && !in_flight_; }
  void task_done(Task& /*task*/) override { in_flight_ = false; }

 private:
  struct Order {
    uint32_t request;
    uint32_t layer;
    uint32_t plane;
    uint64_t bytes;
  };

  emscripten::val request_;
  std::vector<Order> orders_;
  Task task_;  ///< the one in flight
  size_t next_ = 0;
  bool in_flight_ = false;
};

}  // namespace arrowquant
