import { Blob } from 'node:buffer';
import { WritableStream } from 'node:stream/web';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, QuantizeError } from 'arrowquant';
import { ggufFile, readGguf } from '../../peers/tiny-llama.mjs';
import { randomSource } from '../support/weights.mjs';
import { diffusionModel } from '../support/models/diffusion-models.mjs';
import { fp8Tensor } from '../support/models/fp8.mjs';
import { float32Tensor, fromFloats, halfTensor, modelFile, readModel } from '../support/models/safetensors.mjs';

const kCases = 10_000;
/** So many of them are converted as well. */
const kConvertedOf = 8;
/** For a machine that does much else. */
const kPatience = 240_000;
const kMostMegabytes = 500;

let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** A language model of each kind of pair and tensor, with as little data as may be. */
const kGguf = ggufFile({
  keyValues: [
    ['general.architecture', 'string', 'llama'],
    ['general.alignment', 'uint32', 32],
    ['llama.block_count', 'uint32', 2],
    ['llama.attention.head_count', 'uint32', 4],
    ['llama.attention.head_count_kv', 'array', { type: 'uint32', elements: [2, 1] }],
    ['llama.rope.freq_base', 'float32', 10_000],
    ['tokenizer.ggml.tokens', 'array', { type: 'string', elements: ['<s>', 'ä', ''] }],
    ['comfy.gguf.orig_shape.blk.1.ffn_up.weight', 'array', { type: 'int32', elements: [8, 64] }],
  ],
  tensors: [
    { name: 'token_embd.weight', type: 'F16', shape: [3, 256] },
    { name: 'blk.0.attn_v.weight', type: 'BF16', shape: [2, 256] },
    { name: 'blk.0.attn_norm.weight', type: 'F32', shape: [64] },
    { name: 'blk.1.ffn_down.weight', type: 'F32', shape: [2, 256] },
    { name: 'blk.1.ffn_up.weight', type: 'F16', shape: [16, 32] },
    { name: 'blk.1.counts', type: 'I32', shape: [5] },
  ],
});

const kSafetensors = modelFile(
  [
    ...diffusionModel('sdxl').filter(({ bytes }) => bytes.length < 20_000),
    halfTensor('conv.weight', [16, 4, 3, 3]),
    float32Tensor('a.bias', [7]),
    fp8Tensor('b.weight', 'F8_E4M3', [4, 32], new Uint8Array(128).fill(56)),
    fromFloats('b.scale_weight', 'F32', [1], [0.5]),
  ],
  { format: 'pt' },
);

const headerEndOf = {
  gguf: (file) =>
    file.length - readGguf(file).tensors.reduce((sum, { bytes }) => sum + Math.ceil(bytes.length / 32) * 32, 0),
  safetensors: (file) => 8 + readModel(file).headerLength,
};

test.each([kGguf, kSafetensors])('the files can be read before they are damaged', async (file) => {
  await quantizer.plan(new Blob([file]), { type: 'Q4_K_M' });
});

/** Numbers that parsers have stumbled over. */
const kNumbers = [0n, 1n, 2n ** 15n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 62n, 2n ** 63n, 2n ** 64n - 1n];

function likeness(character, upTo) {
  const kinds = ['0123456789', 'abcdefghijklmnopqrstuvwxyzABEFIU_', '-."{}[],:'];
  const kind = kinds.find((one) => one.includes(character)) ?? kinds[1];
  return kind[upTo(kind.length)];
}

/** One way to damage a file; most of the damage is done to its header. */
function damage(file, headerEnd, random) {
  const upTo = (limit) => Math.floor(random() * limit);
  const bytes = Buffer.from(file);
  const at = upTo(headerEnd);
  switch (upTo(8)) {
    case 0:
      return bytes.subarray(0, upTo(bytes.length));
    case 1:
      bytes[at] ^= 1 << upTo(8);
      return bytes;
    case 2:
      for (let times = 0; times < 4; ++times) bytes[upTo(headerEnd)] = upTo(256);
      return bytes;
    case 3:
      bytes.writeBigUInt64LE(kNumbers[upTo(kNumbers.length)], Math.min(at, bytes.length - 8));
      return bytes;
    case 4:
      // A digit for a digit, a letter for a letter, a sign for a sign: most of these can still be read.
      bytes[at] = likeness(String.fromCharCode(bytes[at]), upTo).charCodeAt(0);
      return bytes;
    case 5:
    case 6:
      bytes[headerEnd + upTo(bytes.length - headerEnd)] ^= 1 << upTo(8);
      return bytes;
    default: {
      const [from, to, count] = [upTo(bytes.length), upTo(bytes.length), upTo(300)];
      bytes.copyWithin(to, from, from + count);
      return bytes;
    }
  }
}

/** Bytes and weights of a block of the types that the right answers have, by the definitions of the formats. */
const kBlocks = {
  ...{
    F32: [4, 1],
    F16: [2, 1],
    BF16: [2, 1],
    F64: [8, 1],
    I32: [4, 1],
    I64: [8, 1],
    I16: [2, 1],
    I8: [1, 1],
    U8: [1, 1],
  },
  ...{ F8_E4M3: [1, 1], F8_E5M2: [1, 1], 'F8_E4M3 scaled': [1, 1], 'F8_E5M2 scaled': [1, 1], Q8_0: [34, 32] },
  ...{ Q4_0: [18, 32], Q4_1: [20, 32], Q5_0: [22, 32], Q5_1: [24, 32], IQ4_NL: [18, 32], IQ4_XS: [136, 256] },
  ...{ Q2_K: [84, 256], Q3_K: [110, 256], Q4_K: [144, 256], Q5_K: [176, 256], Q6_K: [210, 256] },
};

const product = (shape) => shape.reduce((count, extent) => count * extent, 1);

/** Every size follows from shape and type, and what is read is in the file. Types that are not in the table are copied. */
function expectRightPlan({ tensors, output, totals }, bytes) {
  // One expectation for all: each takes Jest longer than the plan.
  const wrong = tensors.filter(({ shape, outputShape, elements, from, to, bytesBefore, bytesAfter }) => {
    const sizeAs = (type, otherwise) => (kBlocks[type] ? (elements / kBlocks[type][1]) * kBlocks[type][0] : otherwise);
    return (
      product(shape) !== elements ||
      product(outputShape) !== elements ||
      bytesBefore !== sizeAs(from, bytesBefore) ||
      bytesAfter !== sizeAs(to, from === to ? bytesBefore : NaN)
    );
  });
  expect(wrong).toEqual([]);
  const sum = (key) => tensors.reduce((total, tensor) => total + tensor[key], 0);
  expect([totals.bytesBefore, totals.bytesAfter]).toEqual([sum('bytesBefore'), sum('bytesAfter')]);
  expect(totals.bytesBefore).toBeLessThan(bytes.length);
  expect(output.bytes).toBeGreaterThan(totals.bytesAfter);
}

/** Those that the reader of the tests knows. */
const kReadable = new Set([
  'F32',
  'F16',
  'BF16',
  'I32',
  ...Object.keys(kBlocks).filter((type) => kBlocks[type][1] > 1),
]);

/** What was written is what was planned, also for a reader that shares nothing with the package. */
function expectRightFile(file, { tensors, output }) {
  expect(file.length).toBe(output.bytes);
  if (tensors.some(({ to }) => !kReadable.has(to))) return;
  const stored = readGguf(file).tensors.map(({ name, type, shape, bytes }) => [name, type, shape, bytes.length]);
  expect(stored).toEqual(
    tensors.map(({ outputName, to, outputShape, bytesAfter }) => [outputName, to, outputShape, bytesAfter]),
  );
}

/** `refused` for an error of ours; anything else is thrown on. */
async function refusing(call) {
  try {
    await call();
    return 'right';
  } catch (error) {
    if (!(error instanceof QuantizeError)) throw error;
    expect(error.code).not.toBe('internal');
    return 'refused';
  }
}

async function convert(blob, options, plan) {
  const chunks = [];
  const state = { closed: false };
  const sink = new WritableStream({
    write: (chunk) => void chunks.push(Buffer.from(chunk)),
    close: () => void (state.closed = true),
  });
  const outcome = await refusing(() => quantizer.quantizeFile(blob, sink, options));
  // A stream that is closed is a complete file: it must not be without success.
  expect(state.closed).toBe(outcome === 'right');
  if (outcome === 'right') expectRightFile(Buffer.concat(chunks), plan);
  return outcome;
}

async function damageAll(files, container, seed) {
  const random = randomSource(seed);
  const ends = files.map(headerEndOf[container]);
  const outcomes = { planned: { right: 0, refused: 0 }, converted: { right: 0, refused: 0 } };
  const before = process.memoryUsage.rss();
  let peak = before;
  for (let index = 0; index < kCases; ++index) {
    const which = index % files.length;
    const bytes = damage(files[which], ends[which], random);
    const blob = new Blob([bytes]);
    const options = { type: ['Q4_K_M', 'Q8_0', 'F16', 'Q2_K'][index % 4] };
    let plan;
    const outcome = await refusing(async () => {
      plan = await quantizer.plan(blob, options);
    });
    outcomes.planned[outcome] += 1;
    if (plan === undefined) continue;
    expectRightPlan(plan, bytes);
    if (index % kConvertedOf === 0) outcomes.converted[await convert(blob, options, plan)] += 1;
    peak = Math.max(peak, process.memoryUsage.rss());
  }
  expect((peak - before) / 2 ** 20).toBeLessThan(kMostMegabytes);
  return outcomes;
}

describe(`${kCases} damaged files end in an error of ours, or in a right answer`, () => {
  /** All outcomes must have been met often for the test to mean something; refused conversions are the rarest. */
  const expectAll = ({ planned, converted }) => {
    expect(Math.min(planned.right, planned.refused)).toBeGreaterThan(kCases / 10);
    expect(converted.right).toBeGreaterThan(kCases / 100);
  };

  test(
    'GGUF',
    async () => {
      const chunks = [];
      const sink = new WritableStream({ write: (chunk) => void chunks.push(Buffer.from(chunk)) });
      await quantizer.quantizeFile(new Blob([kGguf]), sink, { type: 'Q4_K_M' });
      expectAll(await damageAll([kGguf, Buffer.concat(chunks)], 'gguf', 20_260_101));
    },
    kPatience,
  );

  test(
    'safetensors',
    async () => {
      expectAll(await damageAll([kSafetensors], 'safetensors', 4_712));
    },
    kPatience,
  );
});
