import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, jest, test } from '@jest/globals';
import { useFolder } from '../support/models/folder.mjs';
import { coded, contentsOf, copied, filesOf } from '../support/models/laid-out.mjs';
import { modelFile, readModel } from '../support/models/safetensors.mjs';

const kTable = fileURLToPath(new URL('../../../build/modules/codecs/table.js', import.meta.url));
const table = await import(kTable);
/** A codec that nobody has: three planes, blocks, and a parameter. */
const kTriple = {
  ...table.CODECS.find(({ name }) => name === 'affine'),
  name: 'triple',
  blockWeights: 16,
  planes: [
    { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 3 },
    { name: 'scales', element: 'F16', unitWeights: 0, unitBits: 16 },
    { name: 'roots', element: 'F32', unitWeights: 64, unitBits: 32 },
  ],
  bits: [],
  groupSizes: [16, 0],
  symmetric: false,
};
// The rest of the package finds it as if a line of codecs.def had put it there.
jest.unstable_mockModule(
  path.relative(import.meta.dirname ?? path.dirname(fileURLToPath(import.meta.url)), kTable),
  () => ({
    ...table,
    CODECS: [...table.CODECS, kTriple],
  }),
);
const { LAYOUTS, affineCodec, codecNamed, containerNamed, layoutNamed, modelTexts, nodeFiles, openFiles, tensorsOf } =
  await import('../support/internals.mjs');

const folder = useFolder();
const [planes, plain] = [layoutNamed('planes'), layoutNamed('plain')];
const safetensors = containerNamed('safetensors');
const triple = (groupSize) => ({ name: 'triple', bits: 0, groupSize, symmetric: false });

function fileOf(tensors) {
  const contents = contentsOf(planes, tensors);
  return filesOf(contents, safetensors.layOut(contents))['out.safetensors'];
}

async function open(file) {
  const files = await openFiles(await nodeFiles.openSource(folder.write('in.safetensors', file)));
  await files.close();
  return { tensors: tensorsOf(files), texts: modelTexts(files.texts, files.parts) };
}

const kAffine = [
  coded('a', [3, 100], affineCodec(4, 128, false)),
  coded('__proto__', [10], affineCodec(8, 0, true), 'F32'),
  coded('kept', [4], codecNamed('BF16')),
];
const kMixed = [
  ...kAffine,
  coded('t', [4, 32], triple(16), 'BF16'),
  coded('whole', [16], triple(0), 'I8'),
  copied('mask', [3], { name: 'BOOL' }, 3),
];

describe('the layout "planes"', () => {
  test('writes version 1 where all tensors are affine, as ever', () => {
    const { metadata, tensors } = readModel(fileOf(kAffine));
    expect(metadata.arrowquant).toBe(
      '{"format":"affine","version":1,"tensors":{' +
        '"a":{"dtype":"F16","shape":[3,100],"bits":4,"group_size":128,"symmetric":false},' +
        '"__proto__":{"dtype":"F32","shape":[10],"bits":8,"group_size":"tensor","symmetric":true}}}',
    );
    expect([...tensors.values()].map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['__proto__.scales', 'F32', [1]],
      ['a.scales', 'F32', [3]],
      ['kept', 'BF16', [4]],
      ['__proto__', 'U8', [10]],
      ['__proto__.zero_points', 'U8', [1]],
      ['a', 'U8', [150]],
      ['a.zero_points', 'U8', [3]],
    ]);
  });

  test('writes version 2 where other codecs have planes, with the parameters that they have', () => {
    const { metadata, tensors } = readModel(fileOf(kMixed));
    const { format, version, tensors: described } = JSON.parse(metadata.arrowquant);
    expect([format, version]).toEqual(['planes', 2]);
    expect(Object.entries(described)).toEqual([
      ['a', { codec: 'affine', dtype: 'F16', shape: [3, 100], bits: 4, group_size: 128, symmetric: false }],
      ['__proto__', { codec: 'affine', dtype: 'F32', shape: [10], bits: 8, group_size: 'tensor', symmetric: true }],
      ['t', { codec: 'triple', dtype: 'BF16', shape: [4, 32], group_size: 16 }],
      // It is restored as what can be written.
      ['whole', { codec: 'triple', dtype: 'F32', shape: [16], group_size: 'tensor' }],
    ]);
    const sizes = ['t', 't.scales', 't.roots', 'whole', 'whole.scales', 'whole.roots'].map((name) => {
      const { dtype, shape } = tensors.get(name);
      return [dtype, ...shape];
    });
    expect(sizes).toEqual([
      ['U8', 48],
      ['F16', 8],
      ['F32', 2],
      ['U8', 6],
      ['F16', 1],
      ['F32', 1],
    ]);
  });

  test('reads what it writes, and leaves its text out of those of the model', async () => {
    for (const written of [kAffine, kMixed]) {
      const { tensors, texts } = await open(fileOf(written));
      expect([...texts]).toEqual([]);
      const found = new Map(tensors.map((tensor) => [tensor.name, tensor]));
      expect(found.size).toBe(written.length);
      for (const { name, shape, elements, target } of written) {
        const tensor = found.get(name);
        expect([tensor.shape, tensor.elements]).toEqual([shape, elements]);
        if (target.kind === 'codec') expect(tensor.codec).toEqual(target.codec);
        else expect([tensor.codec, tensor.type, tensor.container]).toEqual([null, target.type, 'safetensors']);
      }
    }
  });

  const set = (field, value) => (described) => (described.t[field] = value);
  test.each([
    ['a codec that nobody knows', set('codec', 'nine'), /"t" the codec "nine", which this version does not know/u],
    ['a codec without planes', set('codec', 'F16'), /"t" the codec "F16", which has no planes/u],
    ['no codec', set('codec', undefined), /no valid codec/u],
    ['another group size', set('group_size', 32), /no valid group_size/u],
    ['a group size of 0', set('group_size', 0), /no valid group_size/u],
    ['no group size', set('group_size', undefined), /no valid group_size/u],
    ['bits that the codec has not', set('bits', 4), /no valid bits/u],
    ['symmetry that the codec has not', set('symmetric', false), /no valid symmetric/u],
    ['rows of half blocks', set('shape', [16, 8]), /no valid shape for blocks of 16/u],
    ['another shape', set('shape', [4, 64]), /does not hold 96 bytes of U8, as "t" needs/u],
    ['an affine one without symmetry', (described) => delete described.a.symmetric, /"a" no valid symmetric/u],
    ['a part as a tensor', (described) => (described['t.roots'] = described.t), /"t.roots" is also a part of another/u],
    ['a tensor that is not there', (described) => (described.other = described.t), /has no tensor "other"/u],
  ])('refuses %s', async (_, change, says) => {
    const { metadata, tensors } = readModel(fileOf(kMixed));
    const described = JSON.parse(metadata.arrowquant);
    change(described.tensors);
    const file = modelFile([...tensors.values()], { arrowquant: JSON.stringify(described) });
    await expect(open(file)).rejects.toThrow(says);
  });

  test('refuses a part that is not there, and one of another type', async () => {
    const { metadata, tensors } = readModel(fileOf(kMixed));
    const without = [...tensors.values()].filter(({ name }) => name !== 't.roots');
    await expect(open(modelFile(without, metadata))).rejects.toMatchObject({
      code: 'missing_tensor',
      layer: 't.roots',
    });
    const other = [...tensors.values()].map((one) => (one.name === 't.roots' ? { ...one, dtype: 'I32' } : one));
    await expect(open(modelFile(other, metadata))).rejects.toThrow(/"t.roots" does not hold 8 bytes of F32/u);
  });
});

test('layouts admit what they can hold', () => {
  for (const name of ['F32', 'F16', 'F8_E4M3', 'Q4_K', 'IQ4_XS']) {
    expect(LAYOUTS.map((layout) => layout.admits(codecNamed(name)))).toEqual([null, null, null]);
  }
  for (const codec of [affineCodec(4, 128, false), triple(16)]) {
    expect(planes.admits(codec)).toBeNull();
    expect(plain.admits(codec)).toMatch(/^the layout "plain" has one array for each tensor, and .* takes more$/u);
  }
});
