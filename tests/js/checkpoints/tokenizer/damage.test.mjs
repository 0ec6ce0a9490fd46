import { expect, test } from '@jest/globals';
import {
  byteLevel,
  llamaHuggingFace,
  QuantizeError,
  sentencePiece,
  setSpacePrefix,
  unigram,
  wordPiece,
} from '../../support/internals.mjs';
import { checkpointOf, filesOf, pairsOf } from './folder.mjs';

/** Damages of each kind, per file. */
const kTimes = 25;

/** The same numbers in every run: a linear congruential generator. */
function numbersFrom(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const kValues = [
  null,
  true,
  '',
  '\u0000',
  'constructor',
  -1,
  1.5,
  2 ** 31,
  1e300,
  [],
  {},
  [[]],
  [null],
  { id: 7 },
  { type: 'Sequence', normalizers: [{}], pretokenizers: [null], decoders: [{}], processors: [[]] },
  { type: 'Replace', pattern: { Regex: '(' }, content: 7 },
  { type: 'TemplateProcessing', single: [{ SpecialToken: 1 }, 'A'], pair: { length: 3 } },
  JSON.parse('{"__proto__": {"content": "x"}, "constructor": 1, "type": "toString"}'),
];

/** Every place in a value, as a function that puts something there. */
function placesIn(value, found = []) {
  if (typeof value !== 'object' || value === null) return found;
  // A vocabulary's first tokens stand for all of them.
  for (const name of Object.keys(value).slice(0, 40)) {
    found.push((other) => {
      if (other === undefined) delete value[name];
      else Object.defineProperty(value, name, { value: other, enumerable: true, configurable: true, writable: true });
    });
    placesIn(value[name], found);
  }
  return found;
}

function changedJson(bytes, random) {
  const value = JSON.parse(bytes);
  const places = placesIn(value);
  for (let count = 1 + random(3); count > 0; --count) {
    places[random(places.length)](random(8) === 0 ? undefined : kValues[random(kValues.length)]);
  }
  return Buffer.from(JSON.stringify(value));
}

function changedBytes(bytes, random) {
  const changed = Buffer.from(bytes);
  for (let count = 1 + random(4); count > 0; --count) changed[random(changed.length)] = random(256);
  return random(4) === 0 ? changed.subarray(0, random(changed.length)) : changed;
}

async function llamaFamily(pairs, checkpoint) {
  await setSpacePrefix(pairs, checkpoint);
  return (
    (await sentencePiece(pairs, checkpoint)) ||
    (await llamaHuggingFace(pairs, checkpoint)) ||
    byteLevel(pairs, checkpoint)
  );
}

const kRoads = [
  ['qwen3-f32', byteLevel],
  ['smollm3', llamaFamily],
  ['llama-hf-json', llamaFamily],
  ['llama-spm-tied', llamaFamily],
  ['bert-st', wordPiece],
  ['bert-st', unigram],
  ['phi3-longrope', (pairs, checkpoint) => sentencePiece(pairs, checkpoint, { addedFromTokenizer: true })],
];

const kFiles = [
  'tokenizer.json',
  'tokenizer_config.json',
  'added_tokens.json',
  'special_tokens_map.json',
  'config.json',
  'tokenizer.model',
];

const kCases = kRoads.flatMap(([name, write]) =>
  kFiles.filter((file) => filesOf(name).has(file)).map((file) => ({ name, road: write.name || 'phi', file, write })),
);

test.each(kCases)('damage to $file of $name gives pairs or an error of ours ($road)', async ({ name, file, write }) => {
  const random = numbersFrom(name.length * 31 + file.length);
  for (let time = 0; time < kTimes; ++time) {
    const files = filesOf(name);
    const change = file.endsWith('.json') && random(3) > 0 ? changedJson : changedBytes;
    files.set(file, change(files.get(file), random));
    if (file === 'config.json' && !isObject(files.get(file))) continue;
    const outcome = await pairsOf(
      write,
      checkpointOf(files, { options: { pre: time % 2 === 0 ? 'qwen2' : null } }),
    ).catch((error) => error);
    if (outcome instanceof Error && !(outcome instanceof QuantizeError)) throw outcome;
    expect(outcome.code ?? '').not.toBe('internal');
    for (const { value } of outcome.pairs ?? []) expect(value).toBeDefined();
  }
});

/** config.json is read by others. */
function isObject(bytes) {
  try {
    const value = JSON.parse(bytes);
    return typeof value === 'object' && value !== null && !Array.isArray(value) && !('text_config' in value);
  } catch {
    return false;
  }
}
