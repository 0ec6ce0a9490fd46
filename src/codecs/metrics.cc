#include "codecs/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "codecs/importance.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

/// Weight i goes to the sums of stripe i mod kStripes, whatever the width of a lane type: that fixes the order of all
/// additions. A multiple of every kWidth, and enough to hide the latency of an addition.
constexpr size_t kStripes = 4;

using Stripes = std::array<double, kStripes>;

/// kWidth stripes. What is left out follows from these, at the end: arithmetic on doubles is what measuring takes.
template <typename L>
struct Sums {
  typename L::F64 squared_error = L::splat(0.0);
  typename L::F64 squared_original = L::splat(0.0);
  typename L::F64 original_by_error = L::splat(0.0);
  typename L::F64 max_squared_error = L::splat(0.0);

  void take(const float* original, const float* restored) noexcept {
    const auto x = L::to_f64(L::load(original));
    const auto y = L::to_f64(L::load(restored));
    const auto error = L::sub(x, y);
    const auto square = L::mul(error, error);
    squared_error = L::add(squared_error, square);
    squared_original = L::add(squared_original, L::mul(x, x));
    original_by_error = L::add(original_by_error, L::mul(x, error));
    max_squared_error = L::pmax(max_squared_error, square);
  }
};

template <typename L>
using AllSums = std::array<Sums<L>, kStripes / L::kWidth>;

template <typename L>
void take_step(AllSums<L>& sums, const float* original, const float* restored) noexcept {
  for (size_t i = 0; i < sums.size(); ++i) sums[i].take(original + i * L::kWidth, restored + i * L::kWidth);
}

/// One of the sums.
template <typename L>
using SumOf = typename L::F64 Sums<L>::*;

template <typename L>
Stripes stripes_of(const AllSums<L>& sums, SumOf<L> member) noexcept {
  Stripes stripes;
  for (size_t i = 0; i < sums.size(); ++i) L::store(stripes.data() + i * L::kWidth, sums[i].*member);
  return stripes;
}

double sum_in_order(const Stripes& stripes) noexcept {
  double sum = 0;
  for (const double stripe : stripes) sum += stripe;
  return sum;
}

template <typename L>
ErrorSums measure(std::span<const float> original, std::span<const float> restored) noexcept {
  AllSums<L> sums;
  const size_t whole = original.size() - original.size() % kStripes;
  for (size_t i = 0; i < whole; i += kStripes) take_step<L>(sums, original.data() + i, restored.data() + i);
  if (whole != original.size()) {
    std::array<float, kStripes> x{};
    std::array<float, kStripes> y{};
    std::copy(original.begin() + static_cast<ptrdiff_t>(whole), original.end(), x.begin());
    std::copy(restored.begin() + static_cast<ptrdiff_t>(whole), restored.end(), y.begin());
    take_step<L>(sums, x.data(), y.data());
  }
  const Stripes errors = stripes_of<L>(sums, &Sums<L>::max_squared_error);
  const double squared_error = sum_in_order(stripes_of<L>(sums, &Sums<L>::squared_error));
  const double squared_original = sum_in_order(stripes_of<L>(sums, &Sums<L>::squared_original));
  // With y = x − e: Σxy = Σx² − Σxe, and Σy² = Σxy − Σxe + Σe².
  const double original_by_error = sum_in_order(stripes_of<L>(sums, &Sums<L>::original_by_error));
  const double dot = squared_original - original_by_error;
  return {
      .squared_error = squared_error,
      .squared_original = squared_original,
      .squared_restored = std::max(dot - original_by_error + squared_error, 0.0),
      .dot = dot,
      // The root of a double's square, rounded, is that double, unless the square is too large or too small for one.
      .max_error = std::sqrt(*std::max_element(errors.begin(), errors.end())),
      .weighted_error = 0,
      .reference_error = 0,
      .weights = original.size()};
}

}  // namespace

void ErrorSums::add(const ErrorSums& later) noexcept {
  squared_error += later.squared_error;
  squared_original += later.squared_original;
  squared_restored += later.squared_restored;
  dot += later.dot;
  max_error = std::max(max_error, later.max_error);
  weighted_error += later.weighted_error;
  reference_error += later.reference_error;
  weights += later.weights;
}

ErrorSums measure_error(std::span<const float> original, std::span<const float> restored) noexcept {
  return measure<WasmLanes>(original, restored);
}

ErrorSums measure_error_reference(std::span<const float> original, std::span<const float> restored) noexcept {
  return measure<ScalarLanes>(original, restored);
}

double measure_weighted_error(std::span<const float> original, std::span<const float> restored,
                              const EncodeContext& context) noexcept {
  if (context.importance.empty()) return measure_error(original, restored).squared_error;
  double sum = 0;
  (void)for_each_row(context, original.size(), [&](size_t at, size_t count, const float* importance) noexcept {
    for (size_t i = 0; i < count; ++i) {
      const double error = static_cast<double>(original[at + i]) - static_cast<double>(restored[at + i]);
      sum += static_cast<double>(importance[i]) * (error * error);
    }
    return Status{};
  });
  return sum;
}

}  // namespace arrowquant
