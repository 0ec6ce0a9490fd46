#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "engine/activity.h"

namespace arrowquant {

class JobClient {
 public:
  JobClient() = default;
  JobClient(const JobClient&) = delete;
  JobClient& operator=(const JobClient&) = delete;
  virtual ~JobClient() = default;
  /// Called once, on the calling thread. Of several failures the one with the lowest position is told.
  virtual void finished(const Outcome& outcome) = 0;
};

/// Tasks that a job of `weights` weights keeps.
[[nodiscard]] size_t job_tasks(size_t weights) noexcept;

/// One operation on memory that the caller keeps in place until the end, spread over the threads chunk by chunk.
class Job final : public Activity {
 public:
  Job(const Work& work, std::unique_ptr<JobClient> client);

  [[nodiscard]] bool submit_one(ThreadPool& pool) override;
  [[nodiscard]] bool try_finish() override;
  void task_done(Task& task) override;

 private:
  [[nodiscard]] Outcome merged() const;

  std::vector<Task> tasks_;
  std::unique_ptr<JobClient> client_;
  size_t submitted_ = 0;
  size_t done_ = 0;
  bool finished_ = false;
};

}  // namespace arrowquant
