#include "engine/scheduler.h"

#include <utility>

namespace arrowquant {
namespace {

/// A page that draws 60 frames a second has 16 ms for each; a quarter of that leaves room for its own work.
constexpr std::chrono::milliseconds kLongestStretch{4};

/// A step visits every active activity, and its cost must not grow with the number of calls that overlap. More than
/// there are slots, so that those that wait for their last chunks leave none empty.
constexpr size_t kMostActive = 128;

void wake_host(void* host) noexcept { static_cast<Host*>(host)->wake(); }

}  // namespace

Scheduler::Scheduler(uint32_t threads, size_t slots, Host& host)
    : host_(host), slots_(slots), pool_(threads, wake_host, &host) {}

Scheduler::Scheduler(Remote& remote, size_t slots, uint8_t* memory, Host& host)
    : host_(host), slots_(slots, memory), pool_(0, wake_host, &host, &remote) {}

void Scheduler::add(std::unique_ptr<Activity> activity) {
  waiting_.push_back(std::move(activity));
  host_.schedule();
}

void Scheduler::check_all() {
  checking_ = true;
  host_.schedule();
}

void Scheduler::pump() {
  if (pumping_) return;
  pumping_ = true;
  pool_.wake_me(false);
  const auto deadline = std::chrono::steady_clock::now() + kLongestStretch;
  while (true) {
    const bool took = take_completed(deadline);
    admit();
    const bool submitted = submit_round();
    // With every slot in use there is nothing to copy: the calling thread encodes a chunk instead of going to sleep.
    const bool ran = !submitted && pool_.may_run_here() && pool_.run_one();
    // Where one has ended, one that waits can be admitted.
    const bool ended = finish_ended();
    if (!took && !submitted && !ran && !ended) {
      pool_.announce();
      pool_.wake_me(true);
      // What was completed before that line would wake nobody.
      if (!take_completed(deadline)) break;
      pool_.wake_me(false);
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      pool_.announce();
      host_.schedule();
      break;
    }
  }
  pumping_ = false;
}

/// Copying the results of many chunks takes longer than a stretch may last: what is left waits for the next one.
bool Scheduler::take_completed(Deadline deadline) {
  if (completed_ == nullptr) completed_ = pool_.take_completed();
  const bool any = completed_ != nullptr;
  while (completed_ != nullptr) {
    Task* const task = std::exchange(completed_, completed_->next_completed);
    task->owner->task_done(*task);
    if (std::chrono::steady_clock::now() >= deadline) break;
  }
  return any;
}

/// In the order of arrival.
void Scheduler::admit() {
  for (; !waiting_.empty() && active_.size() < kMostActive; waiting_.pop_front()) {
    active_.push_back(std::move(waiting_.front()));
  }
}

/// One task of each active activity, so that none starves. What callbacks add meanwhile waits for the next step.
bool Scheduler::submit_round() {
  bool any = false;
  for (const std::unique_ptr<Activity>& activity : active_) any = activity->submit_one(pool_) || any;
  return any;
}

bool Scheduler::finish_ended() {
  const auto ended = [](const std::unique_ptr<Activity>& activity) { return activity->try_finish(); };
  size_t count = std::erase_if(active_, ended);
  if (std::exchange(checking_, false)) count += std::erase_if(waiting_, ended);
  return count > 0;
}

}  // namespace arrowquant
