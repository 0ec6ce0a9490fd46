import { beforeAll, expect, test } from '@jest/globals';
import { importBundled } from '../support/bundled.mjs';

let answerFailure;
let loadFailure;
let obstacleTo;
beforeAll(async () => {
  ({ answerFailure, loadFailure, obstacleTo } = await importBundled('trial/failure.ts'));
});

const kOneSentence = /^(?:[^.!?]|\.(?=\S))+\.$/u;

test('a file is loaded where the browser has memory for it', () => {
  expect(obstacleTo(1e6, { hasMemory64: true })).toBeNull();
  expect(obstacleTo(3.9e9, { hasMemory64: true })).toBeNull();
});

test('a file that is too large, or a browser that lacks what is needed, is told before anything is loaded', () => {
  const tooLarge = obstacleTo(8.1e9, { hasMemory64: true });
  expect(tooLarge).toMatch(/8\.10 GB.*4\.29 GB.*outside of the browser/);
  const tooOld = obstacleTo(1e6, { hasMemory64: false });
  expect(tooOld).toMatch(/64-bit addresses.*Chrome, Edge or Firefox/);
  for (const sentence of [tooLarge, tooOld]) expect(sentence).toMatch(kOneSentence);
});

test.each([
  [
    "llama_model_load: error loading model: unknown model architecture: 'newest'",
    /does not know the architecture newest: /,
  ],
  ['ggml_aligned_malloc: insufficient memory (attempted to allocate 812.00 MB)', /has not enough memory/],
  ['llama_model_load: error loading model: std::bad_alloc', /has not enough memory/],
  [
    "llama_model_load: error loading model: tensor 'output.weight' data is not within the file bounds, model is corrupted",
    /does not open the file: tensor 'output\.weight' data is not within the file bounds, model is corrupted\.$/,
  ],
])('what llama.cpp complains of is the reason: %s', (line, reason) => {
  const sentence = loadFailure(['srv load_model: loading', line], new Error('Invalid typed array length: 1163217991'));
  expect(sentence).toMatch(reason);
  expect(sentence).toMatch(kOneSentence);
});

test('without a complaint the reason is what was thrown', () => {
  expect(loadFailure([], new Error('(ABORT) exit(1)'))).toBe('llama.cpp does not open the file: (ABORT) exit(1).');
  expect(loadFailure([], 'unknown')).toBe('llama.cpp does not open the file: unknown.');
});

test('a model that stops in the middle of an answer can be loaded again', () => {
  const crash = new Error('Invalid typed array length: 1163217991');
  const bytes = answerFailure(['[json.exception.type_error.316] invalid UTF-8 byte at index 14: 0xB2'], crash);
  expect(bytes).toMatch(/bytes that are no text.*press Try it/);
  const others = answerFailure(['failed to find a memory slot for batch of size 1.'], crash);
  expect(others).toMatch(/Try it loads the model again: failed to find a memory slot for batch of size 1\.$/);
  for (const sentence of [bytes, others, answerFailure([], crash)]) expect(sentence).toMatch(kOneSentence);
});
