import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openTranscoder } from '../support/foreign-codecs.mjs';
import { floatsOf, readModel } from '../support/models/safetensors.mjs';

const read = (name) => readModel(readFileSync(new URL(`../../golden/${name}`, import.meta.url))).tensors;
const source = new Map([...read('source/tensors.safetensors'), ...read('bitsandbytes/tail_source.safetensors')]);

const kBlocks = { bits: 0, groupSize: 64, symmetric: false };
const kNested = { name: 'bnb_absmax8', bits: 0, groupSize: 0, symmetric: false };

const layersOf = (tensors) =>
  [...tensors.keys()].flatMap((name) => (name.endsWith('.weight.absmax') ? [name.slice(0, -14)] : []));

describe.each(['threads', 'workers', 'single'])('bitsandbytes, backend %s', (backend) => {
  let transcoder;

  beforeAll(async () => {
    transcoder = await openTranscoder(backend);
  });
  afterAll(() => transcoder.dispose());

  describe.each(['nf4', 'fp4'])('%s', (kind) => {
    const golden = read(`bitsandbytes/${kind}.safetensors`);
    const nested = read(`bitsandbytes/${kind}_dq.safetensors`);
    const codec = { name: `bnb_${kind}`, ...kBlocks };

    test.each(layersOf(golden))('%s', async (layer) => {
      const at = (suffix) => golden.get(`${layer}.weight${suffix}`).bytes;
      const planes = await transcoder.encode(source.get(`${layer}.weight`), codec);
      expect(planes).toHaveLength(2);
      expect(planes[0].equals(at(''))).toBe(true);
      expect(planes[1].equals(at('.absmax'))).toBe(true);
    });

    test.each(layersOf(nested))('%s with double quantization', async (layer) => {
      const at = (suffix) => nested.get(`${layer}.weight${suffix}`).bytes;
      const [levels, absmax] = await transcoder.encode(source.get(`${layer}.weight`), codec);
      expect(levels.equals(at(''))).toBe(true);
      const { nested_offset: offset } = JSON.parse(at(`.quant_state.bitsandbytes__${kind}`).toString());
      const bytes = Buffer.from(floatsOf({ dtype: 'F32', bytes: absmax }).map((value) => value - offset).buffer);
      const [codes, scales] = await transcoder.encode({ dtype: 'F32', bytes }, kNested);
      expect(codes.equals(at('.absmax'))).toBe(true);
      expect(scales.equals(at('.nested_absmax'))).toBe(true);
    });

    test('levels stand for the values that files carry', async () => {
      const [layer] = layersOf(golden);
      const levels = Buffer.from(Array.from({ length: 8 }, (_, index) => 0x10 * (2 * index) + 2 * index + 1));
      const one = Buffer.from(Float32Array.of(1).buffer);
      const values = await transcoder.decode(16, codec, [levels, one], 'F32');
      expect(values.equals(golden.get(`${layer}.weight.quant_map`).bytes)).toBe(true);
    });
  });

  test('levels of nested scales stand for the values that files carry', async () => {
    const golden = read('bitsandbytes/nf4_dq.safetensors');
    const [layer] = layersOf(golden);
    const levels = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    const values = await transcoder.decode(256, kNested, [levels, Buffer.from(Float32Array.of(1).buffer)], 'F32');
    expect(values.equals(golden.get(`${layer}.weight.nested_quant_map`).bytes)).toBe(true);
  });
});
