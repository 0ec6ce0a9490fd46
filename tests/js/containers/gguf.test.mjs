import { describe, expect, test } from '@jest/globals';
import {
  FILE_TYPES,
  GGML_TYPES,
  fileTypeName,
  findKeyValue,
  ggmlTypeNamed,
  isUtf8,
  readGguf,
  textOf,
  wholeNumberOf,
} from '../support/internals.mjs';
import { openLlama } from '../../peers/llama.mjs';
import { array, ggufFile, ggufTensor, memorySource, string } from '../support/models/gguf.mjs';

const read = (file) => readGguf(memorySource(file));

const kAllTypes = [
  ['a.u8', 'u8', 255],
  ['a.i8', 'i8', -128],
  ['a.u16', 'u16', 65535],
  ['a.i16', 'i16', -32768],
  ['a.u32', 'u32', 4294967295],
  ['a.i32', 'i32', -2147483648],
  ['a.f32', 'f32', Math.fround(1e-5)],
  ['a.yes', 'bool', true],
  ['a.no', 'bool', false],
  ['a.string', 'string', '\ufeffgrüße 🏹'],
  ['a.empty', 'string', ''],
  ['a.u64', 'u64', 2n ** 64n - 1n],
  ['a.i64', 'i64', -(2n ** 63n)],
  ['a.f64', 'f64', Math.PI],
];

describe('reads', () => {
  test.each([2, 3])('version %i', async (version) => {
    const file = await read(ggufFile({ version, tensors: [ggufTensor('a', [4], 0)] }));
    expect(file.version).toBe(version);
    expect(file.tensors).toHaveLength(1);
  });

  test('a value of each type, in the order of the file', async () => {
    const { keyValues } = await read(ggufFile({ pairs: kAllTypes }));
    expect(keyValues.map(({ key, type, value }) => [key, type, value])).toEqual(kAllTypes);
    expect(textOf(keyValues, 'a.string')).toBe('\ufeffgrüße 🏹');
    expect(textOf(keyValues, 'a.u8')).toBeUndefined();
    expect(wholeNumberOf(keyValues, 'a.i32')).toBe(-2147483648);
    expect(wholeNumberOf(keyValues, 'a.u64')).toBeUndefined();
    expect(wholeNumberOf(keyValues, 'none')).toBeUndefined();
  });

  test('arrays of each type, empty and nested ones', async () => {
    const arrays = kAllTypes.map(([key, type, value]) => [`${key}s`, 'array', { of: type, values: [value, value] }]);
    const nested = {
      of: 'array',
      values: [
        { of: 'i32', values: [1, -2] },
        { of: 'string', values: ['x', ''] },
      ],
    };
    const pairs = [...arrays, ['none', 'array', { of: 'u64', values: [] }], ['nested', 'array', nested]];
    const { keyValues } = await read(ggufFile({ pairs }));
    kAllTypes.forEach(([key, type, value]) => {
      expect(findKeyValue(keyValues, `${key}s`).value).toEqual([value, value]);
      expect(findKeyValue(keyValues, `${key}s`).array).toEqual({ type, length: 2 });
    });
    expect(findKeyValue(keyValues, 'none').value).toEqual([]);
    expect(findKeyValue(keyValues, 'nested').value).toEqual([
      [1, -2],
      ['x', ''],
    ]);
    expect(findKeyValue(keyValues, 'nested').array).toEqual({ type: 'array', length: 2 });
  });

  test('a vocabulary of 150,000 strings, kept as the bytes that it has in the file', async () => {
    const values = Array.from({ length: 150_000 }, (_, index) => `Ġtoken${index}`);
    const encoded = array({ of: 'string', values });
    const file = ggufFile({
      pairs: [
        ['tokenizer.ggml.tokens', 'array', encoded],
        ['general.name', 'string', 'after it'],
      ],
      tensors: [ggufTensor('a.weight', [32, 2], 2)],
    });
    const { keyValues, headerBytes } = await read(file);
    expect(Buffer.compare(keyValues[0].encoded, encoded)).toBe(0);
    expect(keyValues[0].array).toEqual({ type: 'string', length: 150_000 });
    expect(keyValues[0].value.at(-1)).toBe('Ġtoken149999');
    expect(keyValues[1].value).toBe('after it');
    // All values are views of one copy of the header.
    expect(keyValues[0].encoded.buffer).toBe(keyValues[1].encoded.buffer);
    expect(keyValues[0].encoded.buffer.byteLength).toBe(headerBytes);
  });

  test('shapes in torch order, from rank 0 to 4, with empty tensors', async () => {
    const tensors = [
      ggufTensor('scalar', [], 0),
      ggufTensor('vector', [7], 1),
      ggufTensor('matrix', [256, 3], 12),
      ggufTensor('kernel', [3, 4, 5, 6], 30),
      ggufTensor('empty', [0, 9], 0),
      ggufTensor('blocks', [64, 2], 39),
    ];
    const file = ggufFile({ tensors });
    const { tensors: found } = await read(file);
    expect(found.map(({ name, type, shape, elements }) => [name, type.name, shape, elements])).toEqual([
      ['scalar', 'F32', [], 1],
      ['vector', 'F16', [7], 7],
      ['matrix', 'Q4_K', [3, 256], 768],
      ['kernel', 'BF16', [6, 5, 4, 3], 360],
      ['empty', 'F32', [9, 0], 0],
      ['blocks', 'MXFP4', [2, 64], 128],
    ]);
    found.forEach(({ range: { begin, bytes } }, index) => {
      expect(Buffer.compare(file.subarray(begin, begin + bytes), tensors[index].bytes)).toBe(0);
    });
  });

  test('tensors that lie in another order than the header lists them, and a last one without padding', async () => {
    const [a, b] = [ggufTensor('a', [8], 0), ggufTensor('b', [5], 0)];
    const data = Buffer.concat([b.bytes, Buffer.alloc(12), a.bytes]);
    const { tensors, dataBegin } = await read(
      ggufFile({
        tensors: [
          { ...a, offset: 32 },
          { ...b, offset: 0 },
        ],
        data,
      }),
    );
    expect(tensors.map(({ name, range }) => [name, range.begin - dataBegin])).toEqual([
      ['a', 32],
      ['b', 0],
    ]);
  });

  test.each([1, 8, 64, 65536])('an alignment of %i', async (alignment) => {
    const pairs = [['general.alignment', 'u32', alignment]];
    const file = await read(
      ggufFile({ pairs, alignment, tensors: [ggufTensor('a', [3], 0), ggufTensor('b', [3], 1)] }),
    );
    expect(file.alignment).toBe(alignment);
    expect(file.dataBegin % alignment).toBe(0);
  });

  test('a file without tensors, padded or not', async () => {
    const file = ggufFile({ pairs: [['a', 'u8', 1]] });
    const { headerBytes, tensors } = await read(file);
    expect(tensors).toEqual([]);
    expect((await read(file.subarray(0, headerBytes))).headerBytes).toBe(headerBytes);
  });

  test('names longer than ggml takes, so that such files can be converted', async () => {
    const name = 'n'.repeat(100);
    expect((await read(ggufFile({ tensors: [ggufTensor(name, [1], 0)] }))).tensors[0].name).toBe(name);
  });
});

test('knows valid UTF-8 from invalid as the decoder of the platform does', () => {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decodes = (bytes) => {
    try {
      decoder.decode(bytes);
      return true;
    } catch {
      return false;
    }
  };
  // Four of these at a time: lead bytes and continuations at the boundaries of the encoding.
  const kEdges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xf5, 0xff];
  const wrong = [];
  for (let index = 0; index < kEdges.length ** 4; ++index) {
    const bytes = Uint8Array.from({ length: 4 }, (_, at) => kEdges[(index >> (4 * at)) & 15]);
    if (isUtf8(bytes) !== decodes(bytes)) wrong.push([...bytes]);
  }
  expect(wrong).toEqual([]);
  expect(isUtf8(new Uint8Array())).toBe(true);
});

describe('the table of types', () => {
  const llama = openLlama();

  if (llama !== null)
    test('is that of ggml', () => {
      const theirs = new Map(
        [...llama.types].map(([name, { type, blockWeights, blockBytes }]) => [name, [type, blockWeights, blockBytes]]),
      );
      const ours = GGML_TYPES.map(({ name, id, blockWeights, blockBytes }) => [name, [id, blockWeights, blockBytes]]);
      expect(new Map(ours)).toEqual(theirs);
    });

  test('finds types by name, and names of file types by number', () => {
    expect(ggmlTypeNamed('IQ4_XS')).toEqual({ name: 'IQ4_XS', id: 23, blockWeights: 256, blockBytes: 136 });
    expect(ggmlTypeNamed('toString')).toBeUndefined();
    expect(fileTypeName(15)).toBe('Q4_K_M');
    expect(fileTypeName(4)).toBeUndefined();
    expect(new Set(Object.values(FILE_TYPES)).size).toBe(Object.keys(FILE_TYPES).length);
  });
});

test('reads no more of a large file than its header, in few reads', async () => {
  const tensor = ggufTensor('a.weight', [2 ** 22], 1);
  const source = memorySource(ggufFile({ pairs: [['x', 'string', string('small')]], tensors: [tensor] }));
  await readGguf(source);
  expect(source.bytesRead).toBeLessThanOrEqual(65536);
});
