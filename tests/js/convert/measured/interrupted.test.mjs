import { File } from 'node:buffer';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../../support/models/folder.mjs';
import { killConversion } from '../../support/models/kill.mjs';
import { float32Tensor, modelFile, readModel } from '../../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** The third takes two windows. */
const kTensors = [
  float32Tensor('a.weight', [256, 256], 1),
  float32Tensor('b.weight', [256, 256], 2),
  float32Tensor('large.weight', [1100, 1024], 3),
  float32Tensor('z.weight', [256, 256], 4),
];
const kModel = modelFile(kTensors);
const kPlaces = readModel(kModel).tensors;
const kGoals = [
  ['a floor', { bits: 2, minCosine: 0.9999, fallback: true }],
  ['a size', { bits: 2, targetBytes: 1_000_000 }],
];

/** The output that was there before. */
const kBefore = 'before';
const sink = () => folder.write('out.safetensors', kBefore);

async function expectNothing(call, error) {
  await expect(call).rejects.toMatchObject(error);
  expect(readFileSync(folder.path('out.safetensors'), 'utf8')).toBe(kBefore);
  expect(folder.list().filter((name) => name.includes('arrowquant'))).toEqual([]);
}

/** The model as a file of a browser, of which stretches from `end` on cannot be read. */
function failingFrom(end) {
  const file = new File([kModel], 'model.safetensors');
  const slice = file.slice.bind(file);
  const failing = { arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotReadableError')) };
  file.slice = (begin, until) => (until > end ? failing : slice(begin, until));
  return file;
}

describe.each(kGoals)('while %s is measured', (_, options) => {
  test('a read that fails within a tensor leaves nothing behind', async () => {
    const { begin, bytes } = kPlaces.get('large.weight');
    const source = failingFrom(begin + bytes.length - 1000);
    const events = [];
    const onEvent = ({ type }) => events.push(type);
    const failed = quantizer.quantizeFile(source, sink(), { ...options, onEvent });
    await expectNothing(failed, { code: 'unreadable_input', file: 'model.safetensors' });
    expect(events).not.toContain('start');
  });

  test.each([1, 3])('a signal after %s tensors ends it', async (after) => {
    const controller = new AbortController();
    const measured = [];
    const onEvent = ({ type, tensor }) => {
      if (type === 'measure') measured.push(tensor);
      if (measured.length === after) controller.abort('enough');
    };
    const input = folder.write('in.safetensors', kModel);
    const aborted = quantizer.quantizeFile(input, sink(), { ...options, onEvent, signal: controller.signal });
    await expectNothing(aborted, { code: 'aborted', cause: 'enough' });
    expect(measured).toHaveLength(after);
  });

  test('the first NaN is told as ever', async () => {
    const bytes = Buffer.from(kModel);
    const { begin } = readModel(bytes).tensors.get('large.weight');
    for (const index of [1_048_576 + 77, 1_048_576 + 78]) bytes.writeFloatLE(NaN, begin + 4 * index);
    const input = folder.write('in.safetensors', bytes);
    const told = { code: 'not_finite', layer: 'large.weight', index: 1_048_576 + 77, file: input };
    await expectNothing(quantizer.quantizeFile(input, sink(), options), told);
    await expect(quantizer.quantizeFile(input, sink(), { bits: 2 })).rejects.toMatchObject(told);
  });

  test('an input that changes is refused', async () => {
    const input = folder.write('in.safetensors', kModel);
    const onEvent = ({ type, done }) => {
      if (type === 'measure' && done === 2) writeFileSync(input, Buffer.concat([kModel, Buffer.from(' ')]));
    };
    const changed = quantizer.quantizeFile(input, sink(), { ...options, onEvent });
    await expectNothing(changed, { code: 'unreadable_input', file: input });
  });

  test('calls that share the windows find the same as alone', async () => {
    const input = folder.write('in.safetensors', kModel);
    const alone = await quantizer.plan(input, options);
    const model = await quantizer.open(input);
    const several = await Promise.all([1, 2, 3].map(() => model.plan(options)));
    await model.close();
    for (const plan of several) expect(plan).toEqual(alone);
  });

  test('a conversion that was killed goes on where it was', async () => {
    const input = folder.write('in.safetensors', kModel);
    const expected = await quantizer.quantizeFile(input, folder.path('whole.safetensors'), options);
    const output = folder.path('out.safetensors');
    const done = await killConversion(input, output, { ...options, resume: true }, 2);
    // Only what was not done can be read wrong now.
    expect(done).toHaveLength(2);
    const kept = folder.list().filter((name) => name.includes('arrowquant-'));
    expect(kept.length).toBeGreaterThan(0);
    const finished = [];
    const onTensor = ({ name }) => finished.push(name);
    const report = await quantizer.quantizeFile(input, output, { ...options, resume: true, onTensor });
    expect(report.tensors).toEqual(expected.tensors);
    expect(readFileSync(output).equals(readFileSync(expected.output))).toBe(true);
    expect(finished).toHaveLength(kTensors.length);
  });
});

test('without metrics a floor is kept to, and nothing reported', async () => {
  const input = folder.write('in.safetensors', kModel);
  const [[, options]] = kGoals;
  const measured = await quantizer.quantizeFile(input, folder.path('one.safetensors'), options);
  const report = await quantizer.quantizeFile(input, folder.path('two.safetensors'), { ...options, metrics: false });
  expect(report.tensors.map(({ to }) => to)).toEqual(measured.tensors.map(({ to }) => to));
  expect(report.tensors.every(({ cosine }) => cosine === null)).toBe(true);
});
