import { expect, test } from '@jest/globals';
import { listed, modelsIn, nearFiles } from '../../support/internals.mjs';

test.each([
  ['one file', ['README.md', 'model.safetensors'], '', ['model.safetensors']],
  ['endings of any case', ['A.GGUF'], '', ['A.GGUF']],
  [
    'shards without an index',
    ['m-00002-of-00002.safetensors', 'm-00001-of-00002.safetensors'],
    '',
    ['m-00001-of-00002.safetensors'],
  ],
  [
    'shards with an index',
    ['m-00001-of-00002.safetensors', 'm-00002-of-00002.safetensors', 'm.safetensors.index.json'],
    '',
    ['m.safetensors.index.json'],
  ],
  [
    'a variant, whose index has its name in another place',
    ['m.fp16-00001-of-00002.safetensors', 'm.fp16-00002-of-00002.safetensors', 'm.fp16.safetensors.index.json'],
    '',
    ['m.fp16.safetensors.index.json'],
  ],
  [
    'a variant that the end of the name of its index tells',
    ['m.fp16-00001-of-00002.safetensors', 'm.fp16-00002-of-00002.safetensors', 'm.safetensors.index.fp16.json'],
    '',
    ['m.safetensors.index.fp16.json'],
  ],
  [
    'a variant that its shards name last',
    ['m-00001-of-00002.fp16.safetensors', 'm-00002-of-00002.fp16.safetensors', 'm.fp16.safetensors.index.json'],
    '',
    ['m.fp16.safetensors.index.json'],
  ],
  [
    'two variants, one of which has no index',
    ['m-00001-of-00002.safetensors', 'm.fp16-00001-of-00002.safetensors', 'm.safetensors.index.fp16.json'],
    '',
    ['m-00001-of-00002.safetensors', 'm.safetensors.index.fp16.json'],
  ],
  [
    'an index of something else',
    ['a.safetensors.index.json', 'b.safetensors'],
    '',
    ['a.safetensors.index.json', 'b.safetensors'],
  ],
  [
    'models in folders',
    ['vae/m.safetensors', 'unet/m.safetensors', 'unet2/m.safetensors'],
    'unet',
    ['unet/m.safetensors'],
  ],
  ['a folder that is not there', ['vae/m.safetensors'], 'unet', []],
  ['other indices', ['model_index.json', 'config.json'], '', []],
  ['PyTorch', ['config.json', 'pytorch_model.bin', 'v1-5.CKPT'], '', ['pytorch_model.bin', 'v1-5.CKPT']],
  ['PyTorch beside safetensors', ['pytorch_model.bin', 'model.safetensors'], '', ['model.safetensors']],
  ['PyTorch in another folder than a GGUF', ['old/m.pth', 'm.gguf'], 'old', ['old/m.pth']],
  [
    'shards of PyTorch with an index',
    [
      'pytorch_model-00001-of-00002.bin',
      'pytorch_model-00002-of-00002.bin',
      'pytorch_model.bin.index.json',
      'optimizer.bin',
    ],
    '',
    ['pytorch_model.bin.index.json'],
  ],
  ['an importance matrix beside it', ['m.imatrix.gguf', 'imatrix_m.gguf', 'm-Q4_K_M.gguf'], '', ['m-Q4_K_M.gguf']],
  [
    'what a training has left',
    ['training_args.bin', 'optimizer.pt', 'scheduler.pt', 'rng_state_0.pth', 'checkpoint-9/optimizer.pt', 'a.pt'],
    '',
    ['a.pt'],
  ],
])('of %s', (_title, files, folder, models) => {
  expect(modelsIn(files, folder)).toEqual(models);
});

test.each([
  ['model.safetensor', ['model.safetensors', 'README.md'], ['model.safetensors']],
  ['vae/model.safetensors', ['unet/model.safetensors', 'x.gguf'], ['unet/model.safetensors']],
  ['q4_k_m.gguf', ['m-Q8_0.gguf', 'Q4_K_M.gguf'], ['Q4_K_M.gguf']],
  ['xyzzy', ['model.safetensors'], []],
])('near to %s', (wanted, files, near) => {
  expect(nearFiles(wanted, files)).toEqual(near);
});

test('no more than three are near', () => {
  const files = Array.from({ length: 50 }, (_, index) => `model-${index}.gguf`);
  expect(nearFiles('model-x.gguf', files).length).toBe(3);
});

test('of very many files only some are compared letter by letter', () => {
  // To compare all of them would take minutes, in which nothing else gets its turn.
  const wanted = `${'x'.repeat(150)}.gguf`;
  const files = Array.from({ length: 20_000 }, (_, index) => `${'y'.repeat(150)}${index}.gguf`);
  expect(nearFiles(wanted, files)).toEqual([]);
});

test('names are shown so that they cannot be taken for anything else', () => {
  expect(listed(['a b.gguf', 'a\u001b[2Jb.gguf', `${'a'.repeat(10_000)}.gguf`])).toMatch(
    /^a b\.gguf, "a\\u001b\[2Jb\.gguf", "a{50,1000}…"$/,
  );
});
