import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { openLlamaModels } from '../../peers/llama-model.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { caseNamed, kCases, kOverflowing, kTexts, kTokenized, ownType, tokensOf } from './support/cases.mjs';

const kTypes = ['F16', 'BF16', 'F32', 'Q8_0', 'Q4_K_M'];
/** In every vocabulary. */
const kTokens = [5, 9, 101, 77, 12, 142];

const llama = openLlamaModels();
const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

async function converted({ input, options }, asked) {
  const output = folder.path('out.gguf');
  await quantizer.quantizeFile(input, output, { ...options, ...asked, durability: 'none', metrics: false });
  return output;
}

/** What llama.cpp computes with a model: logits, or the embedding where that is what it is for. */
const answerOf = (file, { kv }) =>
  kv.some(({ key, value }) => key.endsWith('attention.causal') && !value)
    ? llama.embedding(file, kTokens)
    : llama.logits(file, kTokens);

const isSame = (left, right) => left.length === right.length && left.every((value, i) => Object.is(value, right[i]));

test('llama.cpp is there wherever it runs', () => {
  expect(llama !== null).toBe(process.platform === 'linux' && process.arch === 'x64');
});

/** Elsewhere the digests of golden.test.mjs say that they are the same files. */
const describeWithLlama = llama === null ? () => undefined : describe;

describeWithLlama("llama.cpp's own library", () => {
  describe.each(kTokenized)('tokenizes as with the file of its own converter: %s', (name) => {
    const { rows, affixes } = tokensOf(name);
    const [before, after] = affixes;
    const bare = rows.map(({ ids, llama_cpp: own }) => own ?? ids);
    const special = rows.map(
      ({ ids, ids_special: own, llama_cpp_special: native }) => native ?? own ?? [...before, ...ids, ...after],
    );

    test('without special tokens around a text, and with them', async () => {
      const file = await converted(caseNamed(name), { type: 'Q4_K_M' });
      expect(kTexts).toHaveLength(rows.length);
      expect(llama.tokenize(file, kTexts)).toEqual(bare);
      expect(llama.tokenize(file, kTexts, { special: true })).toEqual(special);
    });
  });

  test.each(kCases)('opens what becomes of $name, and computes with it', async (one) => {
    const types = one.name === kOverflowing ? ['F32', 'BF16', 'Q8_0'] : kTypes;
    for (const type of types) {
      const answer = answerOf(await converted(one, { type }), one);
      expect({ type, finite: answer.every(Number.isFinite) }).toEqual({ type, finite: true });
      // Random weights give no two tokens the same chance: a model that was not read would.
      expect(new Set(answer).size).toBeGreaterThan(16);
    }
  });

  const ordinary = kCases.filter(({ name }) => name !== kOverflowing);
  test.each(ordinary)('computes the same with $name as with the file that it has quantized itself', async (one) => {
    const between = folder.path('between.gguf');
    await quantizer.quantizeFile(one.input, between, { ...one.options, type: ownType(one), durability: 'none' });
    llama.quantize(between, folder.path('theirs.gguf'), { type: 'Q5_K_S' });
    const ours = answerOf(await converted(one, { type: 'Q5_K_S' }), one);
    expect(isSame(ours, answerOf(folder.path('theirs.gguf'), one))).toBe(true);
  });
});
