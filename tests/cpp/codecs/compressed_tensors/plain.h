#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/half.h"
#include "codecs/weight_sets.h"

/// compressed-tensors' formulas once more, one number at a time, with the conversions of base/half.h.
namespace arrowquant::testing {

enum class FloatType : uint8_t { kF32, kF16, kBF16 };

struct NamedType {
  FloatType type;
  std::string suffix;
  float epsilon;
  float tiny;
};

inline const std::vector<NamedType>& named_types() {
  static const std::vector<NamedType> types = {
      {FloatType::kF32, "f32", 0x1p-23F, 0x1p-126F},
      {FloatType::kF16, "f16", 0x1p-10F, 0x1p-14F},
      {FloatType::kBF16, "bf16", 0x1p-7F, 0x1p-126F},
  };
  return types;
}

inline float rounded(FloatType type, float value) {
  if (type == FloatType::kF16) return half_to_float(float_to_half(value));
  if (type == FloatType::kBF16) return bfloat16_to_float(float_to_bfloat16(value));
  return value;
}

inline std::vector<float> rounded(FloatType type, std::span<const float> values) {
  std::vector<float> all(values.begin(), values.end());
  for (float& value : all) value = rounded(type, value);
  return all;
}

/// Whether a type can hold all of them, and a scale of some of them.
inline bool is_held(FloatType type, std::span<const float> weights) {
  const float most = type == FloatType::kF16 ? 30000.0F : 1e38F;
  return std::ranges::all_of(weights, [&](float weight) { return std::fabs(weight) < most; });
}

/// Sets that are hard for a type: quotients that lie at the edges of its numbers, and where levels change.
inline std::vector<WeightSet> typed_sets(FloatType type, size_t count, uint64_t seed) {
  std::vector<WeightSet> sets = weight_sets(count, seed);
  Random random(seed);
  sets.push_back(make_weights("of the type", count, [&](size_t) { return rounded(type, random.normal() * 0.05F); }));
  sets.push_back(make_weights("few bits of the type", count, [&](size_t) {
    return rounded(type, static_cast<float>(static_cast<int>(random.below(511)) - 255) * 0x1p-9F);
  }));
  sets.push_back(make_weights("subnormal in f16", count, [&](size_t) { return random.normal() * 0x1p-16F; }));
  sets.push_back(make_weights("least of f16", count, [&](size_t i) {
    return static_cast<float>(static_cast<int>(random.below(9)) - 4) * (i < count / 2 ? 0x1p-24F : 0x1p-133F);
  }));
  sets.push_back(make_weights("far below the largest", count, [&](size_t i) {
    return i % 32 == 7 ? 30000.0F : random.normal() * std::ldexp(1.0F, -static_cast<int>(i % 64));
  }));
  std::erase_if(sets, [&](const WeightSet& set) { return !is_held(type, set.weights); });
  return sets;
}

inline float largest_of(std::span<const float> weights) {
  float largest = 0;
  for (const float weight : weights) largest = std::max(largest, std::fabs(weight));
  return largest;
}

}  // namespace arrowquant::testing
