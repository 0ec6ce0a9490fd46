#include "codecs/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "codecs/weight_sets.h"

namespace arrowquant::testing {
namespace {

void expect_same_bits(const ErrorSums& a, const ErrorSums& b) {
  EXPECT_EQ(std::bit_cast<uint64_t>(a.squared_error), std::bit_cast<uint64_t>(b.squared_error));
  EXPECT_EQ(std::bit_cast<uint64_t>(a.squared_original), std::bit_cast<uint64_t>(b.squared_original));
  EXPECT_EQ(std::bit_cast<uint64_t>(a.squared_restored), std::bit_cast<uint64_t>(b.squared_restored));
  EXPECT_EQ(std::bit_cast<uint64_t>(a.dot), std::bit_cast<uint64_t>(b.dot));
  EXPECT_EQ(std::bit_cast<uint64_t>(a.max_error), std::bit_cast<uint64_t>(b.max_error));
  EXPECT_EQ(a.weights, b.weights);
}

/// Compensated summation: the true sum, as far as a double can tell.
class Sum {
 public:
  void add(double value) {
    const double next = sum_ + value;
    lost_ += std::fabs(sum_) >= std::fabs(value) ? (sum_ - next) + value : (value - next) + sum_;
    sum_ = next;
  }
  [[nodiscard]] double value() const { return sum_ + lost_; }

 private:
  double sum_ = 0;
  double lost_ = 0;
};

std::vector<float> disturb(const std::vector<float>& weights, uint64_t seed) {
  Random random(seed);
  std::vector<float> disturbed = weights;
  for (float& x : disturbed) x += random.uniform() * 0.01F;
  return disturbed;
}

TEST(Metrics, SimdEqualsTheReferenceAtEverySize) {
  const std::vector<float> original = weight_sets(200, 1).front().weights;
  const std::vector<float> restored = disturb(original, 2);
  for (size_t size = 0; size <= original.size(); ++size) {
    const std::unique_ptr<float[]> x(new float[size]);
    const std::unique_ptr<float[]> y(new float[size]);
    std::copy_n(original.begin(), size, x.get());
    std::copy_n(restored.begin(), size, y.get());
    const ErrorSums simd = measure_error({x.get(), size}, {y.get(), size});
    expect_same_bits(simd, measure_error_reference({x.get(), size}, {y.get(), size}));
    EXPECT_EQ(simd.weights, size);
  }
}

TEST(Metrics, SumsAreRightToTwelveDigits) {
  for (const WeightSet& set : weight_sets(5003, 3)) {
    SCOPED_TRACE(set.name);
    const std::vector<float> restored = disturb(set.weights, 4);
    Sum error;
    Sum original;
    Sum restored_sum;
    Sum dot;
    double largest = 0;
    for (size_t i = 0; i < restored.size(); ++i) {
      const double x = set.weights[i];
      const double y = restored[i];
      error.add((x - y) * (x - y));
      original.add(x * x);
      restored_sum.add(y * y);
      dot.add(x * y);
      largest = std::max(largest, std::fabs(x - y));
    }
    const ErrorSums sums = measure_error(set.weights, restored);
    expect_same_bits(sums, measure_error_reference(set.weights, restored));
    EXPECT_NEAR(sums.squared_error, error.value(), 1e-12 * error.value());
    EXPECT_NEAR(sums.squared_original, original.value(), 1e-12 * original.value());
    EXPECT_NEAR(sums.squared_restored, restored_sum.value(), 1e-12 * (original.value() + restored_sum.value()));
    EXPECT_NEAR(sums.dot, dot.value(), 1e-12 * original.value() + 1e-12 * std::fabs(dot.value()));
    EXPECT_EQ(sums.max_error, largest);
  }
}

TEST(Metrics, KnownSums) {
  const std::vector<float> original = {1.0F, 2.0F, -3.0F};
  const std::vector<float> restored = {1.0F, 2.5F, -1.0F};
  const ErrorSums sums = measure_error(original, restored);
  EXPECT_EQ(sums.squared_error, 4.25);
  EXPECT_EQ(sums.squared_original, 14.0);
  EXPECT_EQ(sums.squared_restored, 8.25);
  EXPECT_EQ(sums.dot, 9.0);
  EXPECT_EQ(sums.max_error, 2.0);
  EXPECT_EQ(sums.weights, 3U);
}

TEST(Metrics, EqualArraysHaveNoError) {
  const std::vector<float> weights = weight_sets(1000, 5).front().weights;
  const ErrorSums sums = measure_error(weights, weights);
  EXPECT_EQ(sums.squared_error, 0.0);
  EXPECT_EQ(sums.max_error, 0.0);
  EXPECT_EQ(sums.dot, sums.squared_original);
  EXPECT_EQ(sums.dot, sums.squared_restored);
}

TEST(Metrics, WeightsThatAreAllRestoredToZeroAreGone) {
  for (const WeightSet& set : weight_sets(1003, 8)) {
    SCOPED_TRACE(set.name);
    const std::vector<float> zeros(set.weights.size());
    const ErrorSums gone = measure_error(set.weights, zeros);
    EXPECT_EQ(gone.squared_error, gone.squared_original);
    EXPECT_EQ(gone.squared_restored, 0.0);
    EXPECT_EQ(gone.dot, 0.0);
    const ErrorSums made_up = measure_error(zeros, set.weights);
    EXPECT_EQ(made_up.squared_original, 0.0);
    EXPECT_EQ(made_up.squared_restored, gone.squared_original);
    EXPECT_EQ(made_up.dot, 0.0);
  }
}

TEST(Metrics, RestoredInfinityShows) {
  const std::vector<float> original = {1.0F, 2.0F};
  const std::vector<float> restored = {1.0F, std::numeric_limits<float>::infinity()};
  EXPECT_TRUE(std::isinf(measure_error(original, restored).max_error));
  EXPECT_TRUE(std::isinf(measure_error(original, restored).squared_error));
  EXPECT_TRUE(std::isinf(measure_error(original, restored).squared_restored));
}

TEST(Metrics, PiecesAddUp) {
  const std::vector<float> original = weight_sets(3000, 6).front().weights;
  const std::vector<float> restored = disturb(original, 7);
  ErrorSums total;
  for (size_t at = 0; at < original.size(); at += 1000) {
    total.add(measure_error(std::span(original).subspan(at, 1000), std::span(restored).subspan(at, 1000)));
  }
  const ErrorSums whole = measure_error(original, restored);
  EXPECT_EQ(total.weights, whole.weights);
  EXPECT_EQ(total.max_error, whole.max_error);
  EXPECT_NEAR(total.squared_error, whole.squared_error, 1e-12 * whole.squared_error);
  EXPECT_NEAR(total.squared_restored, whole.squared_restored, 1e-12 * whole.squared_restored);
  EXPECT_NEAR(total.dot, whole.dot, 1e-12 * whole.dot);
}

}  // namespace
}  // namespace arrowquant::testing
