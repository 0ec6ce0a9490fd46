#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/activity.h"

namespace arrowquant {

class JobClient {
 public:
  JobClient() = default;
  JobClient(const JobClient&) = delete;
  JobClient& operator=(const JobClient&) = delete;
  virtual ~JobClient() = default;
  /// Called once, on the calling thread, with an outcome for each work. Of several failures of a work the one with the
  /// lowest position is told.
  virtual void finished(std::span<const Outcome> outcomes) = 0;
};

/// Works on memory that the caller keeps in place until the end, spread over the threads: large ones chunk by chunk,
/// and so many small ones together as make a chunk.
class Job final : public Activity {
 public:
  /// `threads` is how many a pool has.
  Job(std::span<const Work> works, uint32_t threads, std::unique_ptr<JobClient> client);

  /// Memory that a job of these works takes.
  [[nodiscard]] static uint64_t bytes_of(std::span<const Work> works, uint32_t threads) noexcept;

  [[nodiscard]] bool submit_one(ThreadPool& pool) override;
  [[nodiscard]] bool try_finish() override;
  void task_done(Task& task) override;

 private:
  /// A work, or a chunk of one.
  struct Part {
    Work work;
    Outcome outcome;
    size_t index = 0;    ///< of the work
    uint64_t first = 0;  ///< the first weight, within the work
  };

  /// Parts that are one task.
  struct Run : Task {
    std::span<Part> parts;
    float* room = nullptr;  ///< for the rows of these parts, while it is in flight
  };

  static void execute_run(const void* context, Scratch& scratch) noexcept;

  void cut(std::span<const Work> works);
  void group_parts();
  [[nodiscard]] std::vector<Outcome> merged() const;

  std::vector<Part> parts_;
  std::vector<Run> runs_;
  std::unique_ptr<float[]> row_rooms_;
  std::vector<float*> free_rooms_;
  std::unique_ptr<JobClient> client_;
  size_t works_;
  bool needs_rooms_ = false;
  size_t submitted_ = 0;
  size_t done_ = 0;
  bool finished_ = false;
};

}  // namespace arrowquant
