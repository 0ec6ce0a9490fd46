import { describe, expect, test } from '@jest/globals';
import { GGML_TYPES, QuantizeError, readGguf, u32, withKeyValue } from '../support/internals.mjs';
import { parseWithHuggingFace } from '../../peers/hugging-face-gguf.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { openGgmlReader } from '../support/models/ggml-gguf.mjs';
import { filesOf, kPairs, kTensors, layout } from '../support/models/gguf-layout.mjs';
import { array, ggufFile, ggufTensor, memorySource, parseGguf } from '../support/models/gguf.mjs';

const folder = useFolder();

describe('a file that was laid out', () => {
  const { 'out.gguf': file } = filesOf(layout());

  test('is what an independent reader expects of version 3', () => {
    const { version, pairs, tensors, headerBytes, dataBegin } = parseGguf(file);
    expect(version).toBe(3);
    expect(Object.fromEntries(pairs)).toEqual({
      'general.architecture': { type: 'string', value: 'flux' },
      'general.file_type': { type: 'u32', value: 15 },
      small: { type: 'u16', value: 65535 },
      negative: { type: 'i32', value: -5 },
      'a.third': { type: 'f32', value: Math.fround(1 / 3) },
      yes: { type: 'bool', value: true },
      tokens: { type: 'array', value: ['<s>', 'Ġé🏹', ''] },
      'comfy.gguf.orig_shape.conv.weight': { type: 'array', value: [64, -1, 3, 3] },
    });
    expect([...pairs.keys()]).toEqual(kPairs.map(({ key }) => key));
    expect(tensors.map(({ name, ne, type }) => [name, ne, type])).toEqual([
      ['conv.weight', [3, 3, 4, 5], 1],
      ['blocks.0.weight', [512, 3], 12],
      ['blocks.0.bias', [7], 0],
      ['scale', [1], 0],
      ['empty', [4, 0], 30],
      ['experts', [32, 3, 2], 8],
    ]);
    tensors.forEach(({ bytes }, index) => expect(bytes.every((byte) => byte === index + 1)).toBe(true));
    expect(file.subarray(headerBytes, dataBegin).every((byte) => byte === 0)).toBe(true);
  });

  test('has its tensors one behind the other, each padded to 32 bytes, the last one too', () => {
    const { tensors, dataBegin } = parseGguf(file);
    let reached = dataBegin;
    for (const { begin, bytes } of tensors) {
      expect(begin).toBe(reached);
      reached = Math.ceil((begin + bytes.length) / 32) * 32;
      expect(file.subarray(begin + bytes.length, reached).every((byte) => byte === 0)).toBe(true);
    }
    expect(reached).toBe(file.length);
  });

  test('is what our reader reads: the same pairs, types and shapes', async () => {
    const { keyValues, tensors } = await readGguf(memorySource(file));
    expect(keyValues).toEqual(kPairs);
    expect(tensors.map(({ name, type, shape }) => ({ name, type: type.name, shape }))).toEqual(
      kTensors.map((tensor) => (tensor.name === 'scale' ? { ...tensor, shape: [1] } : tensor)),
    );
  });

  test('is what @huggingface/gguf reads', async () => {
    const { metadata, tensorInfos, tensorDataOffset } = await parseWithHuggingFace(file);
    expect(metadata).toMatchObject({ version: 3, tensor_count: 6n, kv_count: 8n, 'general.file_type': 15, yes: true });
    expect(metadata.tokens).toEqual(['<s>', 'Ġé🏹', '']);
    const ours = parseGguf(file);
    expect(Number(tensorDataOffset)).toBe(ours.dataBegin);
    expect(
      tensorInfos.map(({ name, shape, dtype, offset }) => [name, shape.map(Number), dtype, Number(offset)]),
    ).toEqual(ours.tensors.map(({ name, ne, type, begin }) => [name, ne, type, begin - ours.dataBegin]));
  });

  const readWithGgml = openGgmlReader();
  if (readWithGgml !== null)
    test("is what ggml's own reader reads, tensors of every type included", () => {
      const every = GGML_TYPES.map(({ name, blockWeights }) => ({ name, type: name, shape: [2, 3 * blockWeights] }));
      for (const change of [{}, { tensors: every }, { alignment: 64 }, { keyValues: [] }]) {
        const { 'out.gguf': made } = filesOf(layout(change));
        const found = readWithGgml(folder.write('out.gguf', made));
        const ours = layout(change);
        expect(found.keys.slice(0, kPairs.length)).toEqual((change.keyValues ?? kPairs).map(({ key }) => key));
        expect(found.dataBegin).toBe(ours.files[0].header.length);
        expect(found.tensors.map(({ begin, bytes }) => ({ file: 0, offset: begin, bytes }))).toEqual(ours.places);
      }
      expect(readWithGgml(folder.write('cut.gguf', file.subarray(0, 100)))).toBeNull();
    });

  test('copies pairs from another file byte for byte, in order', async () => {
    const nested = array({ of: 'array', values: [{ of: 'u8', values: [1, 2] }] });
    const input = ggufFile({
      pairs: [
        ['z', 'u64', 2n ** 64n - 1n],
        ['nan', 'f32', Buffer.from([1, 0, 0xc0, 0x7f])],
        ['nested', 'array', nested],
        ['general.file_type', 'u32', 1],
        ['a', 'string', '\ufeffx'],
      ],
      tensors: [ggufTensor('t', [4], 0)],
    });
    const { keyValues } = await readGguf(memorySource(input));
    const same = filesOf(layout({ keyValues, tensors: [{ name: 't', type: 'F32', shape: [4] }] }))['out.gguf'];
    const { headerBytes } = parseGguf(input);
    expect(Buffer.compare(same.subarray(0, headerBytes), input.subarray(0, headerBytes))).toBe(0);

    const changed = withKeyValue(withKeyValue(keyValues, u32('general.file_type', 15)), u32('new', 7));
    const { pairs } = parseGguf(filesOf(layout({ keyValues: changed }))['out.gguf']);
    expect([...pairs.keys()]).toEqual(['z', 'nan', 'nested', 'general.file_type', 'a', 'new']);
    expect(pairs.get('general.file_type').value).toBe(15);
  });

  test.each([
    ['given', { alignment: 128 }],
    ['of the pairs', { keyValues: [u32('general.alignment', 128)] }],
    ['given in place of that of the pairs', { keyValues: [u32('general.alignment', 8)], alignment: 128 }],
  ])('has the alignment %s', async (_, change) => {
    const { 'out.gguf': other } = filesOf(layout(change));
    expect((await readGguf(memorySource(other))).alignment).toBe(128);
    expect(parseGguf(other).pairs.get('general.alignment')).toEqual({ type: 'u32', value: 128 });
    expect(other.length % 128).toBe(0);
  });

  test('holds a tensor of each type', async () => {
    const tensors = GGML_TYPES.map(({ name, blockWeights }) => ({ name, type: name, shape: [2, 3 * blockWeights] }));
    const found = await readGguf(memorySource(filesOf(layout({ tensors }))['out.gguf']));
    expect(found.tensors.map(({ type, range }) => [type.name, range.bytes])).toEqual(
      GGML_TYPES.map(({ name, blockBytes }) => [name, 6 * blockBytes]),
    );
  });

  test('may be empty', async () => {
    const { tensors, keyValues } = await readGguf(
      memorySource(filesOf(layout({ keyValues: [], tensors: [] }))['out.gguf']),
    );
    expect([tensors, keyValues]).toEqual([[], []]);
  });
});

describe('a layout is refused', () => {
  const kName63 = 'é'.repeat(31) + 'x';
  test.each([
    [
      'a name of 64 bytes',
      { tensors: [{ name: `${kName63}x`, type: 'F32', shape: [1] }] },
      'unwritable_output',
      `${kName63}x`,
      /has 64 bytes, readers of GGUF take at most 63/,
    ],
    [
      'five dimensions',
      { tensors: [{ name: 't', type: 'F32', shape: [1, 1, 1, 1, 1] }] },
      'unwritable_output',
      't',
      /has 5 dimensions, readers of GGUF take at most 4/,
    ],
    [
      'half a block a row',
      { tensors: [{ name: 't', type: 'Q4_K', shape: [2, 128] }] },
      'row_not_whole_blocks',
      't',
      /rows of 128, Q4_K has blocks of 256/,
    ],
    [
      'a scalar as blocks',
      { tensors: [{ name: 't', type: 'Q4_0', shape: [] }] },
      'row_not_whole_blocks',
      't',
      /rows of 1/,
    ],
    [
      'a key twice',
      { keyValues: [u32('k', 1), u32('k', 1)] },
      'unwritable_output',
      undefined,
      /the key "k" would occur twice/,
    ],
    ['a name twice', { tensors: [kTensors[0], kTensors[0]] }, 'duplicate_layer', 'conv.weight', /occurs twice/],
    [
      'a type that ggml has not',
      { tensors: [{ name: 't', type: 'F8_E4M3', shape: [1] }] },
      'unsupported_dtype',
      't',
      /F8_E4M3/,
    ],
    [
      'extents that are none',
      { tensors: [{ name: 't', type: 'F32', shape: [1.5] }] },
      'shape_mismatch',
      't',
      /\[1\.5\]/,
    ],
    ['an alignment of 48', { alignment: 48 }, 'unwritable_output', undefined, /alignment cannot be 48/],
    [
      'too many files',
      { tensors: Array.from({ length: 501 }, (_, i) => ({ name: `t${i}`, type: 'F32', shape: [1] })), splitBytes: 1 },
      'invalid_option',
      undefined,
      /makes 501 files, the limit is 500/,
    ],
  ])('for %s', (_, change, code, layer, says) => {
    const error = (() => {
      try {
        return layout(change);
      } catch (reason) {
        return reason;
      }
    })();
    expect(error).toBeInstanceOf(QuantizeError);
    expect({ code: error.code, file: error.file, layer: error.layer }).toEqual({ code, file: 'out.gguf', layer });
    expect(error.message).toMatch(says);
  });

  test('but not for a name of 63 bytes', () => {
    expect(layout({ tensors: [{ name: kName63, type: 'F32', shape: [1] }] }).places).toHaveLength(1);
  });
});
