import { beforeAll, expect, test } from '@jest/globals';
import { ARCHITECTURES, EFFORTS, FILE_TYPES, PROGRAMS } from 'arrowquant';
import { importBundled } from './support/bundled.mjs';

let settings;
beforeAll(async () => {
  settings = await importBundled('settings.ts');
});

const optionsOf = (change) => settings.quantizeOptions({ ...settings.DEFAULT_SETTINGS, ...change });

test('a GGUF is for ComfyUI, and of a model whose architecture is found out', () => {
  expect(optionsOf({})).toEqual({ type: 'Q4_K_M', pure: false, for: 'comfyui', rules: [] });
});

test.each(ARCHITECTURES)('of the architecture %s it is when that is chosen', (architecture) => {
  expect(optionsOf({ architecture })).toMatchObject({ architecture });
});

test('every program is offered, and told to the package', () => {
  expect(settings.PROGRAM_TITLES.map(([program]) => program)).toEqual(PROGRAMS);
  for (const program of PROGRAMS) expect(optionsOf({ program })).toMatchObject({ for: program });
});

test('every type of files is offered, and every effort; of those, floats are told none', () => {
  const offered = settings.FILE_TYPES.flatMap(({ types }) => types.map(([type]) => type));
  expect(offered.sort()).toEqual([...FILE_TYPES].sort());
  expect(settings.EFFORT_TITLES.map(([effort]) => effort)).toEqual(EFFORTS);
  expect(optionsOf({ effort: 'best' })).toMatchObject({ type: 'Q4_K_M', effort: 'best' });
  for (const type of ['F16', 'BF16', 'F32']) expect(optionsOf({ type, effort: 'best' })).not.toHaveProperty('effort');
});

test('an importance matrix is told of a GGUF, and of nothing else', () => {
  const imatrix = new Blob(['']);
  expect(optionsOf({ imatrix })).toMatchObject({ imatrix });
  for (const output of ['safetensors', 'mlx', 'onnx'])
    expect(optionsOf({ output, imatrix })).not.toHaveProperty('imatrix');
});

test('what only a GGUF has is not told of a safetensors file, whose rules keep', () => {
  const rules = [
    { id: 1, pattern: ' attn ', type: 'Q8_0' },
    { id: 2, pattern: ' ', type: 'keep' },
  ];
  const { bits, groupSize, symmetric, mode } = settings.DEFAULT_SETTINGS;
  expect(optionsOf({ output: 'safetensors', architecture: 'none', program: 'sd.cpp', rules })).toEqual({
    ...{ bits, groupSize, symmetric, mode },
    rules: [['attn', 'keep']],
  });
  expect(optionsOf({ rules }).rules).toEqual([['attn', 'Q8_0']]);
});

test('rules keep weights of an ONNX model as they are, or as F16 where all floats become that', () => {
  const rules = [{ id: 1, pattern: 'head', type: 'Q8_0' }];
  const { formatTypes } = settings.DEFAULT_SETTINGS;
  const of = (type) => optionsOf({ output: 'onnx', formatTypes: { ...formatTypes, onnx: type }, rules });
  expect(of('q4')).toMatchObject({ type: 'q4', rules: [['head', 'keep']] });
  expect(of('q4f16')).toMatchObject({ type: 'q4f16', rules: [['head', 'F16']] });
});
