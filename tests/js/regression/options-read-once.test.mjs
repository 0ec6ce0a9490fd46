import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';

/** Of a family that is known by it. */
const kTensor = 'double_blocks.0.img_attn.proj.weight';
const kModel = modelFile([float32Tensor(kTensor, [64, 64])]);

const folder = useFolder();
let quantizer;
let opened;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ backend: 'single' });
  opened = await quantizer.open(kModel);
});
afterAll(async () => {
  await opened.close();
  await quantizer.dispose();
});

// Getters may give something else each time, and headers of an iterator are gone after the first.
test.each([
  ['quantizeFile', (options) => quantizer.quantizeFile(kModel, folder.path('out.gguf'), options)],
  ['plan', (options) => quantizer.plan(kModel, options)],
  ['dequantizeFile', (options) => quantizer.dequantizeFile(kModel, folder.path('out.safetensors'), options)],
  ['compareFiles', (options) => quantizer.compareFiles(kModel, kModel, options)],
  ['inspectFile', (options) => quantizer.inspectFile(kModel, options)],
  ['readTensor', (options) => quantizer.readTensor(kModel, kTensor, options)],
  ['read of an opened model', (options) => opened.read(kTensor, options)],
  ['plan of an opened model', (options) => opened.plan(options)],
  ['open', async (options) => (await quantizer.open(kModel, options)).close()],
])('%s reads each option once', async (_title, call) => {
  const reads = { signal: 0, headers: 0, fetch: 0, accessToken: 0, hubUrl: 0 };
  const options = {};
  for (const name of Object.keys(reads)) {
    Object.defineProperty(options, name, { enumerable: true, get: () => void ++reads[name] });
  }
  await call(options);
  expect(reads).toEqual({ signal: 1, headers: 1, fetch: 1, accessToken: 1, hubUrl: 1 });
});
