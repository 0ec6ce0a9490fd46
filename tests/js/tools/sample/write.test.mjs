import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { kSampleKinds, sampleInput, writeSample } from '../../../../tools/sample/write.mjs';
import { successors, vocabulary } from '../../../../web-demo/src/sample/words.mjs';
import { openLlamaModels } from '../../../peers/llama-model.mjs';
import { useFolder } from '../../support/models/folder.mjs';

const llama = openLlamaModels();
const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const hash = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');

describe('the language model of the samples', () => {
  test('is a folder as transformers has it, the same every time', () => {
    const [first, again] = ['a', 'b'].map((name) => writeSample(folder.path(name), 'language'));
    expect(path.basename(first)).toBe(sampleInput('language'));
    const names = readdirSync(first).sort();
    expect(names).toEqual([
      ...['config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.model', 'tokenizer_config.json'],
    ]);
    for (const name of names) expect(hash(path.join(again, name))).toBe(hash(path.join(first, name)));
    expect(readdirSync(folder.path('a'))).toEqual([sampleInput('language')]);
  });

  test('becomes a GGUF that llama.cpp loads, and says what its sentences say', async () => {
    const output = folder.path('sample.gguf');
    const report = await quantizer.quantizeFile(writeSample(folder.at, 'language'), output, { type: 'Q4_K_M' });
    expect(report).toMatchObject({ opensIn: ['llama.cpp'], warnings: [] });
    if (llama === null) return;
    const pieces = vocabulary().map(({ piece }) => piece);
    const text = ['<s>', '▁The', '▁little', '▁model', '▁reads', '▁a', '▁word', '▁and', '▁guesses', '▁the', '▁next'];
    const logits = llama.logits(
      output,
      text.map((token) => pieces.indexOf(token)),
    );
    const next = text.map((_token, index) => {
      const after = logits.subarray(index * pieces.length, (index + 1) * pieces.length);
      return pieces[after.indexOf(Math.max(...after))];
    });
    const known = successors();
    expect(text.map((token, index) => known.get(token).has(next[index]))).toEqual(text.map(() => true));
    // What follows most often.
    expect(next.at(2)).toBe('▁story');
  });
});

test('the diffusion model of the samples opens in the programs that have diffusion models', async () => {
  const { opensIn, architecture } = await quantizer.plan(writeSample(folder.at, 'diffusion'), { type: 'Q4_K_M' });
  expect(architecture).toBe('sd3');
  expect(opensIn).toEqual(['ComfyUI-GGUF', 'stable-diffusion.cpp']);
});

test('what cannot be written leaves nothing', () => {
  folder.write('file', '');
  for (const kind of kSampleKinds) expect(() => writeSample(folder.path('file'), kind)).toThrow(/ENOTDIR|EEXIST/);
  expect(folder.list()).toEqual(['file']);
});
