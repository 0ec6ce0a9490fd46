/** Language models in the demo, in any browser: from the folder that the Hub has to a GGUF that llama.cpp runs in the page. */
import { File } from 'node:buffer';
import { describe, expect, test } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../../../tools/lib/paths.mjs';
import { imatrixGguf, seededEntries } from '../../js/support/models/imatrix.mjs';
import { readGguf } from '../../peers/tiny-llama.mjs';
import { expectReadable } from './demo-format-tests.mjs';
import { expectSame } from './demo-tests.mjs';

const golden = (name) => inProject(`tests/golden/checkpoints/${name}`);

export const kCheckpoint = golden('llama-spm-tied/llama2-spm-tied');
const kEmbedding = golden('bert-st/all-TinyLM-L2-v1');

/** In the page: whether its WebAssembly has what wllama needs. */
function canTry() {
  try {
    return Boolean(new WebAssembly.Memory({ address: 'i64', initial: 1n }));
  } catch {
    return false;
  }
}

/**
 * Presses *Try it*, and then the button that has the model say something. Gives its answer once it is complete; null where the
 * browser lacks what is needed, and the page says that.
 */
export async function tryModel(page) {
  await page.click('Try it');
  if (!(await page.evaluate(canTry))) {
    expect(await page.appears('#try [role=alert]')).toMatch(/64-bit addresses.*current Chrome, Edge or Firefox/);
    return null;
  }
  await page.until('the prompt to be typed into', () => document.activeElement.name === 'prompt');
  await page.click(/^(?:Go on|Ask|Make a vector)/);
  return answerOf(page);
}

/** The model's answer once it is complete. */
export const answerOf = (page) =>
  page.until('an answer', () => {
    const text = document.querySelector('[data-testid=trial-text]');
    return text?.ariaBusy === 'false' && text.textContent;
  });

/** Numbers and words of the line below the answer. */
const figuresOf = (page) => page.texts('[data-testid=trial-figures]').then(([text]) => text);

const filesIn = (folder) => readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());

/** @param {ReturnType<typeof import('./demo-tests.mjs').useDemo>} demo */
export function describeTrials(demo) {
  describe('a checkpoint of a language model', () => {
    test('has no file that cannot be chosen', async () => {
      const page = await demo.open();
      const accepted = await page.evaluate(() => document.querySelector('input[aria-label="Model files"]').accept);
      const names = [
        'merges.txt',
        'README.md',
        'chat_template.jinja',
        ...readdirSync(kCheckpoint),
        ...readdirSync(kEmbedding),
      ];
      const isFile = (name) => name.includes('.');
      const refused = names.filter((name) => isFile(name) && !accepted.split(',').includes(path.extname(name)));
      expect(refused).toEqual([]);
    });

    test('becomes the GGUF that Node makes of the same files, and llama.cpp runs it in the page', async () => {
      const names = filesIn(kCheckpoint).map(({ name }) => name);
      const page = await demo.open();
      await page.drop(...names.map((name) => path.join(kCheckpoint, name)));
      await page.planned();
      expect(await page.appears('.plan-line')).toMatch(/^Q4_K_M in a GGUF file, .*opens in llama\.cpp/);
      await page.choose('target', 'memory');
      await page.quantize();
      await page.finished();
      const output = path.join(demo.setting.folder, 'checkpoint.gguf');
      const files = names.map((name) => new File([readFileSync(path.join(kCheckpoint, name))], name));
      await demo.quantizer.quantizeFile(files, output, { type: 'Q4_K_M' });
      const expected = readFileSync(output);
      expectSame((await page.download('Download', expected.length)).bytes, expected);
      const answer = await tryModel(page);
      if (answer === null) return;
      expect(answer.length).toBeGreaterThan(1);
      expect(await figuresOf(page)).toMatch(/^\d+ tokens, [\d.]+ a second\.$/);
      await expectReadable(page);
      // The same prompt has the same answer.
      await page.click('Ask');
      await page.until('the next answer', () => document.querySelector('[data-testid=trial-text]').ariaBusy === 'true');
      await page.click('Stop');
      expect(answer.startsWith(await answerOf(page))).toBe(true);
      expect(await figuresOf(page)).toMatch(/^Stopped after /);
      await page.click('Another model');
      await page.until('the first page', () => document.querySelector('.welcome #title') !== null);
      expect(await page.texts('#try')).toEqual([]);
    });
  });
}

/** What needs a folder to be picked, which drivers can do in Chromium. */
export function describePickedCheckpoints(demo) {
  test('a folder that was picked gives its model a name, and its parts their settings', async () => {
    const page = await demo.open();
    await page.page.locator('input[aria-label="Model folder"]').setInputFiles(kEmbedding);
    await page.planned();
    await page.choose('type', 'F16');
    await page.choose('target', 'storage');
    await page.quantize();
    await page.finished();
    const output = path.join(demo.setting.folder, 'embedding.gguf');
    await demo.quantizer.quantizeFile(kEmbedding, output, { type: 'F16' });
    const expected = readFileSync(output);
    const { name, bytes } = await page.download('Download', expected.length);
    expect(name).toBe('all-TinyLM-L2-v1-F16.gguf');
    expectSame(bytes, expected);
    expect(await tryModel(page)).toMatch(/^64 numbers: -?\d\.\d{4}, /);
    await expectReadable(page);
  });

  test('an importance matrix that was picked counts, and so does the effort', async () => {
    const plain = path.join(demo.setting.folder, 'plain.gguf');
    await demo.quantizer.quantizeFile(kEmbedding, plain, { type: 'F16' });
    const entries = seededEntries(readGguf(readFileSync(plain)));
    const matrix = { name: 'of-the-model.imatrix.gguf', buffer: Buffer.from(imatrixGguf(entries)) };
    const page = await demo.open();
    await page.page.locator('input[aria-label="Model folder"]').setInputFiles(kEmbedding);
    await page.planned();
    await page.choose('type', 'Q4_0');
    await page.press('best');
    await page.page.locator('input[name=imatrix]').setInputFiles({ ...matrix, mimeType: 'application/octet-stream' });
    await page.until('the name of the matrix', () =>
      document.querySelector('[aria-label="Importance matrix"]').textContent.includes('of-the-model'),
    );
    await page.planned();
    await page.choose('target', 'memory');
    await expectReadable(page);
    await page.shoot('importance');
    await page.quantize();
    await page.finished();
    const output = path.join(demo.setting.folder, 'weighed.gguf');
    const imatrix = new File([matrix.buffer], matrix.name);
    await demo.quantizer.quantizeFile(kEmbedding, output, { type: 'Q4_0', effort: 'best', imatrix });
    const expected = readFileSync(output);
    expectSame((await page.download('Download', expected.length)).bytes, expected);
    const { keyValues } = readGguf(expected);
    expect(keyValues.get('quantize.imatrix.file')).toBe(matrix.name);
    expect(keyValues.get('arrowquant.effort')).toBe('best');
    await page.shoot('importance-result');
  });
}
