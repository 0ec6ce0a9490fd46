#include "engine/batch.h"

#include <gtest/gtest.h>

#include <limits>

#include "tensor.h"
#include "test_host.h"

namespace arrowquant {
namespace {

using testing::affine_encoding;
using testing::bytes_of;
using testing::encoding_of;
using testing::floats_of;
using testing::MemoryClient;
using testing::pool_sizes;
using testing::Record;
using testing::sample_weights;
using testing::Tensor;
using testing::TestHost;

constexpr size_t kSlots = 5;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

LayerSpec spec_of(size_t weights, uint32_t bits, uint32_t group_size, bool symmetric = false) {
  LayerSpec spec;
  spec.target = affine_encoding(bits, group_size, symmetric);
  spec.weights = weights;
  return spec;
}

struct Plan {
  std::vector<LayerSpec> specs;
  std::vector<std::vector<float>> weights;
  bool continue_on_error = false;

  void add(const LayerSpec& spec, std::vector<float> values) {
    specs.push_back(spec);
    weights.push_back(std::move(values));
  }

  [[nodiscard]] std::unique_ptr<Batch> batch(Record& record, SlotRing& slots) const {
    std::vector<MemoryClient::PlaneBytes> inputs;
    for (const std::vector<float>& values : weights) inputs.push_back({bytes_of(values)});
    auto client = std::make_unique<MemoryClient>(specs, std::move(inputs), record);
    return std::make_unique<Batch>(specs, std::move(client), continue_on_error, slots);
  }

  void execute(uint32_t threads, Record& record) const {
    TestHost host;
    Scheduler scheduler(threads, kSlots, host);
    scheduler.add(batch(record, scheduler.slots()));
    host.run_until(scheduler, [&] { return record.ended; });
    EXPECT_TRUE(scheduler.idle());
    EXPECT_EQ(scheduler.slots().free_count(), kSlots);
  }
};

/// Sizes around pieces, chunks and groups.
Plan mixed_plan() {
  Plan plan;
  uint32_t seed = 1;
  for (const size_t size : {size_t{1}, size_t{127}, size_t{4096}, kChunkWeights - 1, kChunkWeights, kChunkWeights + 1,
                            3 * kChunkWeights + 333}) {
    for (const uint32_t bits : {2U, 4U, 8U}) {
      for (const uint32_t group_size : {0U, 32U, 128U}) {
        plan.add(spec_of(size, bits, group_size, seed % 2 == 0), sample_weights(size, seed));
        ++seed;
      }
    }
  }
  return plan;
}

class BatchThreads : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Pools, BatchThreads, ::testing::ValuesIn(pool_sizes()));

TEST_P(BatchThreads, GivesTheBytesOfOneKernelCallPerLayer) {
  const Plan plan = mixed_plan();
  Record record;
  plan.execute(GetParam(), record);
  ASSERT_TRUE(record.status.ok());
  for (size_t i = 0; i < plan.specs.size(); ++i) {
    MemoryClient::PlaneBytes expected = Tensor::encoded(plan.specs[i].target, plan.weights[i]).bytes();
    expected.resize(record.outputs[i].size());
    EXPECT_EQ(record.outputs[i], expected) << "layer " << i;
  }
}

TEST_P(BatchThreads, SearchesWithTheEffortOfEachLayer) {
  Plan plan;
  for (const Effort effort : {Effort::kBest, Effort::kReference}) {
    LayerSpec spec = spec_of(kChunkWeights + 333, 4, 128);
    spec.effort = effort;
    plan.add(spec, sample_weights(kChunkWeights + 333, 50));
  }
  Record record;
  plan.execute(GetParam(), record);
  ASSERT_TRUE(record.status.ok());
  for (size_t i = 0; i < plan.specs.size(); ++i) {
    EncodeContext context;
    context.effort = plan.specs[i].effort;
    MemoryClient::PlaneBytes expected = Tensor::encoded(plan.specs[i].target, plan.weights[i], context).bytes();
    expected.resize(record.outputs[i].size());
    EXPECT_EQ(record.outputs[i], expected) << "layer " << i;
  }
  EXPECT_NE(record.outputs[0], record.outputs[1]);
}

TEST_P(BatchThreads, HalvesGiveTheBytesOfTheFloatsThatTheyStandFor) {
  std::vector<LayerSpec> specs;
  std::vector<MemoryClient::PlaneBytes> inputs;
  Plan floats;
  uint32_t seed = 100;
  for (LayerSpec spec : mixed_plan().specs) {
    const auto count = static_cast<size_t>(spec.weights);
    Tensor halves = Tensor::encoded(encoding_of("F16"), sample_weights(count, seed++));
    floats.add(spec, halves.decoded());
    spec.source = encoding_of("F16");
    specs.push_back(spec);
    inputs.push_back({halves.bytes()[0]});
  }
  Record expected;
  floats.execute(GetParam(), expected);
  Record record;
  TestHost host;
  Scheduler scheduler(GetParam(), kSlots, host);
  auto client = std::make_unique<MemoryClient>(specs, std::move(inputs), record);
  scheduler.add(std::make_unique<Batch>(specs, std::move(client), false, scheduler.slots()));
  host.run_until(scheduler, [&] { return record.ended; });
  ASSERT_TRUE(record.status.ok());
  EXPECT_EQ(record.outputs, expected.outputs);
}

TEST_P(BatchThreads, ReportsEveryLayerOnceInOrder) {
  const Plan plan = mixed_plan();
  Record record;
  plan.execute(GetParam(), record);
  ASSERT_EQ(record.reports.size(), plan.specs.size());
  for (size_t i = 0; i < record.reports.size(); ++i) {
    EXPECT_EQ(record.reports[i].layer, i);
    EXPECT_TRUE(record.reports[i].status.ok());
  }
}

TEST_P(BatchThreads, DecodesWhatItEncoded) {
  const Plan plan = mixed_plan();
  Record encoded;
  plan.execute(GetParam(), encoded);
  std::vector<LayerSpec> specs = plan.specs;
  for (LayerSpec& spec : specs) std::swap(spec.source, spec.target);
  Record decoded;
  TestHost host;
  Scheduler scheduler(GetParam(), kSlots, host);
  scheduler.add(std::make_unique<Batch>(specs, std::make_unique<MemoryClient>(specs, encoded.outputs, decoded), false,
                                        scheduler.slots()));
  host.run_until(scheduler, [&] { return decoded.ended; });
  ASSERT_TRUE(decoded.status.ok());
  for (size_t i = 0; i < specs.size(); ++i) {
    const std::vector<float> restored = floats_of(decoded.outputs[i][0]);
    ASSERT_EQ(restored.size(), plan.weights[i].size());
    const CodecParameters& parameters = specs[i].source.parameters;
    // Weights lie within ±1: half a step of the widest grid, and its rounding.
    const float bound = 1.001F / static_cast<float>((1U << parameters.bits) - 1) * (parameters.symmetric ? 2 : 1);
    for (size_t k = 0; k < restored.size(); ++k) ASSERT_NEAR(restored[k], plan.weights[i][k], bound) << i << " " << k;
  }
}

TEST_P(BatchThreads, EmptyBatchAndEmptyLayersEnd) {
  Record empty;
  Plan{}.execute(GetParam(), empty);
  EXPECT_TRUE(empty.status.ok());
  EXPECT_TRUE(empty.reports.empty());
  Plan plan;
  for (const uint32_t group_size : {0U, 128U}) plan.add(spec_of(0, 4, group_size), {});
  Record record;
  plan.execute(GetParam(), record);
  EXPECT_TRUE(record.status.ok());
  EXPECT_EQ(record.reports.size(), 2U);
}

TEST_P(BatchThreads, TellsTheFirstBadWeightOfTheFirstBadLayer) {
  for (const uint32_t group_size : {0U, 128U}) {
    Plan plan;
    for (uint32_t i = 0; i < 4; ++i)
      plan.add(spec_of(3 * kChunkWeights, 4, group_size), sample_weights(3 * kChunkWeights, i));
    plan.weights[1][2 * kChunkWeights + 5] = kNan;
    plan.weights[1][kChunkWeights + 7] = kNan;
    plan.weights[2][0] = kNan;
    Record record;
    plan.execute(GetParam(), record);
    EXPECT_EQ(record.status.code, StatusCode::kNotFinite);
    EXPECT_EQ(record.failed_layer, 1U);
    EXPECT_EQ(record.status.position, kChunkWeights + 7);
    ASSERT_EQ(record.reports.size(), 1U);
    EXPECT_EQ(record.reports[0].layer, 0U);
  }
}

TEST_P(BatchThreads, GoesOnAfterErrorsWhenAsked) {
  Plan plan;
  plan.continue_on_error = true;
  for (uint32_t i = 0; i < 4; ++i) plan.add(spec_of(2 * kChunkWeights, 8, 64), sample_weights(2 * kChunkWeights, i));
  plan.weights[0][3] = kNan;
  plan.weights[2][kChunkWeights] = std::numeric_limits<float>::infinity();
  plan.weights[3].resize(kChunkWeights);  // its second chunk is gone
  Record record;
  plan.execute(GetParam(), record);
  EXPECT_TRUE(record.status.ok());
  ASSERT_EQ(record.reports.size(), 4U);
  EXPECT_EQ(record.reports[0].status.position, 3U);
  EXPECT_TRUE(record.reports[1].status.ok());
  EXPECT_EQ(record.reports[2].status.position, kChunkWeights);
  EXPECT_EQ(record.reports[3].status.code, StatusCode::kDetached);
}

TEST_P(BatchThreads, CancelledFromACallbackReportsNothingMore) {
  Plan plan = mixed_plan();
  Record record;
  record.on_layer_done = [&](size_t layer) { record.cancel = layer == 4; };
  plan.execute(GetParam(), record);
  EXPECT_EQ(record.status.code, StatusCode::kCancelled);
  EXPECT_EQ(record.reports.size(), 5U);
}

TEST_P(BatchThreads, CancelledFromTheLastCallbackIsCancelled) {
  const Plan plan = mixed_plan();
  Record record;
  record.on_layer_done = [&](size_t layer) { record.cancel = layer == plan.specs.size() - 1; };
  plan.execute(GetParam(), record);
  EXPECT_EQ(record.status.code, StatusCode::kCancelled);
  EXPECT_EQ(record.reports.size(), plan.specs.size());
}

TEST_P(BatchThreads, CancelledBeforeItBeginsReportsNothing) {
  const Plan plan = mixed_plan();
  Record record;
  record.cancel = true;
  plan.execute(GetParam(), record);
  EXPECT_EQ(record.status.code, StatusCode::kCancelled);
  EXPECT_TRUE(record.reports.empty());
}

TEST_P(BatchThreads, BatchesStartedFromCallbacksShareTheSlots) {
  const Plan plan = mixed_plan();
  Record first;
  Record second;
  TestHost host;
  Scheduler scheduler(GetParam(), kSlots, host);
  first.on_layer_done = [&](size_t layer) {
    if (layer == 2) scheduler.add(plan.batch(second, scheduler.slots()));
    scheduler.pump();  // does nothing from in here
  };
  scheduler.add(plan.batch(first, scheduler.slots()));
  host.run_until(scheduler, [&] { return first.ended && second.ended; });
  EXPECT_EQ(first.outputs, second.outputs);
  EXPECT_EQ(scheduler.slots().free_count(), kSlots);
}

}  // namespace
}  // namespace arrowquant
