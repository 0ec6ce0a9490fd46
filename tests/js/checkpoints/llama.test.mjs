import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, FILE_TYPES } from 'arrowquant';
import { openLlamaModels } from '../../peers/llama-model.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { kWideCheckpoints, writeWide } from './support/checkpoint.mjs';
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

/** All that callers may set of a model that llama.cpp reads, at once; `token` is the id of one. */
const settable = (architecture, { token, hasPositions }) => ({
  ...(!hasPositions && { [`${architecture}.context_length`]: { type: 'u32', value: 64 } }),
  [`${architecture}.rope.freq_base`]: { type: 'f32', value: 5000 },
  [`${architecture}.rope.freq_base_swa`]: { type: 'f32', value: 5000 },
  [`${architecture}.rope.scaling.type`]: { type: 'string', value: 'yarn' },
  [`${architecture}.rope.scaling.factor`]: { type: 'f32', value: 2 },
  [`${architecture}.rope.scaling.original_context_length`]: { type: 'u32', value: 32 },
  [`${architecture}.rope.scaling.yarn_beta_fast`]: { type: 'f32', value: 32 },
  ...Object.fromEntries(
    ['bos', 'eos', 'eot', 'unknown', 'seperator', 'padding', 'cls', 'mask', 'fim_pre'].map((name) => [
      `tokenizer.ggml.${name}_token_id`,
      { type: 'u32', value: token },
    ]),
  ),
  ...Object.fromEntries(
    ['bos_token', 'eos_token', 'sep_token', 'space_prefix'].map((name) => [
      `tokenizer.ggml.add_${name}`,
      { type: 'bool', value: true },
    ]),
  ),
  'tokenizer.ggml.pre': { type: 'string', value: 'llama-bpe' },
  'tokenizer.chat_template': { type: 'string', value: '{{ nothing }}' },
  'general.name': { type: 'string', value: 'mine' },
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

  test.each(kCases)('opens $name with all pairs that callers may set', async (one) => {
    const { value: architecture } = one.kv.find(({ key }) => key === 'general.architecture');
    const hasPositions = ['bert', 'gpt2'].includes(architecture);
    const keyValues = settable(architecture, { token: kTokens[0], hasPositions });
    const file = await converted(one, { type: 'F32', keyValues });
    expect(llama.tokenize(file, ['a'], { special: true })[0].filter((id) => id === kTokens[0])).not.toHaveLength(0);
    expect(answerOf(file, one).every(Number.isFinite)).toBe(true);
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

  test('opens every type of file, searched for the least error, and computes with it', async () => {
    const wide = writeWide(kWideCheckpoints[0], folder.path('model'));
    for (const type of FILE_TYPES.filter((one) => !['F32', 'F16', 'BF16'].includes(one))) {
      const answer = llama.logits(await converted(wide, { type, effort: 'best' }), kTokens);
      expect({ type, finite: answer.every(Number.isFinite) }).toEqual({ type, finite: true });
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
