#pragma once

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace arrowquant::testing {

/// Numbers that are the same on every platform and library: a 64-bit linear congruential generator.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}

  uint32_t bits() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<uint32_t>(state_ >> 32);
  }
  uint32_t below(uint32_t end) { return static_cast<uint32_t>(uint64_t{bits()} * end >> 32); }
  /// In [−1, 1).
  float uniform() { return static_cast<float>(static_cast<int32_t>(bits())) * 0x1p-31F; }
  /// Near enough: the sum of four uniforms.
  float normal() { return uniform() + uniform() + uniform() + uniform(); }
  /// Any finite float, all bit patterns alike.
  float any_finite() {
    const float value = std::bit_cast<float>(bits());
    return std::isfinite(value) ? value : any_finite();
  }

 private:
  uint64_t state_;
};

struct WeightSet {
  std::string name;
  std::vector<float> weights;
};

template <typename Make>
WeightSet make_weights(std::string name, size_t count, Make make) {
  WeightSet set{std::move(name), std::vector<float>(count)};
  for (size_t i = 0; i < count; ++i) set.weights[i] = make(i);
  return set;
}

/// Kinds of weights that have broken quantizers, each `count` long.
inline std::vector<WeightSet> weight_sets(size_t count, uint64_t seed) {
  Random random(seed);
  const float huge = FLT_MAX;
  const float tiny = std::numeric_limits<float>::denorm_min();
  std::vector<WeightSet> sets;
  const auto add = [&](std::string name, auto make) { sets.push_back(make_weights(std::move(name), count, make)); };
  add("normal", [&](size_t) { return random.normal() * 0.02F; });
  add("positive only", [&](size_t) { return std::fabs(random.normal()) + 0.5F; });
  add("negative only", [&](size_t) { return -std::fabs(random.normal()) - 0.5F; });
  add("any finite bits", [&](size_t) { return random.any_finite(); });
  add("zeros", [](size_t) { return 0.0F; });
  add("negative zeros", [](size_t) { return -0.0F; });
  add("zeros of both signs", [](size_t i) { return i % 3 == 0 ? -0.0F : 0.0F; });
  add("constant", [](size_t) { return 0.7F; });
  add("negative constant", [](size_t) { return -0.7F; });
  add("one outlier", [&](size_t i) { return i == count / 2 ? -1000.0F : random.normal() * 0.01F; });
  add("ternary", [&](size_t) { return static_cast<float>(static_cast<int>(random.below(3)) - 1) * 0.3F; });
  add("extremes tie, positive first", [&](size_t i) { return (i % 2 == 0 ? 1.0F : -1.0F) * 0.37F; });
  add("extremes tie, negative first", [&](size_t i) { return (i % 2 == 0 ? -1.0F : 1.0F) * 0.37F; });
  // The extremes make the scale a power of two, so that the others lie halfway between two levels.
  add("ties at 8 bits", [&](size_t i) {
    return i % 32 == 5 ? -127.5F : i % 32 == 9 ? 127.5F : static_cast<float>(random.below(255)) - 127.0F + 0.5F;
  });
  add("ties at 4 bits", [&](size_t i) { return i % 32 == 5 ? 15.0F : static_cast<float>(random.below(15)) + 0.5F; });
  add("ties at 2 bits", [&](size_t i) {
    return i % 32 == 5 ? 1.5F : i % 32 == 6 ? -1.5F : static_cast<float>(random.below(3)) - 1.0F;
  });
  add("symmetric ties",
      [&](size_t i) { return i % 32 == 3 ? -128.0F : static_cast<float>(random.below(255)) - 127.0F + 0.5F; });
  add("subnormals", [&](size_t) { return static_cast<float>(static_cast<int>(random.below(65536)) - 32768) * tiny; });
  add("scale at the edge of subnormal", [&](size_t) { return random.uniform() * FLT_MIN * 16.0F; });
  add("scale FLT_MIN", [&](size_t i) { return i % 32 == 0 ? -128.0F * FLT_MIN : random.uniform() * 127.0F * FLT_MIN; });
  add("huge", [&](size_t) { return random.uniform() * huge; });
  add("largest of both signs", [&](size_t i) { return i % 3 == 0 ? huge : i % 3 == 1 ? -huge : random.uniform(); });
  add("twelve decades",
      [&](size_t i) { return random.normal() * std::ldexp(1.0F, static_cast<int>(i / 32 % 40) - 20); });
  add("rounded to bfloat16",
      [&](size_t) { return std::bit_cast<float>(std::bit_cast<uint32_t>(random.normal()) & 0xFFFF0000U); });
  return sets;
}

}  // namespace arrowquant::testing
