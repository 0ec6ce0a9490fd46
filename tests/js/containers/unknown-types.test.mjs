import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { ggufFile, ggufTensor } from '../support/models/gguf.mjs';
import { float32Tensor, modelFile, rawFile, readModel } from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const bytesOf = (count, seed = 1) => Buffer.from(Array.from({ length: count }, (_, at) => (at * 31 + seed * 7) & 255));
const opaque = (name, dtype, shape, count) => ({ name, dtype, shape, bytes: bytesOf(count, name.length) });

describe('a safetensors with types that nobody here decodes', () => {
  const kTensors = [
    float32Tensor('blocks.0.attn.weight', [64, 64]),
    opaque('fp4', 'F4', [4, 32], 64),
    opaque('scales', 'F8_E8M0', [13], 13),
    opaque('six', 'F6_E2M3', [8], 6),
    opaque('complex', 'C64', [3], 24),
    opaque('from the future', 'Z17', [5], 11),
    opaque('mask', 'BOOL', [4], 4),
  ];
  const write = () => folder.write('in.safetensors', modelFile(kTensors));

  test('was refused as a whole, and is listed, with types and bytes', async () => {
    const { tensors, bytes } = await quantizer.inspectFile(write());
    expect(tensors.map(({ name, type, dtype, shape, bytes }) => [name, type, dtype, shape, bytes])).toEqual(
      kTensors
        .map(({ name, dtype, shape, bytes }) => [name, dtype, dtype, shape, bytes.length])
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    expect(bytes).toBe(kTensors.reduce((sum, tensor) => sum + tensor.bytes.length, 0));
  });

  test('is quantized, and restored again, with those tensors copied byte for byte', async () => {
    const output = folder.path('out.safetensors');
    const { tensors, warnings } = await quantizer.quantizeFile(write(), output);
    const { from, to, kept } = tensors.find(({ name }) => name === 'from the future');
    expect({ from, to, kept }).toEqual({ from: 'Z17', to: 'Z17', kept: true });
    expect(warnings).toEqual([
      { code: 'copied_undecoded', message: expect.stringMatching(/2 more are copied.*F4, F8_E8M0/u) },
    ]);
    await quantizer.dequantizeFile(output, folder.path('back.safetensors'));
    for (const file of ['out.safetensors', 'back.safetensors']) {
      const written = readModel(readFileSync(folder.path(file))).tensors;
      for (const { name, dtype, shape, bytes } of kTensors.slice(1)) {
        expect([written.get(name).dtype, written.get(name).shape]).toEqual([dtype, shape]);
        expect(written.get(name).bytes.equals(bytes)).toBe(true);
      }
      // Whatever the sizes of unknown types, every other tensor stays aligned to its elements.
      const wide = [...written.values()].filter(({ dtype }) => dtype === 'F32');
      expect(wide.every(({ begin }) => begin % 4 === 0)).toBe(true);
    }
    const { tensors: compared } = await quantizer.compareFiles(output, folder.path('back.safetensors'));
    expect(compared.filter(({ equal }) => equal)).toHaveLength(kTensors.length);
  });

  test('is no GGUF, and the refusal names tensor, type, input and the way out', async () => {
    const error = await quantizer.plan(write(), { type: 'Q8_0', architecture: 'none' }).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'unsupported_dtype', layer: 'fp4', file: folder.path('in.safetensors') });
    expect(error.message).toMatch(/F4.*"fp4".*'\^fp4\$=drop'.*5 more/u);
    const { tensors } = await quantizer.plan(write(), {
      ...{ type: 'Q8_0', architecture: 'none', rules: [['^(fp4|scales|six|complex|from the future|mask)$', 'drop']] },
    });
    expect(tensors.map(({ name }) => name)).toEqual(['blocks.0.attn.weight']);
  });

  test('gives no values of them', async () => {
    await expect(quantizer.readTensor(write(), 'fp4')).rejects.toMatchObject({
      ...{ code: 'unsupported_dtype', layer: 'fp4', detail: 'F4', file: folder.path('in.safetensors') },
      message: expect.stringMatching(/copied.*not decoded/u),
    });
  });

  test.each([
    ['sizes that contradict a type that is known', 'F4', [4], 4, /takes 4 bytes.*needs 2/u],
    ['half a byte', 'F4', [3], 1, /takes 1 bytes.*needs 1\.5/u],
    ['elements without bytes', 'Z17', [4], 0, /takes 0 bytes.*has 4 elements/u],
    ['bytes without elements', 'Z17', [0], 4, /takes 4 bytes.*has 0 elements/u],
    ['a type that is no word', '\u001b[2J', [1], 1, /has "\\u001b\[2J" for a dtype/u],
  ])('is refused with %s', async (_, dtype, shape, count, says) => {
    const header = JSON.stringify({ a: { dtype, shape, data_offsets: [0, count] } });
    const call = quantizer.inspectFile(folder.write('bad.safetensors', rawFile(header, Buffer.alloc(count))));
    await expect(call).rejects.toMatchObject({
      code: 'invalid_file',
      layer: 'a',
      message: expect.stringMatching(says),
    });
  });
});

describe('a GGUF', () => {
  const kUnknown = { name: 'blk.0.ffn_gate.weight', ne: [64, 2], type: 99, bytes: bytesOf(96) };
  const kTensors = [
    ggufTensor('blk.0.attn_q.weight', [64, 4], 1),
    kUnknown,
    ggufTensor('blk.0.ffn_up.weight', [64, 8], 9),
    { name: 'z.weight', ne: [5], type: 31, bytes: bytesOf(7, 3) },
  ];
  const kPairs = [['general.architecture', 'string', 'llama']];
  const zeroed = (tensors) => tensors.map((one) => (one.type === 1 ? { ...one, bytes: Buffer.alloc(512) } : one));
  const write = () => folder.write('in.gguf', ggufFile({ pairs: kPairs, tensors: zeroed(kTensors) }));

  test('with the unknown ggml type 99 was refused, and is listed with the bytes up to the next tensor', async () => {
    const { tensors } = await quantizer.inspectFile(write());
    expect(tensors.map(({ name, type, dtype, shape, bytes }) => [name, type, dtype, shape, bytes])).toEqual([
      ['blk.0.attn_q.weight', 'F16', 'F16', [4, 64], 512],
      ['blk.0.ffn_gate.weight', 'ggml type 99', 'ggml type 99', [2, 64], 96],
      ['blk.0.ffn_up.weight', 'Q8_1', 'Q8_1', [8, 64], 576],
      ['z.weight', 'ggml type 31', 'ggml type 31', [5], 32],
    ]);
  });

  test('of Q8_1 could not be quantized; such tensors are copied, and it is told', async () => {
    const { tensors, warnings } = await quantizer.quantizeFile(write(), folder.path('out.gguf'), { type: 'Q8_0' });
    expect(tensors.map(({ from, to, kept, rule }) => [from, to, kept, rule])).toEqual([
      ['F16', 'Q8_0', false, 'matrix'],
      ['ggml type 99', 'ggml type 99', true, 'ggml type 99 cannot be decoded'],
      ['Q8_1', 'Q8_1', true, 'Q8_1 cannot be decoded'],
      ['ggml type 31', 'ggml type 31', true, 'rank below 2'],
    ]);
    expect(warnings).toEqual([
      {
        code: 'copied_undecoded',
        message: expect.stringMatching(/because ggml type 31, ggml type 99, Q8_1 cannot.*where the next/u),
      },
    ]);
    const copy = (await quantizer.inspectFile(folder.path('out.gguf'))).tensors;
    expect(copy.map(({ type, bytes }) => [type, bytes])).toEqual([
      ...[
        ['Q8_0', 272],
        ['ggml type 99', 96],
        ['Q8_1', 576],
        ['ggml type 31', 32],
      ],
    ]);
    const { tensors: compared } = await quantizer.compareFiles(folder.path('in.gguf'), folder.path('out.gguf'));
    expect(compared.map(({ equal }) => equal)).toEqual([true, true, true, true]);
    const file = readFileSync(folder.path('out.gguf'));
    expect(file.includes(kUnknown.bytes)).toBe(true);
    expect(file.includes(kTensors[2].bytes)).toBe(true);
  });

  test('is equal to its copy also where padding is added behind it', async () => {
    const tensors = zeroed([kTensors[0], { name: 'z.weight', ne: [5], type: 31, bytes: bytesOf(7) }]);
    const file = ggufFile({ pairs: kPairs, tensors });
    const input = folder.write('in.gguf', file.subarray(0, file.length - 25));
    await quantizer.quantizeFile(input, folder.path('out.gguf'), { type: 'F16' });
    const { tensors: compared } = await quantizer.compareFiles(input, folder.path('out.gguf'));
    expect(compared.map(({ equal }) => equal)).toEqual([true, true]);
  });

  test('in parts stays readable, whatever part an unknown tensor is in', async () => {
    const large = { name: 'blk.0.ffn_down.weight', ne: [64, 2], type: 98, bytes: bytesOf(1_000_032) };
    const input = folder.write('in.gguf', ggufFile({ pairs: kPairs, tensors: [large, ...zeroed(kTensors)] }));
    const { files } = await quantizer.quantizeFile(input, folder.path('out.gguf'), { type: 'Q8_0', splitSize: 1e6 });
    expect(files.length).toBeGreaterThan(1);
    const { tensors } = await quantizer.compareFiles(input, files[0]);
    expect(tensors.filter(({ equal }) => equal)).toHaveLength(5);
  });

  test('is no safetensors where something cannot be decoded', async () => {
    const about = { code: 'unsupported_dtype', file: folder.path('in.gguf') };
    const back = quantizer.dequantizeFile(write(), folder.path('out.safetensors'));
    await expect(back).rejects.toMatchObject({ ...about, detail: 'ggml type 99' });
    const affine = quantizer.quantizeFile(write(), folder.path('out.safetensors'));
    await expect(affine).rejects.toMatchObject({ ...about, message: expect.stringContaining('=drop') });
    await expect(quantizer.readTensor(write(), 'blk.0.ffn_up.weight')).rejects.toMatchObject({
      ...{ ...about, layer: 'blk.0.ffn_up.weight', detail: 'Q8_1' },
    });
    expect(folder.list()).toEqual(['in.gguf']);
  });

  test('keeps the type that was asked for by name only where it can', async () => {
    const call = quantizer.plan(write(), { type: 'Q8_0', rules: [['=blk.0.ffn_up.weight', 'F16']] });
    await expect(call).rejects.toMatchObject({ code: 'invalid_option', message: expect.stringMatching(/are Q8_1/u) });
  });

  test.each([
    ['beyond the end of the file', 6400n, /ends at byte|belong to no tensor|only/u],
    ['where another tensor lies', 0n, /overlap/u],
  ])('is refused with an unknown tensor %s', async (_, offset, says) => {
    const tensors = [ggufTensor('a.weight', [64], 1), { ...kUnknown, offset }];
    const call = quantizer.inspectFile(folder.write('bad.gguf', ggufFile({ tensors })));
    await expect(call).rejects.toMatchObject({ code: 'invalid_file', message: expect.stringMatching(says) });
  });

  test('is refused with an unknown tensor that has no bytes', async () => {
    const tensors = [ggufTensor('a.weight', [64], 1), { ...kUnknown, bytes: Buffer.alloc(0) }];
    const call = quantizer.inspectFile(folder.write('bad.gguf', ggufFile({ tensors })));
    await expect(call).rejects.toMatchObject({ code: 'invalid_file', message: expect.stringMatching(/no bytes/u) });
  });
});
