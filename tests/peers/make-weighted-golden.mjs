/**
 * Writes tests/cpp/codecs/weighted_golden.h: hashes of what llama.cpp makes of the weights of block-weights.mjs with
 * importance, for the tests on platforms that its library does not run on. Afterwards: `npm run format`.
 */
import { writeFileSync } from 'node:fs';
import { BLOCK_TYPES } from '../../dist/index.js';
import { blockWeights, hashBytes, Random } from './block-weights.mjs';
import { openLlama } from './llama.mjs';

const ROW = 1280;

const llama = openLlama();
if (llama === null) throw new Error("llama.cpp's library is not to be had on this platform");

/** golden_importance of the header that is written here. */
function goldenImportance() {
  const random = new Random(2000);
  return Float32Array.from({ length: ROW }, () => {
    const value = random.below(65536) - 16384;
    return Math.max(value, 0) * 2 ** (random.below(12) - 20);
  });
}

const importances = [goldenImportance(), new Float32Array(ROW).fill(1)];
const rows = blockWeights().map(({ weights }) => weights.slice(0, ROW));
const hashOf = (name, importance) => {
  const blocks = rows.map((row) => [...llama.encode(name, row, undefined, importance)]);
  return `0x${hashBytes(Uint8Array.from(blocks.flat())).toString(16).padStart(8, '0')}`;
};
const line = (name) =>
  `    WeightedGolden{"${name}", ${importances.map((importance) => hashOf(name, importance)).join(', ')}},`;

const text = `// Made by tests/peers/make-weighted-golden.mjs from llama.cpp's own library. Do not edit.
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
${BLOCK_TYPES.map(line).join('\n')}
};

}  // namespace arrowquant::testing
`;

writeFileSync(new URL('../cpp/codecs/weighted_golden.h', import.meta.url), text);
