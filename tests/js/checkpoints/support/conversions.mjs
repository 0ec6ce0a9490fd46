import { readFileSync } from 'node:fs';
import { afterAll, beforeAll } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../../support/models/folder.mjs';
import { writeDescribed } from './described.mjs';
import { sha256 } from './gguf-records.mjs';

/** For the tests of a file: described models, written and converted. */
export function useConversions() {
  const folder = useFolder();
  let quantizer;
  beforeAll(async () => {
    quantizer = await ArrowQuant.create({ threads: 2 });
  });
  afterAll(() => quantizer.dispose());

  async function digest(model, type) {
    const { input, options } = writeDescribed(model, folder.at);
    const output = folder.path('out.gguf');
    await quantizer.quantizeFile(input, output, { ...options, type, durability: 'none', metrics: false });
    return sha256(readFileSync(output));
  }

  return {
    /** By llama.cpp's --outtype, those of the files that a model becomes. */
    digests: async (model) => ({ f16: await digest(model, 'F16'), q8_0: await digest(model, 'Q8_0') }),
    /** What a plan for a model is; it rejects where that is refused. */
    plan(model) {
      const { input, options } = writeDescribed(model, folder.at);
      return quantizer.plan(input, { ...options, type: 'F16' });
    },
  };
}
