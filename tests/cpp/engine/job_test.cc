#include "engine/job.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>

#include "row_codec.h"
#include "tensor.h"
#include "test_host.h"

namespace arrowquant {
namespace {

using testing::affine_encoding;
using testing::encoding_of;
using testing::kRowCodec;
using testing::pool_sizes;
using testing::sample_weights;
using testing::Tensor;
using testing::TestHost;
using testing::transcoding;

struct JobRecord {
  bool ended = false;
  std::vector<Outcome> outcomes;
};

class RecordingClient final : public JobClient {
 public:
  explicit RecordingClient(JobRecord& record) : record_(record) {}
  void finished(std::span<const Outcome> outcomes) override {
    record_ = {true, std::vector<Outcome>(outcomes.begin(), outcomes.end())};
  }

 private:
  JobRecord& record_;
};

std::vector<Outcome> execute_all(std::span<const Work> works, uint32_t threads) {
  JobRecord record;
  TestHost host;
  Scheduler scheduler(threads, 1, host);
  scheduler.add(std::make_unique<Job>(works, threads, std::make_unique<RecordingClient>(record)));
  host.run_until(scheduler, [&] { return record.ended; });
  EXPECT_EQ(record.outcomes.size(), works.size());
  return record.outcomes;
}

Outcome execute_job(const Work& work, uint32_t threads) { return execute_all({&work, 1}, threads).at(0); }

constexpr std::array<std::string_view, 3> kFloats = {"F32", "F16", "BF16"};

class JobThreads : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Pools, JobThreads, ::testing::ValuesIn(pool_sizes()));

constexpr size_t kWeights = 2 * kChunkWeights + 4097;

TEST_P(JobThreads, MeasuresWhatItLost) {
  const std::vector<float> values = sample_weights(kWeights, 7);
  for (const std::string_view from : kFloats) {
    Tensor source = Tensor::encoded(encoding_of(from), values);
    Tensor target(affine_encoding(4, 64), kWeights);
    Work work = transcoding(source, target);
    work.measure = true;
    const Outcome outcome = execute_job(work, GetParam());
    ASSERT_TRUE(outcome.status.ok());
    const std::vector<float> original = source.decoded();
    const std::vector<float> restored = target.decoded();
    double squared = 0;
    double largest = 0;
    for (size_t i = 0; i < kWeights; ++i) {
      const double error = static_cast<double>(original[i]) - static_cast<double>(restored[i]);
      squared += error * error;
      largest = std::max(largest, std::abs(error));
    }
    EXPECT_EQ(outcome.error.weights, kWeights);
    EXPECT_EQ(outcome.error.max_error, largest);
    EXPECT_NEAR(outcome.error.squared_error, squared, squared * 1e-9);
  }
}

TEST_P(JobThreads, SumsDoNotDependOnTheThreads) {
  Tensor source = Tensor::of_floats(sample_weights(kWeights, 8));
  Tensor target(affine_encoding(2, 32, true), kWeights);
  Work work = transcoding(source, target);
  work.measure = true;
  const Outcome alone = execute_job(work, 0);
  const Outcome outcome = execute_job(work, GetParam());
  EXPECT_EQ(outcome.error.squared_error, alone.error.squared_error);
  EXPECT_EQ(outcome.error.dot, alone.error.dot);
  EXPECT_EQ(outcome.error.squared_restored, alone.error.squared_restored);
}

TEST_P(JobThreads, OneGroupIsTheSameWithAndWithoutAScanBefore) {
  Tensor source = Tensor::encoded(encoding_of("F16"), sample_weights(kWeights, 9));
  for (const bool symmetric : {false, true}) {
    const Encoding encoding = affine_encoding(8, 0, symmetric);
    const auto expected = Tensor::encoded(encoding, source.decoded()).bytes();
    Tensor whole(encoding, kWeights);
    ASSERT_TRUE(execute_job(transcoding(source, whole), GetParam()).status.ok());
    EXPECT_EQ(whole.bytes(), expected);
    Tensor ranged(encoding, kWeights);
    Work work = transcoding(source, ranged);
    work.verb = Verb::kScan;
    work.range = execute_job(work, GetParam()).range;
    work.verb = Verb::kTranscode;
    work.has_range = true;
    ASSERT_TRUE(execute_job(work, GetParam()).status.ok());
    EXPECT_EQ(ranged.bytes(), expected);
  }
}

TEST_P(JobThreads, TellsTheFirstBadWeight) {
  std::vector<float> values = sample_weights(kWeights, 10);
  values[kChunkWeights + 4100] = std::numeric_limits<float>::infinity();
  values[2 * kChunkWeights + 1] = std::numeric_limits<float>::quiet_NaN();
  for (const std::string_view from : kFloats) {
    for (const bool measure : {false, true}) {
      Tensor source = Tensor::encoded(encoding_of(from), values);
      Tensor target(affine_encoding(4, 128), kWeights);
      Work work = transcoding(source, target);
      work.measure = measure;
      const Outcome outcome = execute_job(work, GetParam());
      EXPECT_EQ(outcome.status.code, StatusCode::kNotFinite);
      EXPECT_EQ(outcome.status.position, kChunkWeights + 4100);
    }
  }
}

TEST_P(JobThreads, ConvertsBetweenFloatTypes) {
  const std::vector<float> values = sample_weights(kWeights, 11);
  Tensor source = Tensor::of_floats(values);
  Tensor target(encoding_of("F16"), kWeights);
  Work work = transcoding(source, target);
  work.measure = true;
  const Outcome outcome = execute_job(work, GetParam());
  EXPECT_EQ(target.bytes(), Tensor::encoded(encoding_of("F16"), values).bytes());
  EXPECT_GT(outcome.error.squared_error, 0);
  EXPECT_LE(outcome.error.max_error, 1.0 / 4096);
}

TEST_P(JobThreads, ComparesAllChunks) {
  std::vector<float> values = sample_weights(kWeights, 12);
  Tensor a = Tensor::of_floats(values);
  values[kWeights - 1] += 1;
  Tensor b = Tensor::of_floats(values);
  Work work = transcoding(a, b);
  work.verb = Verb::kCompare;
  const Outcome outcome = execute_job(work, GetParam());
  EXPECT_FALSE(outcome.comparison.equal);
  EXPECT_TRUE(outcome.comparison.finite);
  EXPECT_NEAR(outcome.error.max_error, 1, 1e-6);
  EXPECT_EQ(outcome.error.weights, kWeights);
  work.target = work.source;
  EXPECT_TRUE(execute_job(work, GetParam()).comparison.equal);
}

/// Tensors of all sizes around a chunk's, each with a target of its own.
struct Bundle {
  std::vector<Tensor> sources;
  std::vector<Tensor> targets;
  std::vector<Work> works;

  explicit Bundle(const std::vector<std::vector<float>>& tensors) {
    for (const std::vector<float>& weights : tensors) {
      const Encoding to = sources.size() % 3 == 0 ? affine_encoding(4, 0) : affine_encoding(8, 32, true);
      sources.push_back(Tensor::of_floats(weights));
      targets.emplace_back(to, weights.size());
    }
    for (size_t i = 0; i < sources.size(); ++i) {
      works.push_back(transcoding(sources[i], targets[i]));
      works.back().measure = i % 2 == 0;
    }
  }
};

std::vector<std::vector<float>> bundled_tensors() {
  std::vector<std::vector<float>> tensors;
  for (uint32_t i = 0; i < 300; ++i) tensors.push_back(sample_weights(i % 7 == 0 ? 5000 : i, i));
  for (const size_t size : {kChunkWeights - 1, kChunkWeights + 1, size_t{0}, 3 * kChunkWeights, size_t{1}}) {
    tensors.push_back(sample_weights(size, 500));
  }
  return tensors;
}

TEST_P(JobThreads, ManyWorksEndAsEachOfThemWouldAlone) {
  const auto tensors = bundled_tensors();
  Bundle bundle(tensors);
  const std::vector<Outcome> outcomes = execute_all(bundle.works, GetParam());
  for (size_t i = 0; i < tensors.size(); ++i) {
    Tensor target(bundle.targets[i].operand().encoding, tensors[i].size());
    Work work = bundle.works[i];
    work.target = target.operand();
    const Outcome alone = execute_job(work, 0);
    ASSERT_TRUE(outcomes[i].status.ok());
    EXPECT_EQ(bundle.targets[i].bytes(), target.bytes()) << i;
    EXPECT_EQ(outcomes[i].error.weights, i % 2 == 0 ? tensors[i].size() : 0);
    EXPECT_EQ(outcomes[i].error.squared_error, alone.error.squared_error);
  }
}

TEST_P(JobThreads, EachOfManyWorksTellsItsOwnFirstBadWeight) {
  auto tensors = bundled_tensors();
  tensors[20][19] = tensors[20][7] = std::numeric_limits<float>::infinity();
  tensors[303][2 * kChunkWeights + 5] = tensors[303][kChunkWeights + 5] = std::numeric_limits<float>::quiet_NaN();
  Bundle bundle(tensors);
  const std::vector<Outcome> outcomes = execute_all(bundle.works, GetParam());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ(outcomes[i].status.ok(), i != 20 && i != 303) << i;
  }
  EXPECT_EQ(outcomes[20].status.position, 7U);
  EXPECT_EQ(outcomes[303].status.position, kChunkWeights + 5);
}

TEST_P(JobThreads, RowsAreCutWholeAndHaveRoomHoweverLongTheyAre) {
  for (const size_t row_weights : {size_t{96}, size_t{70'000}, kChunkWeights + 32 * 3}) {
    const size_t padded = row_weights / 32 * 32;
    const size_t rows = 5 * kChunkWeights / padded + 2;
    const Encoding encoding = {&kRowCodec, {8, testing::kRowGroup, false}};
    Tensor source = Tensor::encoded(encoding_of("BF16"), sample_weights(rows * padded, 13));
    Tensor target(encoding, rows * padded);
    Work work = transcoding(source, target);
    work.row_weights = padded;
    work.measure = true;
    const Outcome outcome = execute_job(work, GetParam());
    ASSERT_TRUE(outcome.status.ok());
    EncodeContext context;
    context.row_weights = padded;
    EXPECT_EQ(target.bytes(), Tensor::encoded(encoding, source.decoded(), context).bytes());
    EXPECT_EQ(outcome.error.weights, rows * padded);
    EXPECT_GE(Job::bytes_of({&work, 1}, GetParam()), row_room_floats(work) * sizeof(float));
  }
}

TEST_P(JobThreads, AsManyWeightsAsCanBeCountedAreAllSeen) {
  static std::atomic<uint64_t> calls{0};
  calls = 0;
  Work work;
  work.verb = Verb::kCall;
  work.call = [](const void* /*context*/, Scratch& /*scratch*/) noexcept { ++calls; };
  work.weights = std::numeric_limits<uint32_t>::max();
  EXPECT_TRUE(execute_job(work, GetParam()).status.ok());
  EXPECT_EQ(calls.load(), (uint64_t{1} << 32) / kChunkWeights);
}

TEST_P(JobThreads, NothingToDoEnds) {
  Tensor nothing(encoding_of("F32"), 0);
  Work work = transcoding(nothing, nothing);
  work.verb = Verb::kScan;
  EXPECT_TRUE(execute_job(work, GetParam()).status.ok());
  EXPECT_TRUE(execute_all({}, GetParam()).empty());
}

}  // namespace
}  // namespace arrowquant
