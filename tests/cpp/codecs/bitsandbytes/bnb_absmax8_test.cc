#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "codecs/weight_sets.h"
#include "engine/tensor.h"

namespace arrowquant::testing {
namespace {

const Encoding kEncoding = encoding_of("bnb_absmax8");

/// What the levels 0…255 stand for, in a block whose largest magnitude is `absmax`.
std::vector<float> map_times(float absmax) {
  Tensor tensor(kEncoding, 256);
  for (size_t i = 0; i < 256; ++i) tensor.plane(0)[i] = static_cast<uint8_t>(i);
  std::memcpy(tensor.plane(1).data(), &absmax, sizeof absmax);
  return tensor.decoded();
}

TEST(BitsandbytesAbsmax8, HasTheMapOfTheLibrary) {
  const std::vector<float> map = map_times(1);
  EXPECT_TRUE(std::ranges::is_sorted(map));
  EXPECT_EQ(map[127], 0.0F);
  EXPECT_EQ(map[255], 1.0F);
  EXPECT_EQ(map[0], -0.99296875F);
  EXPECT_EQ(map[254], 0.99296875F);
  EXPECT_FLOAT_EQ(map[128], 0.55e-6F);
  EXPECT_FLOAT_EQ(map[126], -0.55e-6F);
  for (size_t i = 0; i < 127; ++i) EXPECT_EQ(map[i], -map[254 - i]);
}

TEST(BitsandbytesAbsmax8, TakesValuesOfTheMapAsTheyAre) {
  std::vector<float> numbers = map_times(3);
  Tensor tensor = Tensor::encoded(kEncoding, numbers);
  ASSERT_TRUE(tensor.status().ok());
  // Those nearest to zero are nearer to each other than the 65536 numbers on the way.
  for (size_t i = 0; i < 256; ++i) {
    if (std::fabs(numbers[i]) < 3e-4F) continue;
    EXPECT_EQ(tensor.plane(0)[i], i);
  }
  EXPECT_EQ(tensor.decoded()[255], 3.0F);
}

TEST(BitsandbytesAbsmax8, IsNearestWithinWhatTheLibraryTellsApart) {
  const std::vector<float> map = map_times(1);
  for (const auto& [name, numbers] : weight_sets(700, 5)) {
    SCOPED_TRACE(name);
    Tensor tensor = Tensor::encoded(kEncoding, numbers);
    ASSERT_TRUE(tensor.status().ok());
    for (size_t begin = 0; begin < numbers.size(); begin += 256) {
      const size_t end = std::min<size_t>(begin + 256, numbers.size());
      float absmax = 0;
      for (size_t i = begin; i < end; ++i) absmax = std::max(absmax, std::fabs(numbers[i]));
      for (size_t i = begin; i < end; ++i) {
        const unsigned level = tensor.plane(0)[i];
        if (absmax == 0) {
          ASSERT_EQ(level, 0U);
          continue;
        }
        const float scaled = numbers[i] * (1 / absmax);
        if (!std::isfinite(1 / absmax)) continue;
        float least = 2;
        for (const float value : map) least = std::min(least, std::fabs(value - scaled));
        ASSERT_LE(std::fabs(map[level] - scaled), least + 2.1F / 65535) << i;
      }
    }
  }
}

TEST(BitsandbytesAbsmax8, RefusesTheFirstNumberThatIsNotFinite) {
  std::vector<float> numbers(300, 0.5F);
  numbers[270] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Tensor::encoded(kEncoding, numbers).status().position, 270U);
  numbers[3] = std::numeric_limits<float>::quiet_NaN();
  const Tensor tensor = Tensor::encoded(kEncoding, numbers);
  EXPECT_EQ(tensor.status().code, StatusCode::kNotFinite);
  EXPECT_EQ(tensor.status().position, 3U);
}

}  // namespace
}  // namespace arrowquant::testing
