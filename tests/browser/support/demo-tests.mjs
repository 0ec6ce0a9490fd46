/** What people do with the demo, in any browser; what a browser lacks has to be what the page says of it. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ArrowQuant } from '../../../dist/index.js';
import { makeSampleModel } from '../../../tools/make-sample-model.mjs';
import { float32Tensor, modelFile } from '../../js/support/models/safetensors.mjs';
import { makeLittleModel, startDemo } from './demo.mjs';
import { tryModel } from './demo-trial-tests.mjs';
import { lowContrast, nameless, overflowing } from './readable.mjs';

/** Jest takes minutes to compare megabytes by element. */
export const expectSame = (bytes, expected) => expect(Buffer.compare(bytes, expected)).toBe(0);

/**
 * The setting of the tests of one browser. `open` opens the demo, which is closed after the test, and then has no faults;
 * `expectedBytes` are what Node makes of the model.
 *
 * @param {() => Promise<import('./driven-pages.mjs').DrivenBrowser>} [startBrowser]
 */
export function useDemo(startBrowser) {
  const demo = {};
  const opened = [];
  beforeAll(async () => {
    demo.setting = await startDemo(startBrowser);
    demo.quantizer = await ArrowQuant.create();
    demo.model = path.join(demo.setting.folder, 'little.safetensors');
    makeLittleModel(demo.model);
  }, 600_000);
  afterEach(async () => {
    const pages = opened.splice(0);
    const faults = (await Promise.all(pages.map((page) => page.faults()))).flat();
    for (const page of pages) await page.close();
    expect(faults).toEqual([]);
  });
  afterAll(async () => {
    await demo.quantizer?.dispose();
    await demo.setting?.close();
  });
  demo.open = async (site, settings) => {
    const page = await demo.setting.open(site, settings);
    opened.push(page);
    return page;
  };
  demo.expectedBytes = async (name, options) => {
    const file = path.join(demo.setting.folder, name);
    await demo.quantizer.quantizeFile(demo.model, file, options);
    return readFileSync(file);
  };
  return demo;
}

/**
 * A result that goes each way that the browser has.
 *
 * @param {ReturnType<typeof useDemo>} demo
 * @param {{sites: string[], targets: string[]}} browser `targets` are all ways that it offers for the result, the best first
 */
export function describeResults(demo, { sites, targets }) {
  const engines = { isolated: /threads? of/, bare: /workers? of/ };
  const ways = sites.flatMap((site) => targets.filter((one) => one !== 'disk').map((target) => [site, target]));
  test.each(ways)('%s, by way of %s: the bytes that Node makes of a dropped file', async (site, target) => {
    const page = await demo.open(site);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(site === 'isolated');
    expect(await page.appears('.engine-chip')).toMatch(engines[site]);
    await page.drop(demo.model);
    await page.planned();
    expect(
      await page.evaluate(() => [...document.querySelector('select[name=target]')].map(({ value }) => value)),
    ).toEqual(targets);
    await page.choose('target', target);
    await page.quantize();
    await page.finished();
    const expected = await demo.expectedBytes('little-Q4_K_M.gguf', { type: 'Q4_K_M' });
    const { name, bytes } = await page.download('Download', expected.length);
    expect(name).toBe('little-Q4_K_M.gguf');
    expectSame(bytes, expected);
  });

  if (sites.includes('bare')) {
    test('says what does the work where the page is not isolated', async () => {
      const page = await demo.open('bare');
      const text = await page.appears('.engine-explanation');
      expect(text).toContain('not cross-origin isolated');
      expect(text).toContain('The bytes are the same');
    });
  }
}

/** All else that people do with it; the site is isolated. */
export function describeDemo(demo, { targets }) {
  const best = targets.find((one) => one !== 'disk');

  test('follows every choice with size and bits, and quantizes accordingly', async () => {
    const page = await demo.open();
    const figuresAt = '[data-testid=planned-size], [data-testid=planned-bits]';
    const figures = async () => (await page.planned()) && page.texts(figuresAt);
    await page.drop(demo.model);
    const seen = [await figures()];
    const changes = [
      () => page.choose('type', 'Q8_0'),
      () => page.choose('output', 'safetensors'),
      () => page.press('8'),
      () => page.press('32'),
      () => page.press('Symmetric'),
      async () => {
        await page.click('Add a rule');
        await page.fill('Rule 1: regular', 'attn1');
      },
    ];
    for (const change of changes) {
      await change();
      seen.push(await figures());
    }
    const options = { bits: 8, groupSize: 32, symmetric: true, mode: 'diffusion', rules: [['attn1', 'keep']] };
    const { output, totals } = await demo.quantizer.plan(demo.model, options);
    expect(seen.at(-1)).toEqual([`${(output.bytes / 1e6).toFixed(2)} MB`, `${totals.bitsPerWeight.toFixed(2)} bits`]);
    // Symmetric ones take as much room; everything else changes the size.
    expect(new Set(seen.map(String)).size).toBe(seen.length - 1);
    await page.choose('target', 'memory');
    await page.quantize();
    await page.finished();
    const expected = await demo.expectedBytes('little-int8.safetensors', options);
    const { name, bytes } = await page.download('Download', expected.length);
    expect(name).toBe('little-int8.safetensors');
    expectSame(bytes, expected);
  });

  test('opens all files of a sharded model at once', async () => {
    const index = path.join(demo.setting.folder, 'parts.safetensors.index.json');
    makeSampleModel(index, { megabytes: 3, shards: 3 });
    const shards = [1, 2, 3].map((number) =>
      index.replace('.safetensors.index.json', `-0000${number}-of-00003.safetensors`),
    );
    const page = await demo.open();
    await page.drop(...shards, index);
    await page.choose('output', 'safetensors');
    await page.planned();
    expect(await page.appears('.model-facts')).toMatch(/4 files/);
    await page.choose('target', 'memory');
    await page.quantize();
    await page.finished();
    const whole = path.join(demo.setting.folder, 'whole.safetensors');
    await demo.quantizer.quantizeFile(index, whole, { bits: 4 });
    const expected = readFileSync(whole);
    const { bytes } = await page.download('Download', expected.length);
    expectSame(bytes, expected);
  });

  test('can be read and used when a sample has been quantized, and tried', async () => {
    const page = await demo.open();
    const look = async () => {
      for (const find of [nameless, lowContrast, overflowing]) expect(await page.evaluate(find)).toEqual([]);
    };
    await look();
    await page.click('A language model');
    await page.choose('target', 'memory');
    await page.quantize();
    await page.finished();
    await page.until('the plots', () => document.querySelectorAll('.inspector-plots canvas').length > 2);
    const answer = await tryModel(page);
    // It goes on with the beginning that is there, in words of its sentences.
    if (answer !== null) expect(answer).toMatch(/^The model (?:reads|is|was|and|a|the)\b/);
    await look();
  });

  describeFailures(demo, best);

  test('stops when it is told to, keeps nothing, and starts again', async () => {
    const page = await demo.open();
    await page.click('An image model');
    await page.choose('target', best);
    await page.quantize();
    await page.until('some progress', () => Number(document.querySelector('[role=progressbar]')?.ariaValueNow) > 0);
    await page.click('Cancel');
    expect(await page.appears('.run .notice')).toBe('Cancelled. Nothing was kept.');
    expect(await page.evaluate(storedResults)).toEqual([]);
    await page.quantize();
    await page.finished();
  });
}

function describeFailures(demo, best) {
  describe('what cannot be done', () => {
    test('says why a file cannot be opened, and opens the next one', async () => {
      const bad = path.join(demo.setting.folder, 'bad.safetensors');
      writeFileSync(bad, Buffer.from('not a model at all'));
      const error = await demo.quantizer.inspectFile(bad).catch((one) => one);
      const page = await demo.open();
      await page.drop(bad);
      expect(await page.appears('[role=alert]')).toContain(error.message.replace(bad, 'bad.safetensors'));
      await page.drop(demo.model);
      await page.planned();
      expect(await page.texts('[role=alert]')).toEqual([]);
    });

    test('says that no program opens a model that is not known, and writes it when that is wanted', async () => {
      const file = path.join(demo.setting.folder, 'own.safetensors');
      writeFileSync(file, modelFile([float32Tensor('own.weight', [256, 256])]));
      const options = { type: 'Q4_K_M' };
      const error = await demo.quantizer.plan(file, options).catch((one) => one);
      expect(error.code).toBe('unsupported_model');
      const page = await demo.open();
      await page.drop(file);
      const said = await page.appears('.plan [role=alert]');
      expect(said).toContain('No program would open this file.');
      expect(said).toContain(error.message.replace(file, 'own.safetensors'));
      for (const find of [nameless, lowContrast, overflowing]) expect(await page.evaluate(find)).toEqual([]);
      expect(await page.evaluate(() => document.querySelector('.start button').disabled)).toBe(true);
      await page.click('Write it all the same');
      await page.planned();
      expect(await page.evaluate(() => document.querySelector('select[name=architecture]').value)).toBe('none');
      expect(await page.appears('.plan-note')).toContain('no program is known to open the file');
      expect(await page.appears('.plan-line')).toContain('not in ComfyUI-GGUF, stable-diffusion.cpp and llama.cpp');
      await page.choose('target', 'memory');
      await page.quantize();
      await page.finished();
      const output = path.join(demo.setting.folder, 'own.gguf');
      await demo.quantizer.quantizeFile(file, output, { ...options, architecture: 'none' });
      const expected = readFileSync(output);
      expectSame((await page.download('Download', expected.length)).bytes, expected);

      // The next model may well open.
      await page.drop(demo.model);
      await page.planned();
      expect(await page.evaluate(() => document.querySelector('select[name=architecture]').value)).toBe('');
      expect(await page.appears('.plan-line')).toContain('opens in ComfyUI-GGUF');
    });

    test('offers the program that opens a model, where it is another one', async () => {
      const file = path.join(demo.setting.folder, 'krea.safetensors');
      writeFileSync(file, modelFile([float32Tensor('txtfusion.projector.weight', [256, 256])]));
      const { opensIn } = await demo.quantizer.plan(file, { type: 'Q4_K_M', for: 'sd.cpp' });
      const page = await demo.open();
      await page.drop(file);
      expect(await page.appears('.plan [role=alert]')).toContain('ComfyUI would not open this file.');
      for (const find of [nameless, lowContrast, overflowing]) expect(await page.evaluate(find)).toEqual([]);
      await page.click(`Make it for ${opensIn.join(' and ')}`);
      await page.planned();
      expect(await page.evaluate(() => document.querySelector('input[name=program]:checked').value)).toBe('sd.cpp');
      expect(await page.appears('.plan-line')).toContain(`opens in ${opensIn.join(' and ')}`);
    });

    test('warns of what costs quality, beside what opens the file', async () => {
      const file = path.join(demo.setting.folder, 'narrow.safetensors');
      writeFileSync(file, modelFile([float32Tensor('double_blocks.0.img_attn.proj.weight', [64, 96])]));
      const { warnings, opensIn } = await demo.quantizer.plan(file, { type: 'Q4_K_M' });
      expect(warnings).toHaveLength(1);
      const page = await demo.open();
      await page.drop(file);
      await page.planned();
      expect(await page.appears('.plan-note.is-warning')).toBe(`Warning: ${warnings[0].message}`);
      expect(await page.appears('.plan-line')).toContain(`opens in ${opensIn.join(' and ')}`);
    });

    test('names the layer with a NaN, and keeps nothing', async () => {
      const file = path.join(demo.setting.folder, 'nan.safetensors');
      const tensors = ['double_blocks.0.img_attn.proj.weight', 'double_blocks.1.img_attn.proj.weight'].map((name) =>
        float32Tensor(name, [256, 256]),
      );
      tensors[1].bytes.writeFloatLE(Number.NaN, 4 * 1000);
      writeFileSync(file, modelFile(tensors));
      const page = await demo.open();
      await page.drop(file);
      await page.choose('target', best);
      await page.quantize();
      const text = await page.appears('[role=alert]');
      expect(text).toContain('double_blocks.1.img_attn.proj.weight');
      expect(text).toContain('1000');
      expect(await page.evaluate(storedResults)).toEqual([]);
    });

    test('says what is wrong with a rule, and recovers', async () => {
      const page = await demo.open();
      await page.drop(demo.model);
      await page.planned();
      await page.click('Add a rule');
      await page.fill('Rule 1: regular', '(');
      expect(await page.appears('[role=alert]')).toContain('no regular expression');
      expect(await page.evaluate(() => document.querySelector('.start button').disabled)).toBe(true);
      await page.click('Remove rule 1');
      await page.planned();
    });
  });
}

/** Two pages of one browser, which keep files for both. */
export function describeTabs(demo) {
  test('keeps the results of two tabs apart, and removes those of tabs that are closed', async () => {
    const page = await demo.open();
    const other = await page.openTab();
    for (const tab of [page, other]) {
      await tab.drop(demo.model);
      await tab.choose('target', 'storage');
      await tab.quantize();
      await tab.finished();
    }
    expect(await page.evaluate(storedResults)).toHaveLength(2);
    const expected = await demo.expectedBytes('little-Q4_K_M.gguf', { type: 'Q4_K_M' });
    for (const tab of [page, other]) {
      const { bytes } = await tab.download('Download', expected.length);
      expectSame(bytes, expected);
    }
    await other.close();
    await page.until('the lock of one tab alone', async () => (await navigator.locks.query()).held.length === 1);
    await page.quantize();
    await page.finished();
    expect(await page.evaluate(storedResults)).toHaveLength(1);
  });
}

/** In the page: names of the files that it has in the browser's storage. */
export async function storedResults() {
  const names = [];
  const collect = async (folder) => {
    for await (const [name, handle] of folder.entries()) {
      if (handle.kind === 'directory') await collect(handle);
      else names.push(name);
    }
  };
  if (navigator.storage?.getDirectory !== undefined) await collect(await navigator.storage.getDirectory());
  return names;
}
