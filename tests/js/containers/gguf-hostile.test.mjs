import { describe, expect, test } from '@jest/globals';
import { QuantizeError, readGguf } from '../support/internals.mjs';
import { randomSource } from '../support/weights.mjs';
import { kHostileGguf } from '../support/models/gguf-hostile.mjs';
import { array, ggufFile, ggufTensor, longSource, memorySource, parseGguf, string } from '../support/models/gguf.mjs';

const kCases = 12_000;

const refusal = async (source) => {
  const error = await readGguf(source).catch((reason) => reason);
  expect(error).toBeInstanceOf(QuantizeError);
  return error;
};

describe('refuses a GGUF file with', () => {
  test.each(kHostileGguf)('$title', async ({ file, code = 'invalid_file', tensor, says }) => {
    const source = memorySource(file);
    const error = await refusal(source);
    expect({ code: error.code, file: error.file, layer: error.layer }).toEqual({
      code,
      file: 'in.gguf',
      layer: tensor,
    });
    expect(error.message).toMatch(says);
    expect(source.bytesRead).toBeLessThanOrEqual(file.length);
  });
});

describe('never reads what the file only claims to have: of a file of 1 TB', () => {
  const kTerabyte = 2 ** 40;
  // What follows the announcement is zeros.
  const upTo = (value, pairs) => ggufFile({ pairs }).subarray(0, value);

  test.each([
    [
      'a million tensors',
      ggufFile({ tensorCount: 1_000_000 }).subarray(0, 24),
      /1000000 tensors are over the limit of/,
    ],
    [
      'a million pairs',
      ggufFile({ pairCount: 1_000_000 }).subarray(0, 24),
      /1000000 key-value pairs are over the limit of/,
    ],
    [
      'a string of 1 GB',
      upTo(45, [['k', 'string', string('', 2 ** 30)]]),
      /1073741824 bytes of a string .* over the limit of 67108864/,
    ],
    [
      'an array of 1 G elements',
      upTo(49, [['k', 'array', array({ of: 'u8', values: [], count: 2 ** 30 })]]),
      /1073741824 elements .* over the limit of 67108864/,
    ],
  ])('%s', async (_, head, says) => {
    const source = longSource(head, kTerabyte);
    expect((await refusal(source)).message).toMatch(says);
    expect(source.bytesRead).toBeLessThanOrEqual(65_536);
  });

  test('arrays that add up to more than a header may have', async () => {
    const head = ggufFile({ pairs: [['k', 'array', array({ of: 'u64', values: [], count: 2 ** 26 })]] });
    const source = longSource(head, kTerabyte);
    expect((await refusal(source)).message).toMatch(/its header is over the limit of 268435456 bytes/);
    expect(source.bytesRead).toBeLessThanOrEqual(65_536);
  });
});

test('names in messages are shortened and cannot steer a terminal', async () => {
  const file = ggufFile({ tensors: [{ ...ggufTensor(`\u001b[2J${'x'.repeat(60_000)}`, [4], 0), type: 2 }] });
  const { message } = await refusal(memorySource(file));
  expect(message.length).toBeLessThan(500);
  expect(message).toContain('\\u001b[2J');
});

describe(`${kCases} damaged files`, () => {
  const kModels = [
    ggufFile({
      pairs: [
        ['general.architecture', 'string', 'llama'],
        ['general.file_type', 'u32', 15],
        ['llama.rope.freq_base', 'f32', 10000],
        ['tokenizer.ggml.tokens', 'array', { of: 'string', values: ['<s>', '▁the', 'é', 'x'] }],
        ['tokenizer.ggml.scores', 'array', { of: 'f32', values: [0, -1, -2, -3] }],
        ['tokenizer.ggml.add_bos_token', 'bool', true],
        ['split.count', 'u64', 0],
      ],
      tensors: [
        ggufTensor('token_embd.weight', [256, 2], 12),
        ggufTensor('blk.0.attn_norm.weight', [16], 0),
        ggufTensor('blk.0.attn_q.weight', [32, 4], 8),
        ggufTensor('output.weight', [64, 1, 2], 1),
      ],
    }),
    ggufFile({
      version: 2,
      alignment: 8,
      pairs: [
        ['general.alignment', 'u32', 8],
        ['nested', 'array', { of: 'array', values: [{ of: 'i32', values: [1, 2] }] }],
      ],
      tensors: [ggufTensor('a', [3, 2], 30), ggufTensor('b', [], 26), ggufTensor('c', [32], 39)],
    }),
  ];

  /** One way to damage a file; most of the damage is done to its header. */
  function damage(file, random) {
    const upTo = (limit) => Math.floor(random() * limit);
    const { headerBytes } = parseGguf(file);
    const bytes = Buffer.from(file);
    switch (upTo(5)) {
      case 0:
        return bytes.subarray(0, upTo(bytes.length));
      case 1:
        bytes[upTo(headerBytes)] ^= 1 << upTo(8);
        return bytes;
      case 2:
        for (let times = 0; times < 3; ++times) bytes[upTo(headerBytes)] = upTo(256);
        return bytes;
      case 3: {
        // A number of 32 or 64 bits of the kind that overflows.
        const value = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 60n][upTo(8)];
        bytes.writeBigUInt64LE(value, upTo(headerBytes - 8));
        return bytes;
      }
      default: {
        const [from, to] = [upTo(bytes.length), upTo(bytes.length)];
        return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from, from + upTo(200)), bytes.subarray(to)]);
      }
    }
  }

  /** What was read accounts for every byte: header, tensors and padding follow each other up to the end. */
  function accountsFor(file, bytes) {
    const { headerBytes, dataBegin, alignment, tensors, keyValues } = file;
    for (const { value } of keyValues) if (value === undefined) return false;
    let reached = headerBytes;
    const inOrder = tensors.map(({ range }) => range).sort((a, b) => a.begin - b.begin || a.bytes - b.bytes);
    for (const { begin, bytes: length } of inOrder) {
      if (begin < reached || begin < dataBegin || begin - reached >= alignment || begin % alignment !== 0) return false;
      reached = begin + length;
    }
    return (tensors.length === 0 || reached <= bytes.length) && bytes.length - reached < 2 * alignment;
  }

  test('end in an error that names the file, or in an answer that accounts for the file', async () => {
    const random = randomSource(20_260_131);
    const outcomes = { right: 0, refused: 0 };
    const wrong = [];
    const memoryBefore = process.memoryUsage().arrayBuffers;
    for (let index = 0; index < kCases; ++index) {
      const bytes = damage(kModels[index % kModels.length], random);
      const source = memorySource(bytes);
      try {
        if (!accountsFor(await readGguf(source), bytes)) wrong.push(bytes.toString('hex'));
        outcomes.right += 1;
      } catch (error) {
        if (!(error instanceof QuantizeError)) throw error;
        const known = error.code === 'invalid_file' || error.code === 'unsupported_dtype';
        if (!known || !error.message.includes('in.gguf')) wrong.push(error.message);
        outcomes.refused += 1;
      }
      if (source.bytesRead > bytes.length) wrong.push(`${source.bytesRead} bytes read of ${bytes.length}`);
    }
    expect(wrong).toEqual([]);
    // Both must have been met often for the test to mean something.
    expect(Math.min(outcomes.right, outcomes.refused)).toBeGreaterThan(kCases / 20);
    // 12,000 files of about 2 KB each, most of them garbage by now.
    expect(process.memoryUsage().arrayBuffers - memoryBefore).toBeLessThan(200 * 2 ** 20);
  });
});
