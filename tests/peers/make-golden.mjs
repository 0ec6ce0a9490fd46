/**
 * Writes tests/cpp/codecs/block_golden.h: hashes of what llama.cpp makes of the weights of block-weights.mjs, for the
 * tests on platforms that its library does not run on. After a change of the weights or the list of formats:
 * `node tests/peers/make-golden.mjs && npm run format`.
 */
import { writeFileSync } from 'node:fs';
import { BLOCK_TYPES } from '../../dist/index.js';
import { blockWeights, hashBytes, hashFloats, randomBytes } from './block-weights.mjs';
import { openLlama } from './llama.mjs';

const llama = openLlama();
if (llama === null) throw new Error("llama.cpp's library is not to be had on this platform");

const sets = blockWeights();
const hex = (hash) => `0x${hash.toString(16).padStart(8, '0')}`;

function list(hashes) {
  const lines = [];
  for (let i = 0; i < hashes.length; i += 8)
    lines.push(
      `       ${hashes
        .slice(i, i + 8)
        .map(hex)
        .join(', ')}`,
    );
  return `{\n${lines.join(',\n')}}`;
}

function row(name) {
  const encoded = sets.map(({ weights }) => llama.encode(name, weights));
  const bytes = encoded.map(hashBytes);
  const decoded = encoded.map((blocks) => hashFloats(llama.decode(name, blocks)));
  const any = hashFloats(llama.decode(name, randomBytes(64 * llama.types.get(name).blockBytes)));
  return `    {"${name}",\n     ${list(bytes)},\n     ${list(decoded)},\n     ${hex(any)}},`;
}

const text = `// Made by tests/peers/make-golden.mjs from llama.cpp's own library. Do not edit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace arrowquant::testing {

inline constexpr size_t kBlockWeightSets = ${String(sets.length)};

/// Hashes of the weights of each set.
inline constexpr std::array<uint32_t, kBlockWeightSets> kGoldenWeights = {
${sets.map(({ name, weights }) => `    ${hex(hashFloats(weights))},  // ${name}`).join('\n')}
};

/// By weight set: hashes of the blocks, and of the weights that they decode to; of the weights of 64 random blocks.
struct GoldenFormat {
  std::string_view name;
  std::array<uint32_t, kBlockWeightSets> blocks;
  std::array<uint32_t, kBlockWeightSets> decoded;
  uint32_t random_decoded;
};

inline constexpr std::array kGoldenFormats = {
${BLOCK_TYPES.map((name) => row(name).replace('    {', '    GoldenFormat{')).join('\n')}
};

}  // namespace arrowquant::testing
`;

writeFileSync(new URL('../cpp/codecs/block_golden.h', import.meta.url), text);
