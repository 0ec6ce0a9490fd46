import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../../support/models/folder.mjs';
import { kOutTypes } from '../support/cases.mjs';
import { kFamilies, writeFamily } from '../support/families.mjs';
import { sha256 } from '../support/gguf-records.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 1 });
});
afterAll(() => quantizer.dispose());

describe.each(kFamilies)('$name', (family) => {
  test("the files are those that llama.cpp's own converter writes", async () => {
    const input = writeFamily(family, folder.path('.'));
    const options = family.pre === undefined ? {} : { pre: family.pre };
    const digests = {};
    for (const type of ['F32', 'Q8_0']) {
      const output = folder.path('out.gguf');
      await quantizer.quantizeFile(input, output, { ...options, type, durability: 'none' });
      digests[kOutTypes[type]] = sha256(readFileSync(output));
    }
    expect(digests).toEqual(family.sha256);
  });
});
