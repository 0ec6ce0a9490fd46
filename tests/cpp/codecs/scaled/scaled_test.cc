#include "codecs/scaled/scaled.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "codecs/codec.h"

namespace arrowquant::testing {
namespace {

/// What an element is worth, from its definition; `code` has as many bits as an element.
using ValueOf = std::function<float(unsigned code)>;

struct Case {
  std::string_view name;
  uint32_t bits;
  bool high_first;
  bool is_rotated;
  ValueOf value;
};

float small_float(unsigned code, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const float sign = (code >> (exponent_bits + fraction_bits) & 1) != 0 ? -1.0F : 1.0F;
  const int exponent = static_cast<int>(code >> fraction_bits) & ((1 << exponent_bits) - 1);
  const float fraction = std::ldexp(static_cast<float>(code & ((1U << fraction_bits) - 1)), -fraction_bits);
  return sign * (exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias));
}

float signed_integer(unsigned code, unsigned bits) {
  const auto value = static_cast<int>(code);
  return static_cast<float>(value >= 1 << (bits - 1) ? value - (1 << bits) : value);
}

std::vector<Case> cases() {
  const auto e4m3 = [](unsigned code) { return (code & 0x7F) == 0x7F ? 0.0F : small_float(code, 4, 3); };
  const auto e5m2 = [](unsigned code) { return (code & 0x7C) == 0x7C ? 0.0F : small_float(code, 5, 2); };
  const auto e2m1 = [](unsigned code) { return small_float(code, 2, 1); };
  const auto int8 = [](unsigned code) { return signed_integer(code, 8); };
  const auto int4 = [](unsigned code) { return signed_integer(code, 4); };
  return {{"F8_E4M3_SCALED", 8, false, false, e4m3}, {"F8_E5M2_SCALED", 8, false, false, e5m2},
          {"I8_SCALED", 8, false, false, int8},      {"I8_ROTATED", 8, false, true, int8},
          {"I4_ROTATED", 4, false, true, int4},      {"E2M1_SCALED", 4, false, false, e2m1},
          {"E2M1_HIGH_SCALED", 4, true, false, e2m1}};
}

/// Bytes of `weights` elements, none of which is NaN or infinite, and their scales.
struct Stored {
  std::vector<uint8_t> elements;
  std::vector<uint8_t> scales;

  Stored(const Codec& codec, const CodecParameters& parameters, size_t weights, bool is_e5m2)
      : elements(static_cast<size_t>(plane_bytes({&codec, parameters}, 0, weights))),
        scales(static_cast<size_t>(plane_bytes({&codec, parameters}, 1, weights))) {
    std::mt19937 random(static_cast<uint32_t>(weights));
    for (uint8_t& byte : elements) byte = static_cast<uint8_t>(random() & (is_e5m2 ? 0xBB : 0xF7));
    for (size_t i = 0; i < scales.size() / 4; ++i) {
      const float scale = static_cast<float>(random() % 1000 + 1) * 0.000123F * (random() % 2 == 0 ? 1.0F : -1.0F);
      std::memcpy(scales.data() + 4 * i, &scale, sizeof scale);
    }
  }

  [[nodiscard]] float scale(size_t group) const {
    float value;
    std::memcpy(&value, scales.data() + 4 * group, sizeof value);
    return value;
  }

  [[nodiscard]] unsigned code(const Case& one, size_t index) const {
    if (one.bits == 8) return elements[index];
    const unsigned pair = elements[index / 2];
    return (index % 2 == 0) == one.high_first ? pair >> 4 : pair & 15;
  }
};

std::vector<float> decoded(Codec::Decode decode, const Stored& stored, const CodecParameters& parameters,
                           size_t weights) {
  std::vector<float> values(weights, NAN);
  decode({stored.elements, stored.scales}, parameters, values);
  return values;
}

/// The matrix of order four that larger ones are made of.
double hadamard_entry(size_t size, size_t row, size_t column) {
  double entry = 1 / std::sqrt(static_cast<double>(size));
  for (; size > 1; size /= 4, row /= 4, column /= 4) entry *= row % 4 + column % 4 == 3 ? -1 : 1;
  return entry;
}

TEST(Scaled, ValuesAreElementsTimesScales) {
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    const Codec* codec = find_codec(one.name);
    ASSERT_NE(codec, nullptr);
    if (one.is_rotated) continue;
    for (const uint32_t group_size : codec->group_sizes) {
      for (const size_t weights : {size_t{1}, size_t{255}, size_t{256}, size_t{700}, size_t{1024}}) {
        const CodecParameters parameters = {0, group_size, false};
        const Stored stored(*codec, parameters, weights, one.name == "F8_E5M2_SCALED");
        const std::vector<float> values = decoded(codec->decode, stored, parameters, weights);
        for (size_t i = 0; i < weights; ++i) {
          ASSERT_EQ(values[i], one.value(stored.code(one, i)) * stored.scale(i / group_size)) << i;
        }
      }
    }
  }
}

TEST(Scaled, RotatedGroupsAreMultipliedWithTheMatrix) {
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    if (!one.is_rotated) continue;
    const Codec& codec = *find_codec(one.name);
    for (const uint32_t size : codec.group_sizes) {
      const CodecParameters parameters = {0, size, false};
      const Stored stored(codec, parameters, 512, false);
      const std::vector<float> values = decoded(codec.decode, stored, parameters, 512);
      for (size_t i = 0; i < values.size(); ++i) {
        const size_t begin = i - i % size;
        double sum = 0;
        double magnitude = 0;
        for (size_t k = 0; k < size; ++k) {
          const double term = hadamard_entry(size, i - begin, k) * one.value(stored.code(one, begin + k));
          sum += term * stored.scale(begin / size);
          magnitude += std::fabs(term * stored.scale(begin / size));
        }
        ASSERT_NEAR(values[i], sum, magnitude * 1e-6) << i;
      }
    }
  }
}

TEST(Scaled, RotatingTwiceGivesWhatWasThere) {
  // Whole numbers, whose sums are exact.
  for (const size_t size : {size_t{4}, size_t{16}, size_t{64}, size_t{256}}) {
    std::vector<float> weights(2 * size);
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i * i % 251) - 125;
    std::vector<float> rotated = weights;
    scaled::rotate_groups(size, rotated);
    EXPECT_NE(rotated, weights);
    scaled::rotate_groups(size, rotated);
    EXPECT_EQ(rotated, weights);
  }
}

TEST(Scaled, InstancesAgreeOnAllBytes) {
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    const Codec& codec = *find_codec(one.name);
    const CodecParameters parameters = {0, 16, false};
    for (const size_t weights : {size_t{16}, size_t{250}, size_t{256}}) {
      Stored stored(codec, parameters, weights, false);
      for (size_t i = 0; i < stored.elements.size(); ++i) stored.elements[i] = static_cast<uint8_t>(i * 5);
      const std::vector<float> values = decoded(codec.decode, stored, parameters, weights);
      const std::vector<float> expected = decoded(reference_of(codec).decode, stored, parameters, weights);
      for (size_t i = 0; i < weights; ++i) {
        ASSERT_EQ(std::bit_cast<uint32_t>(values[i]), std::bit_cast<uint32_t>(expected[i])) << i;
      }
    }
  }
}

TEST(Scaled, CodecsAreReadOnlyAndNoTypesOfGgml) {
  for (const Case& one : cases()) {
    const Codec& codec = *find_codec(one.name);
    EXPECT_EQ(codec.encode, nullptr);
    EXPECT_EQ(codec.ggml_type, -1);
    EXPECT_EQ(codec.plane_count, 2U);
  }
}

}  // namespace
}  // namespace arrowquant::testing
