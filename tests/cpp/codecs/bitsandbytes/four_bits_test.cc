#include "codecs/bitsandbytes/four_bits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "codecs/weight_sets.h"
#include "engine/tensor.h"

namespace arrowquant::testing {
namespace {

constexpr std::array kNames = {"bnb_nf4", "bnb_fp4"};

/// Some digits of the quantiles that NF4 is made of, as its authors print them.
float nf4_value(size_t level) {
  constexpr std::array kValues = {-1.0F,          -0.6961928010F, -0.5250730515F, -0.3949174881F,
                                  -0.2844413817F, -0.1847734302F, -0.0910500363F, 0.0F,
                                  0.0795802996F,  0.1609302014F,  0.2461123019F,  0.3379152417F,
                                  0.4407098293F,  0.5626170039F,  0.7229568362F,  1.0F};
  return kValues.at(level);
}

/// A sign and multiples of 1/192.
float fp4_value(size_t level) {
  constexpr std::array kMultiples = {0, 1, 128, 192, 64, 96, 32, 48};
  const float magnitude = static_cast<float>(kMultiples.at(level & 7)) / 192.0F;
  return level > 7 && magnitude > 0 ? -magnitude : magnitude;
}

float value_of(std::string_view name, size_t level) { return name == "bnb_nf4" ? nf4_value(level) : fp4_value(level); }

unsigned level_at(Tensor& tensor, size_t index) {
  const unsigned pair = tensor.plane(0)[index / 2];
  return index % 2 == 0 ? pair >> 4 : pair & 15;
}

float absmax_at(Tensor& tensor, size_t block) {
  float absmax;
  std::memcpy(&absmax, tensor.plane(1).data() + 4 * block, sizeof absmax);
  return absmax;
}

/// The level that a plain loop over all of them takes: the nearest, of two equally near the one with the lower value.
/// Sums of neighbours are halved in f32, as the library does.
unsigned nearest_level(std::string_view name, float scaled) {
  std::vector<unsigned> order(16);
  for (unsigned i = 0; i < 16; ++i) order[i] = i;
  std::ranges::stable_sort(order, {}, [&](unsigned level) { return value_of(name, level); });
  size_t place = 0;
  while (place < 15) {
    const float halfway = (value_of(name, order[place]) + value_of(name, order[place + 1])) / 2;
    if (scaled <= halfway) break;
    ++place;
  }
  return order[place];
}

TEST(BitsandbytesFourBits, TakeTheNearestValueOfEachBlock) {
  for (const std::string name : kNames) {
    for (const uint32_t size : bitsandbytes::kBlockSizes) {
      for (const auto& [kind, weights] : weight_sets(600, 41)) {
        SCOPED_TRACE(name + ' ' + kind + ' ' + std::to_string(size));
        Tensor tensor = Tensor::encoded(encoding_of(name, {0, size, false}), weights);
        ASSERT_TRUE(tensor.status().ok());
        for (size_t begin = 0; begin < weights.size(); begin += size) {
          const size_t end = std::min<size_t>(begin + size, weights.size());
          float absmax = 0;
          for (size_t i = begin; i < end; ++i) absmax = std::max(absmax, std::fabs(weights[i]));
          const float divisor = std::max(absmax, 1e-38F);
          const bool is_short = end - begin < size;
          ASSERT_EQ(absmax_at(tensor, begin / size), is_short ? divisor : absmax);
          for (size_t i = begin; i < end; ++i) {
            const float scaled = is_short ? weights[i] / divisor : weights[i] * (1.0F / divisor);
            ASSERT_EQ(level_at(tensor, i), nearest_level(name, scaled)) << i << ' ' << weights[i];
          }
        }
      }
    }
  }
}

TEST(BitsandbytesFourBits, HaveTheLevelOfZeroWhereAnOddNumberEnds) {
  for (const size_t count : {size_t{1}, size_t{63}, size_t{217}}) {
    const std::vector<float> weights(count, 1.0F);
    EXPECT_EQ(Tensor::encoded(encoding_of("bnb_nf4", {0, 64, false}), weights).plane(0).back(), 0xF7);
    EXPECT_EQ(Tensor::encoded(encoding_of("bnb_fp4", {0, 64, false}), weights).plane(0).back(), 0x30);
  }
}

TEST(BitsandbytesFourBits, KeepNoSignOfZerosButThatOfTheLibrary) {
  std::vector<float> weights(64, 0.0F);
  weights[0] = 1.0F;
  weights[1] = -0.0F;
  weights[2] = 1e-9F;
  weights[3] = -1e-9F;
  Tensor fp4 = Tensor::encoded(encoding_of("bnb_fp4", {0, 64, false}), weights);
  EXPECT_EQ(level_at(fp4, 1), 0U);
  EXPECT_EQ(level_at(fp4, 2), 8U);
  EXPECT_EQ(level_at(fp4, 3), 0U);
  Tensor nf4 = Tensor::encoded(encoding_of("bnb_nf4", {0, 64, false}), weights);
  for (const size_t i : {1, 2, 3, 4}) EXPECT_EQ(level_at(nf4, i), 7U);
}

TEST(BitsandbytesFourBits, RefuseTheFirstWeightThatIsNotFinite) {
  for (const std::string name : kNames) {
    for (const size_t at : {size_t{5}, size_t{70}, size_t{129}}) {
      std::vector<float> weights(130, 0.5F);
      weights.back() = -std::numeric_limits<float>::infinity();
      weights[at] = std::numeric_limits<float>::quiet_NaN();
      const Encoding encoding = encoding_of(name, {0, 64, false});
      Tensor tensor(encoding, weights.size());
      EncodeContext context;
      context.parameters = encoding.parameters;
      for (const auto encode : {encoding.codec->encode, reference_of(*encoding.codec).encode}) {
        const Status status = encode(weights, tensor.spans(), context);
        EXPECT_EQ(status.code, StatusCode::kNotFinite);
        EXPECT_EQ(status.position, at);
      }
    }
  }
}

TEST(BitsandbytesFourBits, InstancesAgreeOnEveryLength) {
  Random random(7);
  for (const std::string name : kNames) {
    for (size_t count = 0; count < 300; ++count) {
      std::vector<float> weights(count);
      for (float& weight : weights) weight = random.normal() * 0.05F;
      const Encoding encoding = encoding_of(name, {0, 64, false});
      Tensor expected = Tensor::encoded(encoding, weights);
      Tensor actual(encoding, count);
      EncodeContext context;
      context.parameters = encoding.parameters;
      ASSERT_TRUE(encoding.codec->encode(weights, actual.spans(), context).ok());
      ASSERT_EQ(actual.bytes(), expected.bytes()) << count;
    }
  }
}

TEST(BitsandbytesFourBits, AreDecodedToValuesTimesAbsmax) {
  for (const std::string name : kNames) {
    for (const uint32_t size : bitsandbytes::kBlockSizes) {
      Random random(size);
      Tensor tensor(encoding_of(name, {0, size, false}), 701);
      for (uint8_t& byte : tensor.plane(0)) byte = static_cast<uint8_t>(random.bits());
      const auto bytes = tensor.plane(1);
      for (size_t i = 0; i < bytes.size(); i += 4) {
        const float absmax = random.uniform() * 3;
        std::memcpy(&bytes[i], &absmax, sizeof absmax);
      }
      const std::vector<float> weights = tensor.decoded();
      for (size_t i = 0; i < weights.size(); ++i) {
        ASSERT_EQ(weights[i], value_of(name, level_at(tensor, i)) * absmax_at(tensor, i / size)) << i;
      }
    }
  }
}

}  // namespace
}  // namespace arrowquant::testing
