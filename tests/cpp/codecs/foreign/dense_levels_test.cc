#include "codecs/foreign/dense_levels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "codecs/weight_sets.h"
#include "simd/lanes_scalar.h"
#include "simd/lanes_wasm.h"

namespace arrowquant {
namespace {

using testing::Random;

/// Bit by bit.
std::vector<uint8_t> packed_plainly(const std::vector<uint8_t>& levels, uint32_t bits) {
  std::vector<uint8_t> packed((levels.size() * bits + 7) / 8);
  for (size_t i = 0; i < levels.size(); ++i) {
    for (uint32_t bit = 0; bit < bits; ++bit) {
      const size_t at = i * bits + bit;
      packed[at / 8] = static_cast<uint8_t>(packed[at / 8] | (levels[i] >> bit & 1) << at % 8);
    }
  }
  return packed;
}

TEST(DenseLevels, AreThereAndBackWithoutTouchingWhatIsBehind) {
  Random random(1);
  for (const uint32_t bits : {2U, 3U, 4U, 5U, 6U, 7U, 8U}) {
    for (const size_t count : {0U, 1U, 2U, 7U, 8U, 9U, 31U, 32U, 40U, 100U, 128U, 129U, 1024U}) {
      SCOPED_TRACE(std::to_string(bits) + ' ' + std::to_string(count));
      std::vector<uint8_t> levels(count);
      for (uint8_t& level : levels) level = static_cast<uint8_t>(random.below(1U << bits));
      const std::vector<uint8_t> expected = packed_plainly(levels, bits);
      // Exactly as long as they must be, so that the address sanitizer sees a step too far.
      std::vector<uint8_t> wide(expected.size(), 0xA5);
      std::vector<uint8_t> scalar(expected.size(), 0x5A);
      pack_levels<WasmLanes>(levels, bits, wide.data());
      pack_levels<ScalarLanes>(levels, bits, scalar.data());
      EXPECT_EQ(wide, expected);
      EXPECT_EQ(scalar, expected);
      std::vector<uint8_t> restored(count, 0xFF);
      unpack_levels(expected.data(), bits, restored);
      EXPECT_EQ(restored, levels);
    }
  }
}

}  // namespace
}  // namespace arrowquant
