import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openTranscoder, weightsOf } from '../support/foreign-codecs.mjs';
import { floatsOf, readModel } from '../support/models/safetensors.mjs';

const read = (name) => readFileSync(new URL(`../../golden/${name}`, import.meta.url));
const source = readModel(read('source/tensors.safetensors')).tensors;
const names = [...source.keys()].map((name) => name.replace(/\.weight$/, ''));

const { abs, floor, max } = Math;
const kTypes = { q4f16_1: 'F16', q4f32_1: 'F32' };
const codecOf = (file) => ({ name: `mlc_${file.slice(0, 5)}`, bits: 0, groupSize: 32, symmetric: false });

describe.each(['threads', 'workers', 'single'])('MLC-LLM, backend %s', (backend) => {
  let transcoder;

  beforeAll(async () => {
    transcoder = await openTranscoder(backend);
  });
  afterAll(() => transcoder.dispose());

  describe.each(Object.keys(kTypes))('%s', (file) => {
    const golden = readModel(read(`mlc/${file}.safetensors`)).tensors;
    const planesOf = (name) => [golden.get(`${name}.q_weight`).bytes, golden.get(`${name}.q_scale`).bytes];

    test.each(names)('encodes %s to the same bytes', async (name) => {
      const planes = await transcoder.encode(source.get(`${name}.weight`), codecOf(file));
      const expected = planesOf(name);
      expect(planes).toHaveLength(2);
      planes.forEach((plane, index) => expect(plane.equals(expected[index])).toBe(true));
    });

    test.each(names)('decodes %s to levels around 7 times scales', async (name) => {
      const tensor = source.get(`${name}.weight`);
      const count = weightsOf(tensor);
      const dtype = kTypes[file];
      const bytes = await transcoder.decode(count, codecOf(file), planesOf(name), dtype);
      const weights = floatsOf({ dtype, bytes });
      const [levels] = planesOf(name);
      const scales = floatsOf({ dtype, bytes: golden.get(`${name}.q_scale`).bytes });
      // One rounding to f16 is less than a part in 2048, or half of the least f16.
      const worst = weights.reduce((most, weight, i) => {
        const exact = (((levels[floor(i / 2)] >> (4 * (i % 2))) & 15) - 7) * scales[floor(i / 32)];
        const allowed = dtype === 'F32' ? abs(exact) * 2 ** -24 : max(abs(exact) * 2 ** -11, 2 ** -25);
        return max(most, abs(weight - exact) - allowed);
      }, 0);
      expect(worst).toBe(0);
    });
  });

  test('a scale that is not finite is refused', async () => {
    const planes = [new Uint8Array(32), Uint8Array.of(0, 0x3c, 0, 0x7e)];
    const decoded = transcoder.decode(64, codecOf('q4f16_1'), planes, 'F32');
    await expect(decoded).rejects.toMatchObject({ code: 'invalid_file', index: 32 });
  });
});
