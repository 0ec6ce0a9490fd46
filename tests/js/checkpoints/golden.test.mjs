import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { kCases, kOutTypes } from './support/cases.mjs';
import { caseDifferences } from './support/differences.mjs';
import { sha256 } from './support/gguf-records.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

test('the checkpoints are what the converter was given', () => {
  expect(kCases).toHaveLength(19);
  for (const { name, input, files } of kCases) {
    const own = Object.keys(files).map((file) => [file, sha256(readFileSync(`${input}/${file}`))]);
    expect({ name, files: own }).toEqual({
      name,
      files: Object.entries(files).map(([file, { sha256: digest }]) => [file, digest]),
    });
  }
});

describe.each(kCases)('$name', (one) => {
  test.each(Object.entries(kOutTypes))(
    "%s is the file that llama.cpp's own converter writes, byte for byte",
    async (type, outType) => {
      const output = folder.path('out.gguf');
      await quantizer.quantizeFile(one.input, output, { ...one.options, type, durability: 'none' });
      const file = readFileSync(output);
      expect(caseDifferences(file, one, outType)).toEqual([]);
      expect(file).toHaveLength(one.outputs[outType].bytes);
    },
  );
});
