import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, FILE_TYPES } from 'arrowquant';
import { leastImportance, openLlamaModels } from '../../peers/llama-model.mjs';
import { readGguf } from '../../peers/tiny-llama.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { caseNamed, kCases, kOutTypes, kOverflowing, ownType } from './support/cases.mjs';
import { kWideCheckpoints, writeWide } from './support/checkpoint.mjs';
import { sha256 } from './support/gguf-records.mjs';

/** The type at whose rows, where they are shorter than its blocks, llama.cpp's quantizer stops. */
const kStops = 'Q1_0';
/** The model with whole blocks that becomes all types. */
const kWide = 'wide-qwen3';
/** What llama.cpp's quantizer makes of a file that its converter has written. */
const kQuantized = FILE_TYPES.filter((type) => !(type in kOutTypes) && type !== kStops);
const kIntermediates = ['F16', 'BF16', 'F32'];
/** Of the other cases these: one for each kind of block, and mixtures of them. */
const kSome = ['Q4_K_M', 'Q3_K_L', 'Q5_0', 'IQ4_NL'];
const kThorough = ['bert-st', 'qwen2-tied-card', 'qwen3moe'];

const llama = openLlamaModels();
const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

async function converted(input, name, options) {
  const output = folder.path(name);
  await quantizer.quantizeFile(input, output, { durability: 'none', metrics: false, ...options });
  return output;
}

/** Where two files differ first, as people look for it; null when they do not. */
function firstDifference(file, other) {
  if (file.equals(other)) return null;
  const [left, right] = [readGguf(file), readGguf(other)];
  for (const [i, tensor] of left.tensors.entries()) {
    const counterpart = right.tensors[i];
    const [a, b] = [tensor, counterpart].map((one) => `${one?.name} ${one?.type} [${one?.shape}]`);
    if (a !== b) return `${a} against ${b}`;
    if (!tensor.bytes.equals(counterpart.bytes)) return `bytes of ${a}`;
  }
  return `headers: ${[...left.keyValues.keys()]} against ${[...right.keyValues.keys()]}`;
}

/** What the second of two passes makes of a file: llama.cpp's own quantizer, or ours where it does not run. */
async function second(between, options) {
  const output = folder.path('twice.gguf');
  if (llama === null) return readFileSync(await converted(between, 'twice.gguf', options));
  llama.quantize(between, output, { threads: 2, ...options });
  return readFileSync(output);
}

/** The first pass is ours, and proved to be that of llama.cpp's converter. */
async function expectSameAsTwoPasses({ input, options }, types, intermediate, via) {
  const between = await converted(input, 'between.gguf', { ...options, type: intermediate });
  const { tensors } = readGguf(readFileSync(between));
  for (const type of types) {
    const asked = { type, ...leastImportance(type, tensors) };
    const output = readFileSync(await converted(input, 'out.gguf', { ...options, ...via, ...asked }));
    const difference = firstDifference(output, await second(between, asked));
    expect({ type, difference }).toEqual({ type, difference: null });
  }
}

/** The others have rows and values that every type takes. */
const kOrdinary = kCases.filter(({ name }) => name !== kOverflowing);

test.each(kOrdinary)("$name: without an intermediate type, by way of the checkpoint's own", async (one) => {
  await expectSameAsTwoPasses(one, kSome, ownType(one), {});
});

describe.each(kCases.filter(({ name }) => kThorough.includes(name)))('$name', (one) => {
  test.each(kIntermediates)('every type of file, by way of %s', async (via) => {
    // Those that the converter writes itself are the quantizer's, too, where it is to start from another one.
    const types = FILE_TYPES.filter((type) => type !== via && type !== kStops);
    await expectSameAsTwoPasses(one, types, via, { via });
  });
});

describe.each(kWideCheckpoints)('$name', (one) => {
  test.each(Object.entries(kOutTypes))("%s is the file of llama.cpp's converter", async (type, outType) => {
    const { input, options } = writeWide(one, folder.at);
    expect(sha256(readFileSync(await converted(input, 'out.gguf', { ...options, type })))).toBe(one.sha256[outType]);
  });

  test('every type of file, without an intermediate type', async () => {
    // llama.cpp's own encoders take seconds for some.
    const types = kQuantized.filter((type) => one.name === kWide || !/^IQ[123]/u.test(type));
    await expectSameAsTwoPasses(writeWide(one, folder.at), types, 'BF16', {});
  });

  test.each(['F16', 'F32'])('some types of files, by way of %s', async (via) => {
    await expectSameAsTwoPasses(writeWide(one, folder.at), kSome, via, { via });
  });
});

test('layers are left out as of the GGUF that is between', async () => {
  const { input, options } = writeWide(kWideCheckpoints[0], folder.at);
  const between = await converted(input, 'between.gguf', { ...options, type: 'F16' });
  const pruneLayers = [0];
  for (const type of ['F16', 'Q4_0']) {
    const once = await converted(input, 'out.gguf', { ...options, type, via: 'F16', pruneLayers });
    const twice = await converted(between, 'twice.gguf', { type, pruneLayers });
    const [left, right] = [once, twice].map((file) => readGguf(readFileSync(file)));
    expect([...left.keyValues].sort()).toEqual([...right.keyValues].sort());
    expect(new Map(left.tensors.map(({ name, type, bytes }) => [name, [type, sha256(bytes)]]))).toEqual(
      new Map(right.tensors.map(({ name, type, bytes }) => [name, [type, sha256(bytes)]])),
    );
  }
});

test('weights that no block holds are refused, as llama.cpp refuses them', async () => {
  const { input, options } = caseNamed(kOverflowing);
  const between = await converted(input, 'between.gguf', { ...options, type: 'F32' });
  const call = converted(input, 'out.gguf', { ...options, type: 'Q4_K_M' });
  await expect(call).rejects.toMatchObject({ code: 'scale_overflow', layer: 'blk.0.ffn_gate.weight' });
  if (llama !== null)
    expect(() => llama.quantize(between, folder.path('theirs.gguf'), { type: 'Q4_K_M' })).toThrow('does not quantize');
});
