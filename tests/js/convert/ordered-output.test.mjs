import { WritableStream } from 'node:stream/web';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { bfloatTensor, float32Tensor, halfTensor, modelFile, readModel } from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Whole and odd numbers of groups, kept tensors of all alignments, several windows. */
const kTensors = [
  halfTensor('big.weight', [1100, 1024], 1),
  float32Tensor('norm.weight', [256], 2),
  float32Tensor('odd.weight', [33, 31], 3),
  bfloatTensor('m.weight', [64, 512], 4),
  { name: 'flags', dtype: 'BOOL', shape: [3], bytes: Buffer.from([1, 0, 1]) },
  halfTensor('small.weight', [5, 7], 5),
  halfTensor('z.weight', [64, 64], 6),
];

/** A stream that notes what it gets, and waits before it takes the next. */
function collecting() {
  const chunks = [];
  const stream = new WritableStream({
    write: async (chunk) => {
      chunks.push(Buffer.from(chunk));
      await new Promise((resolve) => setImmediate(resolve));
    },
  });
  return { stream, bytes: () => Buffer.concat(chunks) };
}

describe('affine levels to a stream', () => {
  test.each([[{ bits: 4 }], [{ bits: 2, groupSize: 32, symmetric: true }], [{ bits: 8, groupSize: 'tensor' }]])(
    '%j: the same tensors as in a file, every number aligned',
    async (options) => {
      const input = folder.write('in.safetensors', modelFile(kTensors, { format: 'pt' }));
      const { stream, bytes } = collecting();
      await quantizer.quantizeFile(input, stream, { ...options, mode: 'base' });
      await quantizer.quantizeFile(input, folder.path('file.safetensors'), { ...options, mode: 'base' });
      const streamed = readModel(bytes());
      const filed = readModel(readFileSync(folder.path('file.safetensors')));
      expect([...streamed.tensors.keys()].sort()).toEqual([...filed.tensors.keys()].sort());
      for (const [name, { dtype, shape, bytes: contents, begin }] of streamed.tensors) {
        const other = filed.tensors.get(name);
        expect([dtype, shape, contents.equals(other.bytes)]).toEqual([other.dtype, other.shape, true]);
        expect(begin % ({ F32: 4, F16: 2, BF16: 2 }[dtype] ?? 1)).toBe(0);
      }
      const described = ({ metadata }) => ({ ...metadata, arrowquant: JSON.parse(metadata.arrowquant) });
      expect(described(streamed)).toEqual(described(filed));
    },
  );

  test('what is on its way to a slow stream stays within the memory limit', async () => {
    const input = folder.write('in.safetensors', modelFile(kTensors));
    const { stream, bytes } = collecting();
    await quantizer.quantizeFile(input, stream, { bits: 8, memoryLimit: 16 * 2 ** 20 });
    expect((await quantizer.inspectFile(bytes())).tensors).toHaveLength(kTensors.length);
  });
});

describe('split safetensors', () => {
  test('open again by their index, and by any shard', async () => {
    const input = folder.write('in.safetensors', modelFile(kTensors, { format: 'pt' }));
    const report = await quantizer.quantizeFile(input, folder.path('out.safetensors'), { type: 'F32', splitSize: 2e6 });
    expect(report.files.length).toBeGreaterThan(2);
    expect(report.files.at(-1)).toBe(folder.path('out.safetensors.index.json'));
    await quantizer.quantizeFile(input, folder.path('whole.safetensors'), { type: 'F32' });
    for (const file of [report.files[0], report.files.at(-1)]) {
      const comparison = await quantizer.compareFiles(folder.path('whole.safetensors'), file);
      expect(comparison.tensors.every(({ equal }) => equal)).toBe(true);
      expect([comparison.onlyInA, comparison.onlyInB]).toEqual([[], []]);
    }
  });

  test('of affine levels: all planes of a tensor lie in one shard', async () => {
    const input = folder.write('in.safetensors', modelFile(kTensors));
    const output = folder.path('out.safetensors');
    const { files } = await quantizer.quantizeFile(input, output, { bits: 8, mode: 'base', splitSize: 1e6 });
    const { weight_map: map } = JSON.parse(readFileSync(files.at(-1), 'utf8'));
    for (const name of Object.keys(map)) {
      for (const part of ['scales', 'zero_points']) expect(map[`${name}.${part}`] ?? map[name]).toBe(map[name]);
    }
    await quantizer.quantizeFile(input, folder.path('whole.safetensors'), { bits: 8, mode: 'base' });
    const { tensors } = await quantizer.compareFiles(folder.path('whole.safetensors'), files.at(-1));
    expect(tensors).toHaveLength(kTensors.length);
    expect(tensors.every(({ equal }) => equal)).toBe(true);
  });

  test('that fit into one file are one file', async () => {
    const input = folder.write('in.safetensors', modelFile(kTensors));
    const { files } = await quantizer.quantizeFile(input, folder.path('out.safetensors'), { bits: 4, splitSize: 1e9 });
    expect(files).toEqual([folder.path('out.safetensors')]);
  });
});
