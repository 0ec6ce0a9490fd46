import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kOfNoFamily = { type: 'Q8_0', architecture: 'none' };
const model = (seed) => modelFile(['a', 'b', 'c'].map((name) => float32Tensor(`${name}.weight`, [64, 64], seed)));

/** Quantizes `source` until the first tensor is written, and leaves the rest for another run. */
async function interrupted(source, sink) {
  const controller = new AbortController();
  const onTensor = () => controller.abort();
  await expect(
    quantizer.quantizeFile(source, sink, { ...kOfNoFamily, resume: true, signal: controller.signal, onTensor }),
  ).rejects.toMatchObject({ code: 'aborted' });
}

test('a Blob without a date was completed with the weights of another Blob of the same size', async () => {
  const [sink, expected] = [folder.path('out.gguf'), folder.path('expected.gguf')];
  await interrupted(new Blob([model(1)]), sink);
  const other = new Blob([model(2)]);
  await quantizer.quantizeFile(other, sink, { ...kOfNoFamily, resume: true });
  await quantizer.quantizeFile(other, expected, kOfNoFamily);
  expect(readFileSync(sink).equals(readFileSync(expected))).toBe(true);
});

test('a run that went on with another never told that all bytes are done', async () => {
  const sink = folder.path('out.gguf');
  const source = folder.write('in.safetensors', model(1));
  await interrupted(source, sink);
  const events = [];
  const onEvent = (event) => events.push(event);
  await quantizer.quantizeFile(source, sink, { ...kOfNoFamily, resume: true, onEvent });
  const { bytes } = events.find(({ type }) => type === 'start');
  expect(events.filter(({ type }) => type === 'bytes').at(-1)).toMatchObject({ done: bytes, bytes });
});
