import { execFile } from 'node:child_process';
import { WritableStream } from 'node:stream/web';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, QuantizeError } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { randomSource } from '../support/weights.mjs';
import { kCases } from './support/cases.mjs';
import { ggufRecords } from './support/gguf-records.mjs';
import { mutated } from './support/mutations.mjs';
import { pickedCase } from './support/picked.mjs';

const kMutations = 10_000;
/** So many of those that can be planned are converted as well. */
const kConvertedOf = 20;
/** And of these, so many are shown to llama.cpp. */
const kLoadedOf = 2;
/** One names all architectures that are known. */
const kLongestSentence = 4000;
const kTypes = ['Q4_K_M', 'F16', 'Q8_0', 'BF16'];
/** For a machine that does much else. */
const kPatience = 900_000;
const kMostMegabytes = 500;

/** How often a file is the one that is damaged; others once. */
const kShares = {
  'config.json': 5,
  'tokenizer.json': 4,
  'model.safetensors': 3,
  'tokenizer.model': 2,
  'vocab.json': 0,
};
const kLoad = fileURLToPath(new URL('support/load-with-llama.mjs', import.meta.url));

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** The error of ours that a call ends with; null where it is right. Anything else is thrown on. */
async function refusal(call) {
  try {
    await call();
    return null;
  } catch (error) {
    if (!(error instanceof QuantizeError)) throw error;
    const { code, message } = error;
    const isSentence =
      code !== 'internal' && message.length > 20 && message.length < kLongestSentence && !message.includes('\n');
    if (!isSentence) throw error;
    return error;
  }
}

/** The file that a conversion gives a stream; null where it gives none, and then the stream is not closed. */
async function convert(source, options) {
  const chunks = [];
  let closed = false;
  const sink = new WritableStream({
    write: (chunk) => void chunks.push(Buffer.from(chunk)),
    close: () => void (closed = true),
  });
  const refused = await refusal(() => quantizer.quantizeFile(source, sink, options));
  expect(closed).toBe(refused === null);
  return refused === null ? Buffer.concat(chunks) : null;
}

/** What every reader of GGUF asks of a file, by one that shares nothing with the package. */
function expectSound(file, plan) {
  const { pairs, tensors } = ggufRecords(file);
  expect(file).toHaveLength(plan.output.bytes);
  expect(new Set(pairs.map(({ key }) => key)).size).toBe(pairs.length);
  expect(new Set(tensors.map(([name]) => name)).size).toBe(tensors.length);
  expect(tensors).toHaveLength(plan.tensors.length);
}

/** What llama.cpp says of the files that it does not load. */
async function complaintsOf(files) {
  const { stdout } = await promisify(execFile)(process.execPath, [kLoad, ...files.map(({ file }) => file)]);
  const said = stdout.trim().split('\n').map(JSON.parse);
  expect(said).toHaveLength(files.length);
  return files.flatMap(({ what }, i) => (said[i] === null ? [] : [{ what, said: said[i] }]));
}

const kModels = kCases.map((one) => {
  const picked = pickedCase(one);
  const damaged = [...picked.bytes.keys()].flatMap((name) => Array(kShares[name] ?? 1).fill(name));
  return { ...one, picked, damaged };
});

/** The `index`-th of all: which model, which of its files, and what it is instead. */
function mutationOf(index, random) {
  const model = kModels[index % kModels.length];
  const name = model.damaged[Math.floor(random() * model.damaged.length)];
  const bytes = mutated(name, model.picked.bytes.get(name), random);
  // Some without the name of the pre-tokenizer: the tokenizer is then read to find it.
  const options = { ...(index % 8 === 0 ? {} : model.options), type: kTypes[index % kTypes.length] };
  return { what: `${index}: ${model.name}/${name}`, source: model.picked.withFile(name, bytes), options };
}

async function mutateAll(count, seed) {
  const random = randomSource(seed);
  const outcomes = { planned: 0, refused: 0, converted: 0, codes: new Set(), loaded: [] };
  for (let index = 0; index < count; ++index) {
    const { what, source, options } = mutationOf(index, random);
    let plan;
    const refused = await refusal(async () => {
      plan = await quantizer.plan(source, options);
    }).catch((error) => {
      throw new Error(`${what} ends in ${error.name}: ${error.message}`, { cause: error });
    });
    if (refused !== null) {
      ++outcomes.refused;
      outcomes.codes.add(refused.code);
      continue;
    }
    if (++outcomes.planned % kConvertedOf !== 0) continue;
    const file = await convert(source, options);
    if (file === null) continue;
    expectSound(file, plan);
    if (++outcomes.converted % kLoadedOf === 0)
      outcomes.loaded.push({ what, file: folder.write(`${index}.gguf`, file) });
  }
  return outcomes;
}

test('the checkpoints can be planned before they are damaged', async () => {
  for (const { picked, options } of kModels) await quantizer.plan(picked.files, { ...options, type: 'Q4_K_M' });
});

describe(`${kMutations} damaged checkpoints end in an error of ours, or in a file that opens`, () => {
  test(
    'config, tokenizer, weights, index, model card and what else lies beside them',
    async () => {
      const before = process.memoryUsage.rss();
      const { planned, refused, converted, codes, loaded } = await mutateAll(kMutations, 20_260_214);
      // All outcomes must have been met often for the test to mean something.
      expect(Math.min(planned, refused)).toBeGreaterThan(kMutations / 10);
      expect(converted).toBeGreaterThan(kMutations / 100);
      expect([...codes]).toEqual(expect.arrayContaining(['invalid_file', 'unsupported_model']));
      expect((process.memoryUsage.rss() - before) / 2 ** 20).toBeLessThan(kMostMegabytes);
      if (process.platform === 'linux' && process.arch === 'x64') expect(await complaintsOf(loaded)).toEqual([]);
    },
    kPatience,
  );
});
