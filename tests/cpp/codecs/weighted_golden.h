// Made by tests/peers/make-weighted-golden.mjs from llama.cpp's own library. Do not edit.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "codecs/block_weights.h"

namespace arrowquant::testing {

/// Of all sets of block_weights, one row of each: hashes of the blocks with golden_importance, and with ones.
struct WeightedGolden {
  std::string_view name;
  uint32_t weighted;
  uint32_t ones;
};

/// A quarter are zeros.
inline std::vector<float> golden_importance(size_t count) {
  Xorshift random(2000);
  std::vector<float> importance(count);
  for (float& column : importance) {
    const int32_t value = random.below(65536) - 16384;
    column = scaled(std::max(value, 0), random.below(12) - 20);
  }
  return importance;
}

inline constexpr std::array kWeightedGolden = {
    WeightedGolden{"Q1_0", 0xd50c048b, 0xd50c048b},    WeightedGolden{"Q2_0", 0x6d43e3e0, 0x6d43e3e0},
    WeightedGolden{"Q4_0", 0x502e4f1d, 0x74f5ec07},    WeightedGolden{"Q4_1", 0xe9f278b9, 0xde59be09},
    WeightedGolden{"Q5_0", 0xd4d35bcc, 0x5a69cc37},    WeightedGolden{"Q5_1", 0x3460fd75, 0x7ff12497},
    WeightedGolden{"Q8_0", 0xbb50edd5, 0xbb50edd5},    WeightedGolden{"Q2_K", 0x3eeccaf4, 0xcc31d46b},
    WeightedGolden{"Q3_K", 0x1952e420, 0xd0c38050},    WeightedGolden{"Q4_K", 0x70cd8fc2, 0x45024b13},
    WeightedGolden{"Q5_K", 0xd04fb682, 0xee6b7ada},    WeightedGolden{"Q6_K", 0xc9d29821, 0x52bfb33f},
    WeightedGolden{"IQ2_XXS", 0xca266f1e, 0x5981f6f9}, WeightedGolden{"IQ2_XS", 0x2b7d11c1, 0x6404dca2},
    WeightedGolden{"IQ2_S", 0x678abb40, 0xbdef0bfe},   WeightedGolden{"IQ3_XXS", 0xe276505d, 0xf32a9903},
    WeightedGolden{"IQ3_S", 0x854578b8, 0xef5d8bef},   WeightedGolden{"IQ1_S", 0xc418801c, 0x86a123ba},
    WeightedGolden{"IQ1_M", 0x40c0075d, 0x8fcd2e5f},   WeightedGolden{"IQ4_NL", 0xaf28def9, 0x2ebb84cd},
    WeightedGolden{"IQ4_XS", 0x27f86f11, 0xd1a20e2a},  WeightedGolden{"TQ1_0", 0xe47c13f3, 0xe47c13f3},
    WeightedGolden{"TQ2_0", 0xbfd2c9ff, 0xbfd2c9ff},   WeightedGolden{"MXFP4", 0x5ae50998, 0x5ae50998},
    WeightedGolden{"NVFP4", 0x26605573, 0x26605573},
};

}  // namespace arrowquant::testing
