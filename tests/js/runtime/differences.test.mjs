import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { differencesOf } from '../../../tools/build/differences.mjs';
import { withDifferences } from '../support/internals.mjs';

const wasm = (flavour) =>
  new Uint8Array(readFileSync(new URL(`../../../dist/wasm/arrowquant-${flavour}.wasm`, import.meta.url)));

/** Bytes that look random, and are always the same. */
function bytesOf(length, seed) {
  let state = seed;
  return Uint8Array.from({ length }, () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 16);
}

const joined = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));
const kBase = bytesOf(5000, 7);

describe('differences give back what they were made of', () => {
  test.each([
    ['nothing of nothing', bytesOf(0, 1), bytesOf(0, 1)],
    ['nothing', kBase, bytesOf(0, 1)],
    ['something of nothing', bytesOf(0, 1), bytesOf(300, 2)],
    ['the same', kBase, kBase],
    ['something else', kBase, bytesOf(5000, 8)],
    ['new bytes in front', kBase, joined(bytesOf(20, 3), kBase)],
    ['new bytes at the end', kBase, joined(kBase, bytesOf(20, 3))],
    ['bytes that are missing', kBase, joined(kBase.subarray(0, 1000), kBase.subarray(1001))],
    ['one byte that is another', kBase, joined(kBase.subarray(0, 1000), [kBase[1000] ^ 1], kBase.subarray(1001))],
    [
      'stretches in another order',
      kBase,
      joined(kBase.subarray(3000), kBase.subarray(100, 2000), kBase.subarray(4000, 4100)),
    ],
    ['a stretch again and again', kBase, joined(...Array(50).fill(kBase.subarray(77, 177)))],
    ['zeros', new Uint8Array(3000), new Uint8Array(2999)],
  ])('%s', (_, base, target) => {
    expect(withDifferences(base, differencesOf(base, target))).toEqual(target);
  });

  test('the build without threads, in a tenth of its size', () => {
    const [threads, single] = [wasm('threads'), wasm('single')];
    const differences = differencesOf(threads, single);
    expect(Buffer.compare(withDifferences(threads, differences), single)).toBe(0);
    expect(differences.length).toBeLessThan(single.length / 10);
  });
});

test('differences that are cut off, or of something else, are refused', () => {
  const differences = differencesOf(kBase, joined(kBase.subarray(3000), bytesOf(50, 9), kBase.subarray(0, 3000)));
  for (let length = 0; length < differences.length; ++length) {
    expect(() => withDifferences(kBase, differences.subarray(0, length))).toThrow(RangeError);
  }
  expect(() => withDifferences(kBase.subarray(0, 100), differences)).toThrow(RangeError);
});
