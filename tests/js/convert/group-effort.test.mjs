import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { imatrixGguf } from '../support/models/imatrix.mjs';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';

const ROW = 96;
const NAME = 'model.layers.0.self_attn.q_proj.weight';
const MODEL = modelFile([float32Tensor(NAME, [64, ROW], 7)]);

/** Half of the columns count ten thousand times as much. */
const IMPORTANCE = new Map([[NAME, Float32Array.from({ length: ROW }, (_, i) => (i % 2 === 0 ? 1e4 : 1))]]);

/** Of the tensor's name in a GGUF, which no tensor here has: the call is wrong all the same. */
const MATRIX = new Uint8Array(imatrixGguf([['blk.0.attn_q.weight', { sums: Array(ROW).fill(1), counts: [1] }]]));

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 1 });
});
afterAll(() => quantizer.dispose());

/** What the columns lose that count, once the file has been opened again. */
async function lostWhereItCounts(output) {
  const [original, restored] = [await quantizer.readTensor(MODEL, NAME), await quantizer.readTensor(output, NAME)];
  return original.reduce((all, weight, i) => all + (i % 2 === 0 ? (weight - restored[i]) ** 2 : 0), 0);
}

const quantized = async (options) => {
  const output = folder.path(`${String(options.effort)}-${String(options.importance !== undefined)}.safetensors`);
  const report = await quantizer.quantizeFile(MODEL, output, { groupSize: 32, ...options });
  return { output, report, lost: await lostWhereItCounts(output) };
};

describe('affine groups', () => {
  test.each([
    [2, false],
    [4, true],
    [4, false],
    [8, false],
  ])(
    'lose less with the effort best, and least where columns count: %i bits, symmetric %s',
    async (bits, symmetric) => {
      const made = [];
      for (const options of [{}, { effort: 'best' }, { effort: 'best', importance: IMPORTANCE }]) {
        made.push(await quantized({ bits, symmetric, ...options }));
      }
      const [usual, best, weighed] = made;
      expect(best.lost).toBeLessThan(usual.lost);
      expect(weighed.lost).toBeLessThan(best.lost);
      expect(best.report).toMatchObject({ effort: 'best' });
      expect(best.report.tensors[0].savedError).toBeGreaterThan(0);
    },
  );

  test('give the same file with every backend', async () => {
    const files = [];
    for (const backend of ['threads', 'workers', 'single']) {
      const own = await ArrowQuant.create({ backend, threads: 1 });
      const sink = folder.path(`${backend}.safetensors`);
      await own.quantizeFile(MODEL, sink, { groupSize: 64, effort: 'best', importance: IMPORTANCE });
      files.push(readFileSync(sink));
      await own.dispose();
    }
    for (const file of files) expect(file.equals(files[0])).toBe(true);
  });

  test.each([
    [
      { importance: IMPORTANCE },
      /: importance has no effect on int4 g128 with the effort reference; give the effort best, too/,
    ],
    [{ importance: IMPORTANCE, effort: 'better' }, /give the effort best, too/],
    [{ imatrix: MATRIX }, /imatrix has no effect on int4 g128 with the effort reference; .*or leave imatrix out/],
    [{ importance: IMPORTANCE, effort: 'best', groupSize: 'tensor' }, /importance has no meaning for int4 tensor/],
    [{ effort: 'best', groupSize: 'tensor' }, /effort best has no meaning for int4 tensor/],
  ])('refuse %j', async (options, says) => {
    const call = quantizer.plan(MODEL, options);
    await expect(call).rejects.toMatchObject({ code: 'invalid_option', message: expect.stringMatching(says) });
  });
});
