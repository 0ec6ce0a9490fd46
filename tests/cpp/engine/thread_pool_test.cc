#include "engine/thread_pool.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "engine/parking.h"
#include "test_host.h"

namespace arrowquant {
namespace {

using testing::pool_sizes;

/// More than the ring's 1,024, so that it can be full with tasks to spare.
constexpr size_t kTasks = 1500;
constexpr size_t kRing = 1024;
/// All pools together pass some 300,000 tasks on, and the indices some hundred times around the ring.
constexpr size_t kSubmissions = 75'000;

/// What one task has done. Nobody locks it: whoever hears that the task was executed must see what it wrote.
struct Trace {
  size_t executions = 0;
  size_t* next_place = nullptr;  ///< set where the order is to be told
  size_t place = 0;
};

void trace(const void* context, Scratch& /*scratch*/) noexcept {
  Trace& mine = *static_cast<Trace*>(const_cast<void*>(context));
  ++mine.executions;
  if (mine.next_place != nullptr) mine.place = (*mine.next_place)++;
}

struct Wakes {
  std::atomic<uint32_t> count{0};

  static void wake(void* self) noexcept {
    std::atomic<uint32_t>& count = static_cast<Wakes*>(self)->count;
    count.fetch_add(1);
    unpark_one(count);
  }
};

/// A pool, and tasks that it executes again and again.
struct Ring {
  Wakes wakes;
  std::vector<Trace> traces = std::vector<Trace>(kTasks);
  std::vector<Task> tasks = std::vector<Task>(kTasks);
  ThreadPool pool;

  explicit Ring(uint32_t threads) : pool(threads, Wakes::wake, &wakes) {
    for (size_t i = 0; i < kTasks; ++i) {
      tasks[i].work.verb = Verb::kCall;
      tasks[i].work.call = trace;
      tasks[i].work.context = &traces[i];
    }
  }

  /// Submits what is idle as long as there is room; gives how many.
  size_t fill(std::vector<Task*>& idle, size_t most) {
    size_t count = 0;
    for (; count < most && !idle.empty() && pool.has_room(); ++count) {
      pool.submit(*idle.back());
      idle.pop_back();
    }
    pool.announce();
    return count;
  }

  /// Brings completed tasks back to the idle ones; gives how many.
  size_t collect(std::vector<Task*>& idle) {
    size_t count = 0;
    for (Task* task = pool.take_completed(); task != nullptr; ++count) {
      Task* const next = task->next_completed;
      idle.push_back(task);
      task = next;
    }
    return count;
  }

  [[nodiscard]] std::vector<Task*> all() {
    std::vector<Task*> idle;
    for (Task& task : tasks) idle.push_back(&task);
    return idle;
  }

  [[nodiscard]] size_t executions() const {
    size_t sum = 0;
    for (const Trace& one : traces) sum += one.executions;
    return sum;
  }
};

/// Holds a pool thread until it is opened.
struct Gate {
  std::atomic<uint32_t> open{0};
  std::atomic<uint32_t> arrived{0};

  static void pass(const void* self, Scratch& /*scratch*/) noexcept {
    Gate& gate = *static_cast<Gate*>(const_cast<void*>(self));
    gate.arrived.fetch_add(1);
    while (gate.open.load() == 0) park(gate.open, 0);
  }

  void hold_all(ThreadPool& pool, std::vector<Task>& holders) {
    for (Task& task : holders) {
      task.work.verb = Verb::kCall;
      task.work.call = pass;
      task.work.context = this;
      pool.submit(task);
    }
    pool.announce();
    while (arrived.load() < holders.size()) std::this_thread::yield();
  }

  void release() {
    open.store(1);
    unpark_all(open);
  }
};

class ThreadPoolRing : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Pools, ThreadPoolRing, ::testing::ValuesIn(pool_sizes()));

TEST_P(ThreadPoolRing, ExecutesEveryTaskOnceOverManyLaps) {
  Ring ring(GetParam());
  std::vector<Task*> idle = ring.all();
  size_t submitted = 0;
  size_t completed = 0;
  while (completed < kSubmissions) {
    submitted += ring.fill(idle, kSubmissions - submitted);
    // Now and then the calling thread takes part, as with quick tasks, in the race for the oldest one.
    const bool ran = (GetParam() == 0 || submitted % 2 == 0) && ring.pool.run_one();
    const size_t came = ring.collect(idle);
    completed += came;
    if (!ran && came == 0) std::this_thread::yield();
  }
  EXPECT_EQ(submitted, kSubmissions);
  EXPECT_EQ(completed, kSubmissions);
  EXPECT_EQ(idle.size(), kTasks);
  EXPECT_EQ(ring.executions(), kSubmissions);
  EXPECT_EQ(ring.collect(idle), 0U);
}

TEST(ThreadPoolFull, TakesAsManyAsItHasRoomForAndNoMore) {
  for (const uint32_t threads : pool_sizes()) {
    // With quick tasks one of several threads may sleep on: it would not be there to be held.
    if (threads > 1) continue;
    Ring ring(threads);
    std::vector<Task*> idle = ring.all();
    // The indices pass 2^32 while it is full, whether a lap begins there or before.
    for (size_t lap = 1; lap <= 2; ++lap) {
      Gate gate;
      std::vector<Task> holders(threads);
      gate.hold_all(ring.pool, holders);
      EXPECT_EQ(ring.fill(idle, kTasks), kRing);
      EXPECT_FALSE(ring.pool.has_room());
      gate.release();
      std::vector<Task*> done;
      while (done.size() < kRing + holders.size()) {
        ring.pool.run_one();
        ring.collect(done);
      }
      EXPECT_TRUE(ring.pool.has_room());
      EXPECT_EQ(ring.executions(), lap * kRing);
      std::erase_if(done, [](const Task* task) { return task->work.call != trace; });
      idle.insert(idle.end(), done.begin(), done.end());
    }
  }
}

/// Sleeps until a task has been completed, as the calling thread's event loop does.
size_t sleep_until_completed(Ring& ring, std::vector<Task*>& idle) {
  while (true) {
    const uint32_t seen = ring.wakes.count.load();
    ring.pool.wake_me(true);
    // What was completed before that line wakes nobody.
    if (const size_t count = ring.collect(idle); count > 0) return count;
    while (ring.wakes.count.load() == seen) park(ring.wakes.count, seen);
    if (const size_t count = ring.collect(idle); count > 0) return count;
  }
}

TEST(ThreadPoolWakes, NoneIsLostHoweverOftenTheCallingThreadFallsAsleep) {
  constexpr size_t kRounds = 300;
  for (const uint32_t threads : pool_sizes()) {
    if (threads == 0) continue;
    Ring ring(threads);
    std::vector<Task*> idle = ring.all();
    for (size_t round = 0; round < kRounds; ++round) {
      ASSERT_EQ(ring.fill(idle, 1), 1U);
      ASSERT_EQ(sleep_until_completed(ring, idle), 1U);
    }
    EXPECT_EQ(ring.executions(), kRounds);
  }
}

TEST(ThreadPoolEnd, ComesWhateverTheThreadsAreDoing) {
  constexpr size_t kRounds = 100;
  for (const uint32_t threads : pool_sizes()) {
    for (size_t round = 0; round < kRounds; ++round) {
      Ring ring(threads);
      std::vector<Task*> idle = ring.all();
      // Some threads are about to fall asleep then, others have not begun, or are at work.
      for (size_t tasks = round % 8; tasks > 0; --tasks) {
        if (ring.fill(idle, 1) == 0) break;
        if (threads == 0) ring.pool.run_one();
      }
    }
  }
}

TEST(ThreadPoolOrder, TasksAreExecutedInTheOrderOfSubmissionWhereTheRingBeginsAnew) {
  Ring ring(0);
  size_t next_place = 0;
  for (Trace& one : ring.traces) one.next_place = &next_place;
  std::vector<Task*> idle = ring.all();
  for (size_t lap = 0; lap < 5; ++lap) {
    const std::vector<Task*> before = idle;
    const size_t count = ring.fill(idle, kTasks);
    ASSERT_EQ(count, kRing);
    next_place = 0;
    while (ring.pool.run_one()) continue;
    ASSERT_EQ(ring.collect(idle), kRing);
    for (size_t i = 0; i < count; ++i) {
      const Task* const task = before[before.size() - 1 - i];
      ASSERT_EQ(static_cast<const Trace*>(task->work.context)->place, i);
    }
  }
}

}  // namespace
}  // namespace arrowquant
