#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include "test_host.h"

namespace arrowquant {
namespace {

using testing::TestHost;

constexpr size_t kMany = 5000;

struct Counts {
  size_t visits = 0;
  std::vector<size_t> ended;
};

/// Never has anything to submit, and ends when `may_end` says so.
class IdleActivity final : public Activity {
 public:
  IdleActivity(size_t number, const bool& may_end, Counts& counts)
      : number_(number), may_end_(may_end), counts_(counts) {}

  bool submit_one(ThreadPool& /*pool*/) override {
    ++counts_.visits;
    return false;
  }

  bool try_finish() override {
    if (may_end_) counts_.ended.push_back(number_);
    return may_end_;
  }

  void task_done(Task& /*task*/) override {}

 private:
  size_t number_;
  const bool& may_end_;
  Counts& counts_;
};

void add_many(Scheduler& scheduler, const bool& may_end, Counts& counts) {
  for (size_t i = 0; i < kMany; ++i) scheduler.add(std::make_unique<IdleActivity>(i, may_end, counts));
}

TEST(Scheduler, AStepVisitsABoundedNumberOfActivities) {
  TestHost host;
  Scheduler scheduler(0, 1, host);
  const bool may_end = false;
  Counts counts;
  add_many(scheduler, may_end, counts);
  scheduler.pump();
  EXPECT_GT(counts.visits, 0U);
  EXPECT_LT(counts.visits, kMany / 10);
}

TEST(Scheduler, ActivitiesWithoutTasksAllEndInTheOrderOfArrival) {
  TestHost host;
  Scheduler scheduler(0, 1, host);
  const bool may_end = true;
  Counts counts;
  add_many(scheduler, may_end, counts);
  host.run_until(scheduler, [&] { return scheduler.idle(); });
  ASSERT_EQ(counts.ended.size(), kMany);
  for (size_t i = 0; i < kMany; ++i) ASSERT_EQ(counts.ended[i], i);
}

TEST(Scheduler, ActivitiesThatWaitMayEndWhenAsked) {
  TestHost host;
  Scheduler scheduler(0, 1, host);
  const bool stays = false;
  bool may_end = false;
  Counts counts;
  Counts waiting;
  add_many(scheduler, stays, counts);
  scheduler.add(std::make_unique<IdleActivity>(0, may_end, waiting));
  scheduler.pump();
  may_end = true;
  scheduler.check_all();
  scheduler.pump();
  EXPECT_EQ(waiting.ended.size(), 1U);
  EXPECT_EQ(waiting.visits, 0U);
}

}  // namespace
}  // namespace arrowquant
