#include "engine/thread_pool.h"

#include <algorithm>

#include "engine/parking.h"

namespace arrowquant {

ThreadPool::ThreadPool(uint32_t threads, Wake wake, void* context, Remote* remote)
    : wake_(wake), context_(context), remote_(remote), caller_scratch_(std::make_unique<Scratch>()) {
  threads_.reserve(threads);
  for (uint32_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run_thread(); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  // A thread that has looked at the end already, and falls asleep only now, has to be woken again.
  while (ended_.load() < threads()) {
    signal_.fetch_add(1);
    unpark_all(signal_);
    std::this_thread::yield();
  }
  for (std::thread& thread : threads_) thread.join();
}

bool ThreadPool::has_room() const noexcept {
  return tail_.load(std::memory_order_relaxed) - head_.load() < kQueueCapacity;
}

void ThreadPool::submit(Task& task) noexcept {
  if (!is_quick(task.work)) ++slow_in_flight_;
  if (task.remote) {
    remote_->submit(task);
  } else {
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    queue_[tail % kQueueCapacity].store(&task, std::memory_order_relaxed);
    tail_.store(tail + 1);
  }
  if (++unannounced_ >= kAnnouncedTogether) announce();
}

/// With quick tasks the calling thread lends a hand and counts as one of the threads: one more than there are cores
/// would only be in the others' way. A thread that is about to fall asleep counts as awake: the changed signal keeps it
/// so.
void ThreadPool::announce() noexcept {
  if (unannounced_ == 0) return;
  if (remote_ != nullptr) remote_->flush(slow_in_flight_ == 0);
  signal_.fetch_add(1);
  const uint32_t useful = slow_in_flight_ > 0 ? threads() : std::max(threads(), 2U) - 1;
  const uint32_t awake = threads() - std::min(threads(), sleepers_.load());
  const uint32_t missing = useful > awake ? useful - awake : 0;
  for (uint32_t i = std::min(unannounced_, missing); i > 0; --i) unpark_one(signal_);
  unannounced_ = 0;
}

Task* ThreadPool::pop() noexcept {
  uint32_t head = head_.load();
  while (head != tail_.load()) {
    // Read before the claim: after it, the producer may reuse the place.
    Task* const task = queue_[head % kQueueCapacity].load(std::memory_order_relaxed);
    if (head_.compare_exchange_weak(head, head + 1)) return task;
  }
  return nullptr;
}

/// Looks again and again for about as long as falling asleep and being woken would take.
Task* ThreadPool::pop_patiently() noexcept {
  constexpr int kLooks = 4000;
  for (int i = 0; i < kLooks; ++i) {
    if (Task* const task = pop(); task != nullptr) return task;
  }
  return nullptr;
}

bool ThreadPool::run_one() noexcept {
  Task* const task = pop();
  if (task == nullptr) return false;
  task->outcome = execute(task->work, *caller_scratch_);
  complete(*task);
  return true;
}

void ThreadPool::run_thread() {
  work_loop();
  ended_.fetch_add(1);
}

void ThreadPool::work_loop() {
  const auto scratch = std::make_unique<Scratch>();
  started_.fetch_add(1);
  notify_caller();
  while (!stopping_.load()) {
    // Taken before the look at the queue: a submission after that look changes it, and park returns at once.
    const uint32_t seen = signal_.load();
    if (Task* const task = pop_patiently(); task != nullptr) {
      task->outcome = execute(task->work, *scratch);
      complete(*task);
      notify_caller();
      continue;
    }
    sleepers_.fetch_add(1);
    park(signal_, seen);
    sleepers_.fetch_sub(1);
  }
}

void ThreadPool::complete(Task& task) noexcept {
  Task* first = completed_.load(std::memory_order_relaxed);
  do {
    task.next_completed = first;
  } while (!completed_.compare_exchange_weak(first, &task));
}

void ThreadPool::notify_caller() noexcept {
  if (wake_wanted_.exchange(false)) wake_(context_);
}

Task* ThreadPool::take_completed() noexcept {
  Task* task = completed_.exchange(nullptr);
  Task* in_order = nullptr;
  while (task != nullptr) {
    Task* const next = task->next_completed;
    if (!is_quick(task->work)) --slow_in_flight_;
    task->next_completed = in_order;
    in_order = task;
    task = next;
  }
  return in_order;
}

}  // namespace arrowquant
