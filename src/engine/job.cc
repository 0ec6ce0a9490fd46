#include "engine/job.h"

#include <algorithm>
#include <utility>

namespace arrowquant {
namespace {

/// The room for rows that a job takes as long as that lets more threads than one work on it.
constexpr size_t kRowRoomBytes = size_t{4} << 20;

uint64_t chunk_count(const Work& work) noexcept {
  const size_t chunk = chunk_weights(work);
  return work.weights / chunk + (work.weights % chunk == 0 ? 0 : 1);
}

struct Counts {
  uint64_t parts = 0;
  size_t room_floats = 0;  ///< of the longest row
};

Counts counts_of(std::span<const Work> works) noexcept {
  Counts counts;
  for (const Work& work : works) {
    counts.parts += chunk_count(work);
    if (work.verb != Verb::kCall) counts.room_floats = std::max(counts.room_floats, row_room_floats(work));
  }
  return counts;
}

/// How many runs may have room for their rows at once.
size_t room_count(const Counts& counts, uint32_t threads) noexcept {
  if (counts.room_floats == 0) return 0;
  const size_t affordable = kRowRoomBytes / (counts.room_floats * sizeof(float));
  const auto useful = static_cast<size_t>(std::min<uint64_t>(counts.parts, uint64_t{threads} + 1));
  return std::clamp(affordable, size_t{1}, std::max(useful, size_t{1}));
}

}  // namespace

Job::Job(std::span<const Work> works, uint32_t threads, std::unique_ptr<JobClient> client)
    : client_(std::move(client)), works_(works.size()) {
  const Counts counts = counts_of(works);
  const size_t rooms = room_count(counts, threads);
  needs_rooms_ = rooms > 0;
  if (needs_rooms_) row_rooms_ = std::make_unique_for_overwrite<float[]>(rooms * counts.room_floats);
  for (size_t i = 0; i < rooms; ++i) free_rooms_.push_back(row_rooms_.get() + i * counts.room_floats);
  parts_.reserve(static_cast<size_t>(counts.parts));
  cut(works);
  group_parts();
}

uint64_t Job::bytes_of(std::span<const Work> works, uint32_t threads) noexcept {
  const Counts counts = counts_of(works);
  const uint64_t rooms = room_count(counts, threads);
  return works.size() * sizeof(Outcome) + counts.parts * (sizeof(Part) + sizeof(Run) + 2 * sizeof(size_t)) +
         rooms * (counts.room_floats * sizeof(float) + sizeof(float*));
}

void Job::cut(std::span<const Work> works) {
  for (size_t i = 0; i < works.size(); ++i) {
    const size_t chunk = chunk_weights(works[i]);
    const uint64_t chunks = chunk_count(works[i]);
    for (uint64_t k = 0; k < chunks; ++k) {
      const auto first = static_cast<size_t>(k * chunk);
      parts_.push_back({slice(works[i], first, std::min(chunk, works[i].weights - first)), {}, i, first});
    }
  }
}

void Job::group_parts() {
  std::vector<size_t> ends;
  size_t weights = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const size_t more = parts_[i].work.weights;
    if (ends.empty() || weights + more > kChunkWeights) {
      ends.push_back(i);
      weights = 0;
    }
    ends.back() = i + 1;
    weights += more;
  }
  runs_ = std::vector<Run>(ends.size());
  for (size_t i = 0, begin = 0; i < ends.size(); begin = ends[i++]) {
    Run& run = runs_[i];
    run.parts = std::span(parts_).subspan(begin, ends[i] - begin);
    run.owner = this;
    run.work.verb = Verb::kCall;
    run.work.quick = std::ranges::all_of(run.parts, [](const Part& part) { return is_quick(part.work); });
    run.work.call = execute_run;
    run.work.context = &run;
  }
}

void Job::execute_run(const void* context, Scratch& scratch) noexcept {
  for (Part& part : static_cast<const Run*>(context)->parts) part.outcome = execute(part.work, scratch);
}

bool Job::submit_one(ThreadPool& pool) {
  if (submitted_ == runs_.size() || !pool.has_room()) return false;
  if (needs_rooms_ && free_rooms_.empty()) return false;
  Run& run = runs_[submitted_++];
  if (needs_rooms_) {
    run.room = free_rooms_.back();
    free_rooms_.pop_back();
    for (Part& part : run.parts) part.work.row_room = run.room;
  }
  pool.submit(run);
  return true;
}

void Job::task_done(Task& task) {
  ++done_;
  if (needs_rooms_) free_rooms_.push_back(static_cast<Run&>(task).room);
}

bool Job::try_finish() {
  if (!finished_ && done_ == runs_.size()) {
    finished_ = true;
    client_->finished(merged());
  }
  return finished_;
}

std::vector<Outcome> Job::merged() const {
  std::vector<Outcome> outcomes(works_);
  for (const Part& part : parts_) {
    Outcome& outcome = outcomes[part.index];
    if (!outcome.status.ok()) continue;
    if (part.outcome.status.ok()) {
      outcome.merge(part.outcome);
    } else {
      outcome.status = part.outcome.status.offset_by(part.first);
    }
  }
  return outcomes;
}

}  // namespace arrowquant
