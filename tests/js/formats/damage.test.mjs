import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { noise } from '../support/models/quantized.mjs';
import { kTinyLlama } from '../support/models/tiny-llama.mjs';

/** So many variants of each file that says how weights are to be read. */
const kVariants = 200;
const kDeadline = 300_000;

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Bytes that texts of such files have, and others. */
const kBytes = [...Buffer.from('{}[]",:0123456789-.eE/\\ntrufals\0 '), 0xff, 0x80];
const kNumbers = ['-1', '0', '1e999', '9007199254740993', '18446744073709551615', '0.5', 'null', '"4"', '[]', 'true'];

/** Variants of a file's first bytes: single ones change, go or come, numbers become others, and stretches go. */
function variant(bytes, end, seed) {
  const [kind, at, what, length] = noise(4, 2 ** 24, seed * 977 + 1);
  const place = at % end;
  const own = Buffer.from(bytes);
  if (kind % 5 === 0) own[place] = kBytes[what % kBytes.length];
  if (kind % 5 === 1) own[place] ^= 1 << (what % 8);
  if (kind % 5 === 2) return Buffer.concat([own.subarray(0, place), own.subarray(place + 1 + (length % 40))]);
  if (kind % 5 === 3) return own.subarray(0, place);
  if (kind % 5 < 4) return own;
  const numbers = [
    ...own
      .subarray(0, end)
      .toString('latin1')
      .matchAll(/-?\d+(?:\.\d+)?/gu),
  ];
  const number = numbers[at % numbers.length];
  if (number === undefined) return own;
  const other = Buffer.from(kNumbers[what % kNumbers.length]);
  return Buffer.concat([own.subarray(0, number.index), other, own.subarray(number.index + number[0].length)]);
}

/** A header's length with what it counts: a variant of the text has another one. */
function withLength(file) {
  const text = file.subarray(8);
  const end = text.lastIndexOf('}', Math.min(text.length, 40_000)) + 1;
  const own = Buffer.from(file);
  if (end > 0 && own.length >= 8) own.writeBigUInt64LE(BigInt(end));
  return own;
}

const isOurs = (error) => typeof error.code === 'string' && error.name === 'QuantizeError' && error.code !== 'internal';

/** Reads it in all ways; tells how many of them worked. What fails has to say why in a QuantizeError. */
async function readAll(source) {
  const calls = [
    () => quantizer.inspectFile(source),
    () => quantizer.readTensor(source, 'model.layers.0.mlp.down_proj.weight', { end: 300 }),
    () => quantizer.plan(source, { type: 'F16', container: 'safetensors' }),
    () => quantizer.compareFiles(source, source),
  ];
  let worked = 0;
  for (const call of calls) {
    try {
      await call();
      ++worked;
    } catch (error) {
      if (!isOurs(error)) throw error;
    }
  }
  return worked;
}

const kFolders = [
  ['MLX integers', { format: 'mlx', bits: 4 }, ['config.json', 'model.safetensors']],
  ['MLX floats', { format: 'mlx', type: 'nvfp4' }, ['model.safetensors']],
  ['integers of compressed-tensors', { format: 'compressed-tensors', type: 'W4A16_ASYM' }, ['model.safetensors']],
  [
    'MXFP8 of compressed-tensors',
    { format: 'compressed-tensors', type: 'MXFP8A16' },
    ['config.json', 'model.safetensors'],
  ],
  ['bitsandbytes', { format: 'bitsandbytes', doubleQuant: true }, ['model.safetensors']],
  ['MLC-LLM', { format: 'mlc' }, ['tensor-cache.json']],
  [
    'MLC-LLM with floats of 32 bits',
    { format: 'mlc', type: 'q4f32_1' },
    ['tensor-cache.json', 'tensor-cache-b16.json'],
  ],
];

describe.each(kFolders)('damaged folders: %s', (_, options, files) => {
  test.each(files)(
    '%s',
    async (name) => {
      const out = folder.path('out');
      await quantizer.quantizeFile(kTinyLlama, out, options);
      expect(await readAll(out)).toBe(4);
      const path = folder.path(`out/${name}`);
      const whole = readFileSync(path);
      const end = name.endsWith('.safetensors') ? Number(whole.readBigUInt64LE(0)) + 8 : whole.length;
      let refused = 0;
      for (let seed = 0; seed < kVariants; ++seed) {
        const bytes = variant(whole, end, seed);
        // Half of the headers are as long as their first bytes say, so that it is not always those that are wrong.
        writeFileSync(path, name.endsWith('.safetensors') && seed % 2 === 0 ? withLength(bytes) : bytes);
        if ((await readAll(name.endsWith('b16.json') ? path : out)) < 4) ++refused;
      }
      // What changes a name or a space may well be another model.
      expect(refused).toBeGreaterThan(kVariants / 10);
    },
    kDeadline,
  );
});

describe('config.json of a model that is to be quantized', () => {
  test.each(['mlx', 'compressed-tensors', 'bitsandbytes', 'mlc'])(
    'for %s',
    async (format) => {
      const whole = Buffer.from(readFileSync(`${kTinyLlama}/config.json`));
      writeFileSync(folder.path('model.safetensors'), readFileSync(`${kTinyLlama}/model.safetensors`));
      for (let seed = 0; seed < kVariants / 2; ++seed) {
        writeFileSync(folder.path('config.json'), variant(whole, whole.length, seed));
        try {
          await quantizer.plan(folder.path('model.safetensors'), { format });
        } catch (error) {
          if (!isOurs(error)) throw error;
        }
      }
      expect(folder.list()).toEqual(['config.json', 'model.safetensors']);
    },
    kDeadline,
  );
});
