#include "engine/job.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>

#include "simd/half_arrays.h"
#include "test_host.h"

namespace arrowquant {
namespace {

using testing::pool_sizes;
using testing::sample_weights;
using testing::TestHost;

struct JobRecord {
  bool ended = false;
  Outcome outcome;
};

class RecordingClient final : public JobClient {
 public:
  explicit RecordingClient(JobRecord& record) : record_(record) {}
  void finished(const Outcome& outcome) override { record_ = {true, outcome}; }

 private:
  JobRecord& record_;
};

Outcome execute_job(const Work& work, uint32_t threads) {
  JobRecord record;
  TestHost host;
  Scheduler scheduler(threads, 1, host);
  scheduler.add(std::make_unique<Job>(work, std::make_unique<RecordingClient>(record)));
  host.run_until(scheduler, [&] { return record.ended; });
  return record.outcome;
}

/// Buffers for an affine encoding of `values` in a 16-bit or 32-bit float type.
struct Buffers {
  std::vector<uint8_t> input;
  std::vector<uint8_t> encoded;
  std::vector<float> scales;
  std::vector<uint8_t> zero_points;
  std::vector<float> restored;

  Work encode(const std::vector<float>& values, FloatType source, AffineParameters affine) {
    input.resize(values.size() * float_bytes(source));
    if (source == FloatType::kF32) std::memcpy(input.data(), values.data(), input.size());
    if (source == FloatType::kF16) float_to_half(values, input.data());
    if (source == FloatType::kBF16) float_to_bfloat16(values, input.data());
    encoded.assign(static_cast<size_t>(affine_packed_bytes(values.size(), affine.bits)), 0);
    scales.assign(
        affine.group_size == 0 ? 1 : static_cast<size_t>(affine_group_count(values.size(), affine.group_size)), 0);
    zero_points.assign(scales.size(), 0);
    Work work;
    work.source = source;
    work.affine = affine;
    work.weights = values.size();
    work.input = input.data();
    work.encoded = encoded.data();
    work.scales = scales.data();
    work.zero_points = zero_points.data();
    return work;
  }

  Work decode(const Work& encode) {
    Work work = encode;
    work.operation = Operation::kDecodeAffine;
    work.measure = false;
    restored.assign(encode.weights, 0);
    work.output = reinterpret_cast<uint8_t*>(restored.data());
    return work;
  }
};

class JobThreads : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Pools, JobThreads, ::testing::ValuesIn(pool_sizes()));

constexpr size_t kWeights = 2 * kChunkWeights + 4097;

TEST_P(JobThreads, MeasuresWhatItLost) {
  const std::vector<float> values = sample_weights(kWeights, 7);
  for (const FloatType source : {FloatType::kF32, FloatType::kF16, FloatType::kBF16}) {
    Buffers buffers;
    Work work = buffers.encode(values, source, {4, 64, false});
    work.measure = true;
    const Outcome outcome = execute_job(work, GetParam());
    ASSERT_TRUE(outcome.status.ok());
    ASSERT_TRUE(execute_job(buffers.decode(work), GetParam()).status.ok());
    std::vector<float> original(kWeights);
    if (source == FloatType::kF32) original = values;
    if (source == FloatType::kF16) half_to_float(buffers.input.data(), original);
    if (source == FloatType::kBF16) bfloat16_to_float(buffers.input.data(), original);
    double squared = 0;
    double largest = 0;
    for (size_t i = 0; i < kWeights; ++i) {
      const double error = static_cast<double>(original[i]) - static_cast<double>(buffers.restored[i]);
      squared += error * error;
      largest = std::max(largest, std::abs(error));
    }
    EXPECT_EQ(outcome.error.weights, kWeights);
    EXPECT_EQ(outcome.error.max_error, largest);
    EXPECT_NEAR(outcome.error.squared_error, squared, squared * 1e-9);
  }
}

TEST_P(JobThreads, SumsDoNotDependOnTheThreads) {
  const std::vector<float> values = sample_weights(kWeights, 8);
  Buffers buffers;
  Work work = buffers.encode(values, FloatType::kF32, {2, 32, true});
  work.measure = true;
  const Outcome alone = execute_job(work, 0);
  const Outcome outcome = execute_job(work, GetParam());
  EXPECT_EQ(outcome.error.squared_error, alone.error.squared_error);
  EXPECT_EQ(outcome.error.dot, alone.error.dot);
  EXPECT_EQ(outcome.error.squared_restored, alone.error.squared_restored);
}

TEST_P(JobThreads, ScanAndScaledEncodingEqualOneGroup) {
  const std::vector<float> values = sample_weights(kWeights, 9);
  for (const bool symmetric : {false, true}) {
    Buffers two;
    Work work = two.encode(values, FloatType::kF16, {8, 0, symmetric});
    work.operation = Operation::kScanAffine;
    const Outcome scanned = execute_job(work, GetParam());
    work.operation = Operation::kEncodeAffineScaled;
    work.scale = affine_scale(scanned.range, 8, symmetric);
    ASSERT_TRUE(execute_job(work, GetParam()).status.ok());
    Scratch scratch;
    Buffers whole;
    const Work at_once = whole.encode(values, FloatType::kF16, {8, 0, symmetric});
    ASSERT_TRUE(execute(at_once, scratch).status.ok());
    EXPECT_EQ(two.encoded, whole.encoded);
    EXPECT_EQ(work.scale.scale, whole.scales[0]);
    EXPECT_EQ(work.scale.zero_point, whole.zero_points[0]);
  }
}

TEST_P(JobThreads, TellsTheFirstBadWeight) {
  std::vector<float> values = sample_weights(kWeights, 10);
  values[kChunkWeights + 4100] = std::numeric_limits<float>::infinity();
  values[2 * kChunkWeights + 1] = std::numeric_limits<float>::quiet_NaN();
  for (const FloatType source : {FloatType::kF32, FloatType::kF16, FloatType::kBF16}) {
    for (const bool measure : {false, true}) {
      Buffers buffers;
      Work work = buffers.encode(values, source, {4, 128, false});
      work.measure = measure;
      const Outcome outcome = execute_job(work, GetParam());
      EXPECT_EQ(outcome.status.code, StatusCode::kNotFinite);
      EXPECT_EQ(outcome.status.position, kChunkWeights + 4100);
    }
  }
}

TEST_P(JobThreads, ConvertsBetweenFloatTypes) {
  const std::vector<float> values = sample_weights(kWeights, 11);
  std::vector<uint8_t> halves(kWeights * 2);
  Work work;
  work.operation = Operation::kConvert;
  work.target = FloatType::kF16;
  work.weights = kWeights;
  work.measure = true;
  work.input = reinterpret_cast<const uint8_t*>(values.data());
  work.output = halves.data();
  const Outcome outcome = execute_job(work, GetParam());
  std::vector<uint8_t> expected(kWeights * 2);
  float_to_half(values, expected.data());
  EXPECT_EQ(halves, expected);
  EXPECT_GT(outcome.error.squared_error, 0);
  EXPECT_LE(outcome.error.max_error, 1.0 / 4096);
}

TEST_P(JobThreads, AsManyWeightsAsCanBeCountedAreAllSeen) {
  static std::atomic<uint64_t> calls{0};
  calls = 0;
  Work work;
  work.operation = Operation::kCall;
  work.call = [](const void* /*context*/) noexcept { ++calls; };
  work.weights = std::numeric_limits<uint32_t>::max();
  EXPECT_TRUE(execute_job(work, GetParam()).status.ok());
  EXPECT_EQ(calls.load(), (uint64_t{1} << 32) / kChunkWeights);
}

TEST_P(JobThreads, NothingToDoEnds) {
  Work work;
  work.operation = Operation::kScanAffine;
  EXPECT_TRUE(execute_job(work, GetParam()).status.ok());
}

}  // namespace
}  // namespace arrowquant
