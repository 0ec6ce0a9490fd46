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

/// Many activities of which all may end, or none.
class SchedulerOfMany : public ::testing::Test {
 protected:
  void add_many(bool may_end) {
    may_end_ = may_end;
    for (size_t i = 0; i < kMany; ++i) scheduler_.add(std::make_unique<IdleActivity>(i, may_end_, counts_));
  }

  TestHost host_;
  Counts counts_;
  bool may_end_ = false;
  Scheduler scheduler_{0, 1, host_};
};

TEST_F(SchedulerOfMany, AStepVisitsABoundedNumberOfActivities) {
  add_many(false);
  scheduler_.pump();
  EXPECT_GT(counts_.visits, 0U);
  EXPECT_LT(counts_.visits, kMany / 10);
}

TEST_F(SchedulerOfMany, ActivitiesWithoutTasksAllEndInTheOrderOfArrival) {
  add_many(true);
  host_.run_until(scheduler_, [&] { return scheduler_.idle(); });
  ASSERT_EQ(counts_.ended.size(), kMany);
  for (size_t i = 0; i < kMany; ++i) ASSERT_EQ(counts_.ended[i], i);
}

TEST_F(SchedulerOfMany, ActivitiesThatWaitMayEndWhenAsked) {
  bool may_end = false;
  Counts waiting;
  add_many(false);
  scheduler_.add(std::make_unique<IdleActivity>(0, may_end, waiting));
  scheduler_.pump();
  may_end = true;
  scheduler_.check_all();
  scheduler_.pump();
  EXPECT_EQ(waiting.ended.size(), 1U);
  EXPECT_EQ(waiting.visits, 0U);
}

}  // namespace
}  // namespace arrowquant
