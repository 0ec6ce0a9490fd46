#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "engine/activity.h"
#include "engine/slots.h"

namespace arrowquant {

/// The event loop that the scheduler lives in.
class Host {
 public:
  Host() = default;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  virtual ~Host() = default;
  /// Have the calling thread call `pump` soon, from its event loop. Called on the calling thread.
  virtual void schedule() = 0;
  /// The same, called on a pool thread.
  virtual void wake() noexcept = 0;
};

/// Moves activities forward on the calling thread, in turns, for a few milliseconds at a stretch, never waiting.
class Scheduler {
 public:
  Scheduler(uint32_t threads, size_t slots, Host& host);
  /// Without threads: `remote` executes what lies in the slots, `slots * kSlotBytes` from `memory` on.
  Scheduler(Remote& remote, size_t slots, uint8_t* memory, Host& host);

  [[nodiscard]] SlotRing& slots() noexcept { return slots_; }
  [[nodiscard]] const ThreadPool& pool() const noexcept { return pool_; }
  /// What a Remote has executed; `pump` tells the owner.
  void complete(Task& task) noexcept { pool_.complete(task); }
  [[nodiscard]] bool idle() const noexcept { return active_.empty() && waiting_.empty(); }
  void add(std::unique_ptr<Activity> activity);
  /// Activities may have ended without having had their turn: have all of them asked, soon.
  void check_all();
  /// Takes in what has been completed, submits what can be, and finishes what has ended. Does nothing when it is called
  /// from within itself, that is, from a client's callback.
  void pump();

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  [[nodiscard]] bool take_completed(Deadline deadline);
  void admit();
  [[nodiscard]] bool submit_round();
  /// Whether any has ended.
  [[nodiscard]] bool finish_ended();

  Host& host_;
  SlotRing slots_;
  std::vector<std::unique_ptr<Activity>> active_;
  std::deque<std::unique_ptr<Activity>> waiting_;
  Task* completed_ = nullptr;  ///< taken from the pool, not yet told to their owners
  bool pumping_ = false;
  bool checking_ = false;  ///< the waiting ones are to be asked whether they have ended
  ThreadPool pool_;        // last: its threads end before what they work on does
};

}  // namespace arrowquant
