#pragma once

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/half.h"
#include "codecs/codec.h"
#include "codecs/weight_sets.h"
#include "engine/tensor.h"

/// What the tests of codecs of other programs share: types of floats without lanes, and levels bit by bit.
namespace arrowquant::testing {

/// A float type: its suffix in names of codecs, and rounding to it.
struct PlainType {
  std::string_view name;
  ElementType element;

  [[nodiscard]] float round(float value) const {
    if (element == ElementType::kF16) return half_to_float(float_to_half(value));
    if (element == ElementType::kBF16) return bfloat16_to_float(float_to_bfloat16(value));
    return value;
  }

  /// Element `index` of a plane of this type.
  [[nodiscard]] float at(std::span<const uint8_t> plane, size_t index) const {
    if (element == ElementType::kF32) {
      float value;
      std::memcpy(&value, &plane[4 * index], sizeof value);
      return value;
    }
    const auto bits = static_cast<uint16_t>(plane[2 * index] | plane[2 * index + 1] << 8);
    return element == ElementType::kF16 ? half_to_float(bits) : bfloat16_to_float(bits);
  }
};

inline constexpr PlainType kPlainF32 = {"f32", ElementType::kF32};
inline constexpr PlainType kPlainF16 = {"f16", ElementType::kF16};
inline constexpr PlainType kPlainBf16 = {"bf16", ElementType::kBF16};
inline constexpr std::array kPlainTypes = {kPlainF32, kPlainF16, kPlainBf16};

/// Level `index` of a plane of levels without gaps.
[[nodiscard]] inline int level_at(std::span<const uint8_t> plane, uint32_t bits, size_t index) {
  int level = 0;
  for (uint32_t bit = 0; bit < bits; ++bit) {
    const size_t at = index * bits + bit;
    level |= (plane[at / 8] >> at % 8 & 1) << bit;
  }
  return level;
}

/// The sets of weights that break quantizers, and those that a type can tell apart, of which `fits` is true; a group
/// of each more is short.
template <typename Fits>
std::vector<WeightSet> sets_that_fit(const PlainType& type, size_t count, uint64_t seed, Fits fits) {
  std::vector<WeightSet> chosen;
  Random random(seed);
  std::vector<WeightSet> all = weight_sets(count, seed);
  all.push_back(make_weights("steps of 2^-24", count, [&](size_t) {
    return static_cast<float>(static_cast<int>(random.below(81)) - 40) * 0x1p-24F;
  }));
  all.push_back(make_weights("powers of two", count, [&](size_t) {
    return std::ldexp(random.below(2) == 0 ? 1.0F : -1.0F, static_cast<int>(random.below(30)) - 20);
  }));
  all.push_back(make_weights("eighths", count,
                             [&](size_t) { return static_cast<float>(static_cast<int>(random.below(129)) - 64) / 8; }));
  for (WeightSet& set : all) {
    WeightSet rounded = {set.name + " in " + std::string(type.name), set.weights};
    for (float& weight : rounded.weights) weight = type.round(weight);
    if (fits(rounded.weights)) {
      chosen.push_back(std::move(rounded));
      chosen.push_back(std::move(set));
    }
  }
  return chosen;
}

/// Both instances of a codec, which must agree on planes, status and numbers. The planes are those of the scalar one.
inline Tensor encode_both(const Encoding& encoding, std::span<const float> weights) {
  Tensor expected = Tensor::encoded(encoding, weights);
  Tensor actual(encoding, weights.size());
  EncodeContext context;
  context.parameters = encoding.parameters;
  const Status status = encoding.codec->encode(weights, actual.spans(), context);
  EXPECT_EQ(status.code, expected.status().code);
  EXPECT_EQ(status.position, expected.status().position);
  if (status.ok()) {
    EXPECT_EQ(actual.bytes(), expected.bytes());
  }
  return expected;
}

/// What `check` says of planes, with the code and the position of the first weight that is hurt.
inline Status check_planes(const Encoding& encoding, Tensor& tensor) {
  const Planes planes = tensor.spans();
  return encoding.codec->check({planes[0], planes[1], planes[2], planes[3]}, encoding.parameters, tensor.weights());
}

/// Weights of which one is NaN or infinite, or more than the type holds, are refused by both instances at its place.
inline void expect_refusals(const Encoding& encoding, const PlainType& type) {
  const float huge = type.element == ElementType::kF16 ? 65520.0F : std::bit_cast<float>(0x7F7F8000U);
  const float fits = type.element == ElementType::kF16 ? 65519.0F : std::bit_cast<float>(0x7F7F7FFFU);
  for (const size_t bad : {size_t{0}, size_t{31}, size_t{1030}, size_t{2999}}) {
    std::vector<float> weights(3000, 0.5F);
    for (const float value : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(),
                              std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
      weights[bad] = value;
      const Status status = encode_both(encoding, weights).status();
      EXPECT_EQ(status.code, StatusCode::kNotFinite);
      EXPECT_EQ(status.position, bad);
    }
    weights[bad] = -huge;
    const Status status = encode_both(encoding, weights).status();
    EXPECT_EQ(status.code, type.element == ElementType::kF32 ? StatusCode::kOk : StatusCode::kFloatOverflow);
    if (!status.ok()) {
      EXPECT_EQ(status.position, bad);
    }
    weights[bad] = fits;
    EXPECT_TRUE(encode_both(encoding, weights).status().ok());
  }
}

}  // namespace arrowquant::testing
