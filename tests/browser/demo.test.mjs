import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ArrowQuant } from '../../dist/index.js';
import { makeSampleModel } from '../../tools/make-sample-model.mjs';
import { float32Tensor, modelFile } from '../js/support/models/safetensors.mjs';
import { makeLittleModel, startDemo } from './support/demo.mjs';

let setting;
let quantizer;
let model;
const opened = [];

beforeAll(async () => {
  setting = await startDemo();
  quantizer = await ArrowQuant.create();
  model = path.join(setting.folder, 'little.safetensors');
  makeLittleModel(model);
}, 600_000);

afterEach(async () => {
  const problems = opened.flatMap((demo) => demo.problems);
  for (const demo of opened.splice(0)) await demo.close();
  expect(problems).toEqual([]);
});

afterAll(async () => {
  await quantizer?.dispose();
  await setting?.close();
});

async function open(site, settings) {
  const demo = await setting.open(site, settings);
  opened.push(demo);
  return demo;
}

/** What Node makes of the model. */
async function expectedBytes(name, options) {
  const file = path.join(setting.folder, name);
  await quantizer.quantizeFile(model, file, options);
  return readFileSync(file);
}

/** Jest takes minutes to compare megabytes by element. */
const expectSame = (bytes, expected) => expect(Buffer.compare(bytes, expected)).toBe(0);

describe.each([
  ['isolated', 'storage', /threads? of/],
  ['isolated', 'memory', /threads? of/],
  ['bare', 'storage', /workers? of/],
])('the demo, %s, result by way of %s', (site, target, engine) => {
  test('gives back the bytes that Node makes of a dropped file', async () => {
    const demo = await open(site);
    await expect(demo.page.evaluate(() => crossOriginIsolated)).resolves.toBe(site === 'isolated');
    await expect(demo.page.locator('.engine-chip').textContent()).resolves.toMatch(engine);
    await demo.drop(model);
    await demo.choose('target', target);
    await demo.quantize();
    await demo.finished();
    const { name, bytes } = await demo.download(/^Download/);
    expect(name).toBe('little-Q4_K_M.gguf');
    expectSame(bytes, await expectedBytes('little-Q4_K_M.gguf', { type: 'Q4_K_M' }));
  });
});

test('says what does the work where the page is not isolated', async () => {
  const demo = await open('bare');
  await demo.page.locator('.engine-details summary').click();
  const text = await demo.page.locator('.engine-explanation').textContent();
  expect(text).toContain('not cross-origin isolated');
  expect(text).toContain('The bytes are the same');
});

test('writes to the file that was picked', async () => {
  const demo = await open();
  // Nobody can press the dialog's button here; the handle that it would give is of the same kind.
  await demo.page.evaluate(() => {
    window.showSaveFilePicker = async ({ suggestedName }) => {
      const root = await navigator.storage.getDirectory();
      return root.getFileHandle(`picked-${suggestedName}`, { create: true });
    };
  });
  await demo.drop(model);
  await demo.choose('target', 'disk');
  await demo.choose('type', 'Q8_0');
  await demo.quantize();
  await demo.finished();
  const text = await demo.page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const file = await (await root.getFileHandle('picked-little-Q8_0.gguf')).getFile();
    const bytes = new Uint8Array(await file.arrayBuffer());
    return bytes.toBase64?.() ?? Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  });
  const bytes = Buffer.from(text, /^[A-Za-z0-9+/=]*$/.test(text) ? 'base64' : 'latin1');
  expectSame(bytes, await expectedBytes('little-Q8_0.gguf', { type: 'Q8_0' }));
});

test('follows every choice with size and bits, and quantizes accordingly', async () => {
  const demo = await open();
  const figures = async () => {
    await demo.planned();
    return demo.page.locator('[data-testid=planned-size], [data-testid=planned-bits]').allTextContents();
  };
  await demo.drop(model);
  const seen = [await figures()];
  const changes = [
    () => demo.choose('type', 'Q8_0'),
    () => demo.press('safetensors'),
    () => demo.press('8'),
    () => demo.press('32'),
    () => demo.page.getByRole('checkbox', { name: /Symmetric/ }).check(),
    async () => {
      await demo.page.getByRole('button', { name: 'Add a rule' }).click();
      await demo.page.getByRole('textbox', { name: /Rule 1/ }).fill('attn1');
    },
  ];
  for (const change of changes) {
    await change();
    await demo.page
      .locator('.plan[aria-busy=true]')
      .waitFor({ timeout: 1000 })
      .catch(() => undefined);
    seen.push(await figures());
  }
  const options = { bits: 8, groupSize: 32, symmetric: true, mode: 'diffusion', rules: [['attn1', 'keep']] };
  const { output, totals } = await quantizer.plan(model, options);
  expect(seen.at(-1)).toEqual([`${(output.bytes / 1e6).toFixed(2)} MB`, `${totals.bitsPerWeight.toFixed(2)} bits`]);
  // Symmetric ones take as much room; everything else changes the size.
  expect(new Set(seen.map(String)).size).toBe(seen.length - 1);
  await demo.choose('target', 'memory');
  await demo.quantize();
  await demo.finished();
  const { name, bytes } = await demo.download(/^Download/);
  expect(name).toBe('little-int8.safetensors');
  expectSame(bytes, await expectedBytes('little-int8.safetensors', options));
});

test('opens all files of a sharded model at once', async () => {
  const index = path.join(setting.folder, 'parts.safetensors.index.json');
  makeSampleModel(index, { megabytes: 3, shards: 3 });
  const shards = [1, 2, 3].map((number) =>
    index.replace('.safetensors.index.json', `-0000${number}-of-00003.safetensors`),
  );
  const demo = await open();
  await demo.drop(...shards, index);
  await demo.press('safetensors');
  await demo.planned();
  await expect(demo.page.locator('.model-facts').textContent()).resolves.toMatch(/4 files/);
  await demo.choose('target', 'memory');
  await demo.quantize();
  await demo.finished();
  const { bytes } = await demo.download(/^Download/);
  const whole = path.join(setting.folder, 'whole.safetensors');
  await quantizer.quantizeFile(index, whole, { bits: 4 });
  expectSame(bytes, readFileSync(whole));
});

describe('what cannot be done', () => {
  test('says why a file cannot be opened, and opens the next one', async () => {
    const bad = path.join(setting.folder, 'bad.safetensors');
    writeFileSync(bad, Buffer.from('not a model at all'));
    const reason = await quantizer.inspectFile(bad).catch(({ message }) => message.replace(bad, 'bad.safetensors'));
    const demo = await open();
    await demo.drop(bad);
    await expect(demo.page.getByRole('alert').textContent()).resolves.toContain(reason);
    await demo.shoot('bad-file');
    await demo.drop(model);
    await demo.planned();
    await expect(demo.page.getByRole('alert').count()).resolves.toBe(0);
  });

  test('names the layer with a NaN, and keeps nothing', async () => {
    const file = path.join(setting.folder, 'nan.safetensors');
    const tensors = ['first.weight', 'second.weight'].map((name) => float32Tensor(name, [256, 256]));
    tensors[1].bytes.writeFloatLE(Number.NaN, 4 * 1000);
    writeFileSync(file, modelFile(tensors));
    const demo = await open();
    await demo.drop(file);
    await demo.choose('target', 'storage');
    await demo.quantize();
    const text = await demo.page.getByRole('alert').textContent();
    expect(text).toContain('second.weight');
    expect(text).toContain('1000');
    await expect(storedResults(demo)).resolves.toEqual([]);
  });

  test('says what is wrong with a rule, and recovers', async () => {
    const demo = await open();
    await demo.drop(model);
    await demo.planned();
    await demo.page.getByRole('button', { name: 'Add a rule' }).click();
    await demo.page.getByRole('textbox', { name: /Rule 1/ }).fill('(');
    await expect(demo.page.getByRole('alert').textContent()).resolves.toContain('no regular expression');
    await expect(demo.page.getByRole('button', { name: 'Quantize' }).isDisabled()).resolves.toBe(true);
    await demo.page.getByRole('button', { name: 'Remove rule 1' }).click();
    await demo.planned();
  });
});

test('stops when it is told to, keeps nothing, and starts again', async () => {
  const demo = await open();
  await demo.page.getByRole('button', { name: 'Try a sample' }).click();
  await demo.choose('target', 'storage');
  await demo.quantize();
  await demo.page.waitForFunction(() => Number(document.querySelector('[role=progressbar]')?.ariaValueNow) > 0);
  await demo.page.getByRole('button', { name: 'Cancel' }).click();
  await demo.page.getByText('Cancelled. Nothing was kept.').first().waitFor();
  await expect(storedResults(demo)).resolves.toEqual([]);
  await demo.quantize();
  await demo.finished();
});

test('keeps the results of two tabs apart, and removes those of tabs that are closed', async () => {
  const demo = await open();
  const other = await demo.openTab();
  for (const tab of [demo, other]) {
    await tab.drop(model);
    await tab.choose('target', 'storage');
    await tab.quantize();
    await tab.finished();
  }
  await expect(storedResults(demo)).resolves.toHaveLength(2);
  const expected = await expectedBytes('little-Q4_K_M.gguf', { type: 'Q4_K_M' });
  for (const tab of [demo, other]) expectSame((await tab.download(/^Download/)).bytes, expected);
  await other.page.close();
  await demo.page.waitForFunction(async () => (await navigator.locks.query()).held.length === 1);
  await demo.quantize();
  await demo.finished();
  await expect(storedResults(demo)).resolves.toHaveLength(1);
});

/** Names of the files that the page has in the browser's storage. */
const storedResults = ({ page }) =>
  page.evaluate(async () => {
    const names = [];
    const root = await navigator.storage.getDirectory();
    const collect = async (folder) => {
      for await (const [name, handle] of folder.entries()) {
        if (handle.kind === 'directory') await collect(handle);
        else names.push(name);
      }
    };
    await collect(root);
    return names;
  });
