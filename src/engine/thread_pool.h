#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "engine/work.h"

namespace arrowquant {

struct Task;

/// Hears, on the calling thread, that one of its tasks was executed.
class TaskOwner {
 public:
  TaskOwner() = default;
  TaskOwner(const TaskOwner&) = delete;
  TaskOwner& operator=(const TaskOwner&) = delete;
  virtual ~TaskOwner() = default;
  virtual void task_done(Task& task) = 0;
};

/// One chunk to execute. Lives with its owner; the pool only passes it on.
struct Task {
  Work work;
  Outcome outcome;
  TaskOwner* owner = nullptr;
  Task* next_completed = nullptr;
  bool remote = false;  ///< its memory is a Remote's, which executes it
};

/// Executes tasks whose memory is out of this program's reach. All calls come on the calling thread.
class Remote {
 public:
  Remote() = default;
  Remote(const Remote&) = delete;
  Remote& operator=(const Remote&) = delete;
  virtual ~Remote() = default;
  /// Takes a task in. When it has been executed, it goes to `ThreadPool::complete`, and the scheduler is to be pumped.
  virtual void submit(Task& task) noexcept = 0;
  /// More tasks may be long in coming: those that were taken in are not to wait for them. `quick`: the calling thread
  /// is as busy with them as a worker.
  virtual void flush(bool quick) noexcept = 0;
};

/// A fixed number of threads that execute tasks in the order of submission.
///
/// One thread, the calling thread, submits and takes the completed tasks; it never waits, but may lend a hand
/// (`run_one`). While it does not look at the completed tasks by itself, it calls `wake_me(true)`: the next completion
/// then calls `wake` once, on a pool thread. With 0 threads it does all the work, but for the tasks that are
/// `remote`'s.
class ThreadPool {
 public:
  using Wake = void (*)(void* context) noexcept;

  ThreadPool(uint32_t threads, Wake wake, void* context, Remote* remote = nullptr);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  /// Lets the running tasks end, drops the queued ones, joins.
  ~ThreadPool();

  /// Whether the queue can take a task. Only the calling thread fills it, so the answer holds until the next `submit`.
  [[nodiscard]] bool has_room() const noexcept;
  /// Sleeping threads may not hear of it before `announce`: to wake one costs more than to encode a small chunk.
  void submit(Task& task) noexcept;
  void announce() noexcept;
  /// Whether `run_one` would not hold the calling thread up: with threads of its own the pool keeps slow tasks to them.
  [[nodiscard]] bool may_run_here() const noexcept { return threads_.empty() || slow_in_flight_ == 0; }
  /// Executes the oldest queued task on this thread; false when there is none.
  bool run_one() noexcept;
  /// Puts a task that has been executed on the list of the completed ones.
  void complete(Task& task) noexcept;
  /// The completed tasks, linked by `next_completed` in the order of completion.
  [[nodiscard]] Task* take_completed() noexcept;
  /// Whether the next completion shall call `wake`. After `wake_me(true)` take the completed tasks once more.
  void wake_me(bool wanted) noexcept { wake_wanted_.store(wanted); }
  [[nodiscard]] uint32_t threads() const noexcept { return static_cast<uint32_t>(threads_.size()); }
  /// Whether every thread has begun to work.
  [[nodiscard]] bool ready() const noexcept { return started_.load() >= threads(); }

 private:
  static constexpr uint32_t kQueueCapacity = 1024;
  /// Tasks that are worth waking a thread for.
  static constexpr uint32_t kAnnouncedTogether = 3;

  void run_thread();
  void work_loop();
  [[nodiscard]] Task* pop() noexcept;
  [[nodiscard]] Task* pop_patiently() noexcept;
  void notify_caller() noexcept;

  const Wake wake_;
  void* const context_;
  Remote* const remote_;
  std::array<std::atomic<Task*>, kQueueCapacity> queue_{};
  /// Counted up for ever, that is, over 2^32: they begin a lap before it, so that every program gets there.
  alignas(64) std::atomic<uint32_t> head_{0U - kQueueCapacity};
  alignas(64) std::atomic<uint32_t> tail_{0U - kQueueCapacity};
  alignas(64) std::atomic<uint32_t> signal_{0};
  std::atomic<uint32_t> sleepers_{0};
  alignas(64) std::atomic<Task*> completed_{nullptr};
  std::atomic<bool> wake_wanted_{true};
  std::atomic<bool> stopping_{false};
  std::atomic<uint32_t> started_{0};
  std::atomic<uint32_t> ended_{0};
  uint32_t unannounced_ = 0;
  uint32_t slow_in_flight_ = 0;
  std::unique_ptr<Scratch> caller_scratch_;
  std::vector<std::thread> threads_;
};

}  // namespace arrowquant
