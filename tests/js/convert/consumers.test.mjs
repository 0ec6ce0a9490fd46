/** Programs that open our GGUF files: Hugging Face's parser, and llama.cpp, which runs the models. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { GGMLQuantizationType } from '@huggingface/gguf';
import { ArrowQuant, FILE_TYPES } from 'arrowquant';
import { parseWithHuggingFace } from '../../peers/hugging-face-gguf.mjs';
import { FILE_TYPE_NUMBERS, leastImportance, openLlamaModels } from '../../peers/llama-model.mjs';
import { ggufFile, readGguf, tinyLlama, VOCABULARY } from '../../peers/tiny-llama.mjs';
import { useFolder } from '../support/models/folder.mjs';

const llama = openLlamaModels();
const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kTokens = [1, 70, 71, 140, 200, 33, 90, 12];
const kModels = [
  { layers: 2 },
  { layers: 2, tied: true, type: 'BF16', seed: 3 },
  { layers: 1, experts: 4, hidden: 256 },
];

const writeModel = (options) => folder.write('in.gguf', ggufFile(tinyLlama(options)));

async function quantized(input, type) {
  const output = folder.path(`${type}.gguf`);
  const importance = leastImportance(type, readGguf(readFileSync(input)).tensors);
  return { output, report: await quantizer.quantizeFile(input, output, { type, ...importance }) };
}

describe('@huggingface/gguf', () => {
  test.each(FILE_TYPES)('finds in a file of %s what the report says', async (type) => {
    const { output, report } = await quantized(writeModel({ layers: 1 }), type);
    const { metadata, tensorInfos, tensorDataOffset } = await parseWithHuggingFace(readFileSync(output));
    expect(metadata).toMatchObject({
      ...{ 'general.architecture': 'llama', 'general.file_type': FILE_TYPE_NUMBERS[type] },
      ...{ 'general.quantization_version': 2, 'llama.block_count': 1 },
    });
    const found = tensorInfos.map(({ name, shape, dtype }) => [
      ...[name, shape.map(Number).reverse(), GGMLQuantizationType[dtype]],
    ]);
    const said = report.tensors.map(({ outputName, outputShape, to }) => [outputName, outputShape, to]);
    expect(found.sort()).toEqual(said.sort());
    const last = tensorInfos.at(-1);
    const { bytesAfter } = report.tensors.find(({ name }) => name === last.name);
    const end = Number(tensorDataOffset) + Number(last.offset) + bytesAfter;
    expect(Math.ceil(end / 32) * 32).toBe(report.totals.fileBytes);
  });
});

/**
 * Root-mean-square relative errors of what llama.cpp rounds before it multiplies with a matrix: to Q8_0 or Q8_K for one
 * of blocks (a step is 1/127 of the largest of 32 or 256 numbers, so up to 4 deviations; the error is uniform in it), to
 * F16 or BF16 for one of floats.
 */
const kRoundedToBlocks = 4 / 127 / Math.sqrt(12);
const kRoundedToFloats = 2 ** -8 / Math.sqrt(12);

/**
 * What the report predicts of the logits' relative error: the errors of all matrices are independent, each passes on at
 * most its own share of what it is given, and so their squares add up.
 */
function predictedError({ tensors }) {
  const squares = tensors
    .filter(({ shape }) => shape.length > 1)
    .map(({ relativeRmse, to }) => {
      const rounded = ['F32', 'F16', 'BF16'].includes(to) ? kRoundedToFloats : kRoundedToBlocks;
      return (relativeRmse ?? 0) ** 2 + rounded ** 2;
    });
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
}

function relativeError(before, after) {
  const energy = before.reduce((sum, logit) => sum + logit ** 2, 0);
  const noise = before.reduce((sum, logit, i) => sum + (logit - after[i]) ** 2, 0);
  return Math.sqrt(noise / energy);
}

describe.each(llama === null ? [] : kModels)('llama.cpp, model %j', (options) => {
  test('computes the same logits from our files as from its own, as near to the input as the report says', async () => {
    const input = writeModel(options);
    const before = llama.logits(input, kTokens);
    expect(before.length).toBe(kTokens.length * VOCABULARY);
    // llama.cpp's own encoders take seconds for some.
    const types = FILE_TYPES.filter((type) => options.experts !== undefined || !/^IQ[123]/u.test(type));
    for (const type of types) {
      const { output, report } = await quantized(input, type);
      const logits = llama.logits(output, kTokens);
      const own = folder.path('own.gguf');
      llama.quantize(input, own, { type, ...leastImportance(type, readGguf(readFileSync(input)).tensors) });
      const differing = llama.logits(own, kTokens).findIndex((logit, i) => !Object.is(logit, logits[i]));
      expect({ type, differing, finite: logits.every(Number.isFinite) }).toEqual({ type, differing: -1, finite: true });
      expect(relativeError(before, logits)).toBeLessThan(predictedError(report));
    }
  });

  test('is farther from the input than the report of Q8_0 allows, where the file is not that of Q8_0', async () => {
    const input = writeModel(options);
    const before = llama.logits(input, kTokens);
    const { output, report } = await quantized(input, 'Q8_0');
    const bound = predictedError(report);
    for (const type of ['Q5_K_M', 'Q4_K_M', 'Q2_K']) {
      const other = await quantized(input, type);
      expect(relativeError(before, llama.logits(other.output, kTokens))).toBeGreaterThan(bound);
    }
    // All blocks of one matrix in the place of their neighbours.
    const file = readFileSync(output);
    const { bytes } = readGguf(file).tensors.find(({ name }) => name === 'blk.0.attn_v.weight');
    const first = Buffer.from(bytes.subarray(0, 34));
    bytes.copyWithin(0, 34);
    first.copy(bytes, bytes.length - 34);
    writeFileSync(output, file);
    expect(relativeError(before, llama.logits(output, kTokens))).toBeGreaterThan(bound);
  });
});
