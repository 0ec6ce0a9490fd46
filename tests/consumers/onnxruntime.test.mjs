import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ArrowQuant } from '../../dist/index.js';
import { goldenModel, writeExternalModel } from '../js/support/onnx/golden.mjs';
import { loopInputs, loopModel } from './support/loops.mjs';
import { distance, goldenInputs, limitOf, relativeDistance } from './support/outputs.mjs';
import { runScript } from './support/programs.mjs';
import { randomInputs, randomModel } from './support/random-model.mjs';

const kPrograms = ['onnxruntime-node', 'onnxruntime-web'];
const kScript = 'run-models.mjs';
const kOld = 'tjs-159b22e8';

/** By golden file: what we are asked for. */
const kTypes = {
  [`${kOld}/model_fp16.onnx`]: { type: 'fp16' },
  [`${kOld}/model_q4.onnx`]: { type: 'q4', onnxRuntime: '1.20' },
  [`${kOld}/model_q4f16.onnx`]: { type: 'q4f16', onnxRuntime: '1.20' },
  [`${kOld}/model_int8.onnx`]: { type: 'int8' },
  [`${kOld}/model_uint8.onnx`]: { type: 'uint8' },
  [`${kOld}/model_bnb4.onnx`]: { type: 'bnb4' },
  'ort-1.32.0/q4_b32_sym.onnx': { type: 'q4' },
  'ort-1.32.0/q4_b128_asym.onnx': { type: 'q4', groupSize: 128, symmetric: false },
  'ort-1.32.0/q2_b32_sym.onnx': { type: 'q2' },
  'ort-1.32.0/q8_b32_sym.onnx': { type: 'nbits', bits: 8 },
};

let folder;
let quantizer;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-consumers-'));
  quantizer = await ArrowQuant.create();
});
afterAll(async () => {
  await quantizer?.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Writes a file of a type, and gives its path. */
async function written(source, name, options) {
  const file = path.join(folder, name);
  await quantizer.quantizeFile(source, file, options);
  return file;
}

describe.each(['bert', 'cnn', 'decoder'])('%s', (model) => {
  const files = [];
  beforeAll(async () => {
    files.push({ golden: 'model.onnx', file: goldenModel(model) });
    for (const [golden, options] of Object.entries(kTypes)) {
      const name = `${model}-${golden.replace('/', '-')}`;
      files.push({ golden, file: await written(goldenModel(model), name, options) });
    }
  });

  test.each(kPrograms)('gives in %s what the golden files give', async (program) => {
    const runs = goldenInputs(model);
    const results = await runScript(
      kScript,
      [program],
      files.map(({ file }) => ({ file, runs })),
    );
    const far = results.flatMap(({ error, outputs }, index) => {
      const { golden } = files[index];
      const difference = error ?? distance(model, golden, outputs);
      return difference <= limitOf(golden) ? [] : [[golden, difference]];
    });
    expect(far).toEqual([]);
  });
});

test.each(kPrograms)('data in a file of their own are found by %s', async (program) => {
  const source = writeExternalModel(folder);
  const files = [];
  for (const type of ['q4', 'fp16', 'int8']) {
    files.push(await written(source, `outside-${program}-${type}.onnx`, { type, externalData: true }));
  }
  const results = await runScript(
    kScript,
    [program],
    files.map((file) => ({ file, runs: goldenInputs('bert') })),
  );
  const goldens = ['ort-1.32.0/q4_b32_sym.onnx', `${kOld}/model_fp16.onnx`, `${kOld}/model_int8.onnx`];
  results.forEach(({ error, outputs }, index) => {
    expect(error).toBeUndefined();
    expect(distance('bert', goldens[index], outputs)).toBeLessThanOrEqual(limitOf(goldens[index]));
  });
});

describe.each(['gather', 'qdq'])('int4 tensors: %s', (form) => {
  const options = form === 'qdq' ? { onnxForm: 'qdq' } : { embeddings: true };

  test.each(kPrograms)('run in %s', async (program) => {
    const runs = goldenInputs('decoder_op21');
    // ONNX Runtime's own files of this form run without optimization only.
    const settings = form === 'qdq' ? { graphOptimizationLevel: 'disabled' } : undefined;
    const file = await written(goldenModel('decoder_op21'), `${form}-${program}.onnx`, { type: 'q4', ...options });
    const [{ error, outputs }] = await runScript(kScript, [program], [{ file, runs, settings }]);
    expect(error).toBeUndefined();
    const golden = `ort-1.32.0/q4_b32_sym_${form}.onnx`;
    expect(distance('decoder_op21', golden, outputs)).toBeLessThanOrEqual(limitOf(golden));
  });
});

/** The largest difference of a run's outputs, relative to the largest value, or to one where all are small. */
const farthest = (run, other) =>
  Math.max(
    ...Object.entries(run).map(([name, { values }]) => relativeDistance([...values, 1], [...other[name].values, 1])),
  );

test.each([
  ['fp16', 0.005],
  ['int8', 0.02],
])('loops and scans of type %s give about what they gave', async (type, limit) => {
  const source = path.join(folder, `loops-${type}-source.onnx`);
  writeFileSync(source, loopModel());
  const files = [source, await written(source, `loops-${type}.onnx`, { type })];
  const asked = files.map((file) => ({ file, runs: loopInputs() }));
  const [before, after] = await runScript(kScript, ['onnxruntime-node'], asked);
  expect([before.error, after.error]).toEqual([undefined, undefined]);
  expect(farthest(before.outputs[0], after.outputs[0])).toBeLessThanOrEqual(limit);
});

describe('models at random', () => {
  const kSeeds = Array.from({ length: 40 }, (_, seed) => seed);
  /** How far from f32 a model may be whose every value is rounded, and one whose weights and activations have 8 bits. */
  const kFar = { fp16: 0.005, int8: 0.3, uint8: 0.3 };

  test.each(Object.keys(kFar))('of type %s open, and give about what they gave', async (type) => {
    const files = [];
    for (const seed of kSeeds) {
      const source = path.join(folder, `random-${seed}.onnx`);
      writeFileSync(source, randomModel(seed, { isSmooth: type !== 'fp16' }));
      files.push(source, await written(source, `random-${seed}-${type}.onnx`, { type }));
    }
    const results = await runScript(
      kScript,
      ['onnxruntime-node'],
      files.map((file) => ({ file, runs: randomInputs() })),
    );
    const wrong = kSeeds.flatMap((seed) => {
      const [before, after] = results.slice(2 * seed, 2 * seed + 2);
      const error = before.error ?? after.error;
      const difference = error ?? Math.max(...before.outputs.map((run, index) => farthest(run, after.outputs[index])));
      return difference <= kFar[type] ? [] : [[seed, difference]];
    });
    expect(wrong).toEqual([]);
  });
});
