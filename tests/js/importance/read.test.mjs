import { describe, expect, test } from '@jest/globals';
import { BytesSource, readImportanceMatrix } from '../support/internals.mjs';
import { ggufFile } from '../support/models/gguf.mjs';
import { imatrixDat, imatrixGguf, tensor } from '../support/models/imatrix.mjs';

const read = (bytes) => readImportanceMatrix(new BytesSource(bytes));

const kEntries = [
  ['blk.1.attn_q.weight', { sums: [3, 0.1, 7], counts: [3] }],
  ['blk.0.ffn_down_exps.weight', { sums: [6, 9, 1, 2, 8, 2], counts: [3, 0, 2.5] }],
  ['blk.0.attn_q.weight', { sums: [5, 6], counts: [-1] }],
];

describe('a GGUF', () => {
  test('has for each column its sum over the count, and 1 where a matrix has seen nothing', async () => {
    const matrix = await read(imatrixGguf(kEntries));
    expect(matrix).toMatchObject({
      file: 'the bytes',
      form: 'gguf',
      datasets: ['wiki.train.raw'],
      chunks: 4,
      chunkSize: 512,
    });
    // Halves are rounded away from zero.
    expect([...matrix.entries]).toEqual([
      ['blk.0.attn_q.weight', { values: Float32Array.of(1, 1), counts: [-1] }],
      ['blk.0.ffn_down_exps.weight', { values: Float32Array.of(2, 3, 1, 1, 8 / 3, 2 / 3), counts: [3, 0, 3] }],
      ['blk.1.attn_q.weight', { values: Float32Array.of(1, Math.fround(0.1) / 3, 7 / 3), counts: [3] }],
    ]);
  });

  test('of a dense tensor of three dimensions has one count for all matrices', async () => {
    const { entries } = await read(imatrixGguf([['a.weight', { sums: [2, 4, 6, 8], counts: [2] }]]));
    expect([...entries.get('a.weight').values]).toEqual([1, 2, 3, 4]);
  });

  test('may have other tensors, texts of another kind, and no text at all', async () => {
    const other = await read(
      ggufFile({
        pairs: [
          ['imatrix.datasets', 'u32', 1],
          ['imatrix.chunk_count', 'u32', 0],
          ['imatrix.chunk_size', 'u32', 512],
        ],
        tensors: [tensor('other', [1], [1]), tensor('a.counts', [1], [1]), tensor('a.in_sum2', [1], [5])],
      }),
    );
    expect(other).toMatchObject({ datasets: [], chunks: 0 });
    expect([...other.entries.keys()]).toEqual(['a']);
  });

  const usual = imatrixGguf(kEntries);
  const bad = {
    'no importance at all': [ggufFile({ tensors: [tensor('a.weight', [1], [1])] }), /no importance matrix/u],
    'nothing in it': [ggufFile({}), /no importance matrix/u],
    'no count of chunks': [imatrixGguf(kEntries, { pairs: [['imatrix.chunk_count', null]] }), /"imatrix.chunk_count"/u],
    'no chunk size': [imatrixGguf(kEntries, { pairs: [['imatrix.chunk_size', null]] }), /"imatrix.chunk_size"/u],
    'no texts': [imatrixGguf(kEntries, { pairs: [['imatrix.datasets', null]] }), /"imatrix.datasets"/u],
    'a text as count': [imatrixGguf(kEntries, { pairs: [['imatrix.chunk_count', 'string', '4']] }), /is no u32/u],
    'sums without counts': [withTensors([tensor('a.in_sum2', [1], [1])]), /lacks the tensor "a.counts"/u],
    'counts without sums': [withTensors([tensor('a.counts', [1], [1])]), /lacks the tensor "a.in_sum2"/u],
    'sums of integers': [
      withTensors([tensor('a.in_sum2', [1], [1], 26), tensor('a.counts', [1], [1])]),
      /"a.in_sum2" is I32, not F32/u,
    ],
    'an empty tensor': [withTensors([tensor('a.in_sum2', [0], []), tensor('a.counts', [1], [1])]), /is empty/u],
    'sums that counts do not divide': [
      withTensors([tensor('a.in_sum2', [3], [1, 2, 3]), tensor('a.counts', [2], [1, 1])]),
      /3 sums for 2 matrices/u,
    ],
    'a count that is none': [imatrixGguf([['a', { sums: [1], counts: [NaN] }]]), /a count of "a" is NaN/u],
    'its end cut off': [usual.subarray(0, usual.length - 64), /downloaded to its end/u],
  };
  test.each(Object.entries(bad))('with %s is refused', async (_, [file, message]) => {
    await expect(read(file)).rejects.toMatchObject({ code: 'invalid_file', message: expect.stringMatching(message) });
  });
});

function withTensors(tensors) {
  const pairs = [
    ['imatrix.datasets', 'array', { of: 'string', values: [] }],
    ['imatrix.chunk_count', 'u32', 1],
    ['imatrix.chunk_size', 'u32', 512],
  ];
  return ggufFile({ pairs, tensors });
}

describe('a .dat', () => {
  const entries = [
    ['blk.1.attn_q.weight', { sums: [3, 0.1], chunks: 3 }],
    ['blk.0.attn_q.weight', { sums: [5, 6, 7], chunks: 0 }],
  ];
  const values = [
    ['blk.0.attn_q.weight', { values: Float32Array.of(5, 6, 7), counts: [0] }],
    ['blk.1.attn_q.weight', { values: Float32Array.of(1, Math.fround(0.1) / 3), counts: [3] }],
  ];

  test('has for each column its sum over the number of chunks', async () => {
    const matrix = await read(imatrixDat(entries, { chunks: 12, dataset: 'größer.txt' }));
    expect(matrix).toMatchObject({ form: 'dat', datasets: ['größer.txt'], chunks: 12, chunkSize: 0 });
    expect([...matrix.entries]).toEqual(values);
  });

  test('of old versions ends after its entries, or after the number of chunks', async () => {
    for (const [more, chunks] of [
      [{}, 0],
      [{ chunks: 9 }, 9],
      [{ chunks: 9, dataset: '' }, 9],
    ]) {
      const matrix = await read(imatrixDat(entries, more));
      expect(matrix).toMatchObject({ datasets: [], chunks });
      expect([...matrix.entries]).toEqual(values);
    }
  });

  test('is read in pieces, across their edges', async () => {
    const sums = Float32Array.from({ length: 1_200_000 }, (_, index) => index);
    const { entries: found } = await read(imatrixDat([['abc.weight', { sums, chunks: 1 }], ...entries]));
    expect(Buffer.from(found.get('abc.weight').values.buffer).equals(Buffer.from(sums.buffer))).toBe(true);
    expect(found.get('blk.0.attn_q.weight').values).toEqual(Float32Array.of(5, 6, 7));
  });

  test('that ends anywhere else is refused', async () => {
    const whole = imatrixDat(entries, { chunks: 12, dataset: 'a.txt' });
    const ends = [whole.length, whole.length - 9, whole.length - 13];
    for (let end = 0; end < whole.length; ++end) {
      if (ends.includes(end)) await read(whole.subarray(0, end));
      else await expect(read(whole.subarray(0, end))).rejects.toMatchObject({ code: 'invalid_file' });
    }
  });

  const [one] = entries;
  const bad = {
    'two entries of a name': [imatrixDat([one, one]), /occurs twice/u],
    'no values': [imatrixDat([['abc', { sums: [], chunks: 1 }]]), /0 values of "abc"/u],
    'more values than bytes': [values32(['abc', 2 ** 30]), /1073741824 values of "abc"/u],
    'fewer than no values': [values32(['abc', -1]), /-1 values of "abc"/u],
    'more entries than it has': [imatrixDat([one], { count: 2 }), /within/u],
  };
  test.each(Object.entries(bad))('with %s is refused', async (_, [file, message]) => {
    await expect(read(file)).rejects.toMatchObject({ code: 'invalid_file', message: expect.stringMatching(message) });
  });
});

/** A file of one entry that announces so many values. */
function values32([name, values]) {
  const file = imatrixDat([[name, { sums: [1], chunks: 1 }]]);
  file.writeInt32LE(values, 4 + 4 + name.length + 4);
  return file;
}

test.each([
  ['a text', Buffer.from('what is written here'), /it is a text that begins with/u],
  ['a pointer of Git LFS', Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:1\n'), /Git LFS/u],
  ['nothing', Buffer.alloc(0), /it is empty/u],
  [
    'a safetensors file',
    Buffer.concat([Buffer.from([8, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}      ')]),
    /no importance matrix/u,
  ],
])('%s is no importance matrix', async (_, bytes, message) => {
  await expect(read(bytes)).rejects.toMatchObject({ code: 'invalid_file', message: expect.stringMatching(message) });
});
