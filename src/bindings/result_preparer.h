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

  [[nodiscard]] bool empty() const noexcept { return tasks_.empty(); }
  [[nodiscard]] bool submit_one(ThreadPool& pool) override;
  [[nodiscard]] bool try_finish() override { return next_ == tasks_.size() && in_flight_ == 0; }
  void task_done(Task& /*task*/) override { --in_flight_; }

 private:
  struct Order {
    uint32_t request;
    uint32_t layer;
    Stream stream;
    uint64_t bytes;
  };

  emscripten::val request_;
  std::vector<Order> orders_;
  std::vector<Task> tasks_;
  size_t next_ = 0;
  size_t in_flight_ = 0;
};

}  // namespace arrowquant
