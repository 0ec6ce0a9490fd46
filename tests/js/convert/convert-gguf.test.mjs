import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, BLOCK_TYPES, FILE_TYPES } from 'arrowquant';
import { leastImportance, openLlamaModels } from '../../peers/llama-model.mjs';
import { ggufFile, readGguf } from '../../peers/tiny-llama.mjs';
import { useFolder } from '../support/models/folder.mjs';
import {
  digestOf,
  fileTypeOf,
  ggufModels,
  kRequantizedTypes,
  requantizedModel,
} from '../support/models/gguf-models.mjs';

const golden = JSON.parse(readFileSync(new URL('../support/models/golden-gguf.json', import.meta.url), 'utf8'));
const llama = openLlamaModels();
const models = ggufModels(FILE_TYPES);
const modes = [
  ['mixed', false],
  ['pure', true],
];

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** The file that ours becomes, with metrics or without: they must not matter. */
async function ours(input, options, by = quantizer) {
  const output = folder.path(`ours-${by.backend}.gguf`);
  await by.quantizeFile(input, output, { metrics: false, ...options });
  return readFileSync(output);
}

function theirs(input, options) {
  const output = folder.path('theirs.gguf');
  llama.quantize(input, output, { threads: 2, ...options });
  return readFileSync(output);
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
  return `headers: ${JSON.stringify([...left.keyValues])} against ${JSON.stringify([...right.keyValues])}`;
}

test('llama.cpp is there wherever it runs; elsewhere the golden digests stand in for it', () => {
  expect(llama !== null).toBe(process.platform === 'linux' && process.arch === 'x64');
});

describe.each(models)('$name', ({ name, types, tensors, file }) => {
  test.each(modes)("the files that llama.cpp's llama_model_quantize makes, byte for byte, %s", async (mode, pure) => {
    const input = folder.write('in.gguf', file);
    for (const type of types) {
      const importance = leastImportance(type, tensors);
      const output = await ours(input, { type, pure, ...importance });
      if (llama !== null) {
        const difference = firstDifference(output, theirs(input, { type, pure, ...importance }));
        expect({ type, difference }).toEqual({ type, difference: null });
      }
      expect({ type, digest: digestOf(output) }).toEqual({ type, digest: golden.models[name][mode][type] });
    }
  });
});

test('the same bytes with one thread, with two, on the main thread, and with metrics', async () => {
  const [{ tensors, file }] = models;
  const input = folder.write('in.gguf', file);
  const others = [await ArrowQuant.create({ threads: 1 }), await ArrowQuant.create({ backend: 'single' })];
  try {
    for (const type of FILE_TYPES) {
      const options = { type, ...leastImportance(type, tensors) };
      const expected = await ours(input, options);
      for (const other of others) expect((await ours(input, options, other)).equals(expected)).toBe(true);
      expect((await ours(input, { ...options, metrics: true })).equals(expected)).toBe(true);
    }
  } finally {
    for (const other of others) await other.dispose();
  }
});

/** There are no files of NVFP4. */
const blocks = BLOCK_TYPES.filter((block) => FILE_TYPES.includes(fileTypeOf(block)));

describe.each(blocks)('a model of %s', (block) => {
  test('is quantized again as llama.cpp does when it may', async () => {
    const model = requantizedModel();
    const options = { type: fileTypeOf(block), pure: true, ...leastImportance(fileTypeOf(block), model.tensors) };
    const input = folder.write('first.gguf', await ours(folder.write('in.gguf', ggufFile(model)), options));
    for (const type of kRequantizedTypes) {
      const output = await ours(input, { type });
      if (llama !== null) {
        const difference = firstDifference(output, theirs(input, { type, requantize: true }));
        expect({ type, difference }).toEqual({ type, difference: null });
      }
      expect({ type, digest: digestOf(output) }).toEqual({ type, digest: golden.requantized[block][type] });
    }
  });
});
