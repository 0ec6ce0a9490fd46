#include "engine/job.h"

#include <algorithm>
#include <utility>

namespace arrowquant {

size_t job_tasks(size_t weights) noexcept { return weights / kChunkWeights + (weights % kChunkWeights == 0 ? 0 : 1); }

Job::Job(const Work& work, std::unique_ptr<JobClient> client) : client_(std::move(client)) {
  tasks_.resize(job_tasks(work.weights));
  for (size_t i = 0; i < tasks_.size(); ++i) {
    const size_t first = i * kChunkWeights;
    tasks_[i].work = slice(work, first, std::min(kChunkWeights, work.weights - first));
    tasks_[i].owner = this;
  }
}

bool Job::submit_one(ThreadPool& pool) {
  if (submitted_ == tasks_.size() || !pool.has_room()) return false;
  pool.submit(tasks_[submitted_++]);
  return true;
}

void Job::task_done(Task& /*task*/) { ++done_; }

bool Job::try_finish() {
  if (!finished_ && done_ == tasks_.size()) {
    finished_ = true;
    client_->finished(merged());
  }
  return finished_;
}

Outcome Job::merged() const {
  Outcome all;
  for (size_t i = 0; i < tasks_.size(); ++i) {
    const Outcome& part = tasks_[i].outcome;
    if (!part.status.ok()) {
      all.status = part.status.offset_by(uint64_t{i} * kChunkWeights);
      return all;
    }
    all.error.add(part.error);
    all.range.merge(part.range);
  }
  return all;
}

}  // namespace arrowquant
