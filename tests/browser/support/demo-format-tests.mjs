/** What people do with the demo who want models for other programs, in any browser. */
import { describe, expect, test } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../../../tools/lib/paths.mjs';
import { unzipped } from '../../js/web-demo/support/zip.mjs';
import { expectSame } from './demo-tests.mjs';
import { lowContrast, nameless, overflowing } from './readable.mjs';

export const kGraph = inProject('tests/golden/onnx/bert/model.onnx');
export const kFolder = inProject('tests/golden/tiny-llama');
const kFiles = readdirSync(kFolder)
  .filter((name) => name !== 'README.md')
  .map((name) => path.join(kFolder, name));

/** What can be read and used by everybody. */
export async function expectReadable(page) {
  for (const find of [nameless, lowContrast, overflowing]) expect(await page.evaluate(find)).toEqual([]);
}

/** The values of all that a list on the page offers. */
export const offered = (page, name) =>
  page.evaluate((wanted) => [...document.querySelector(`select[name=${wanted}]`)].map(({ value }) => value), name);

/**
 * @param {ReturnType<import('./demo-tests.mjs').useDemo>} demo
 * @param {{targets: string[], folderTargets: string[]}} browser all ways that it offers for a file, and for a folder
 */
export function describeFormats(demo, { targets, folderTargets }) {
  const ways = targets.filter((one) => one !== 'disk');

  describe('a model for another program', () => {
    test.each(ways)('is an ONNX file for transformers.js, by way of %s', async (target) => {
      const page = await demo.open();
      await page.drop(kGraph);
      await page.planned();
      expect(await offered(page, 'output')).toEqual(['onnx']);
      expect(await offered(page, 'target')).toEqual(targets);
      await page.choose('type', 'q8');
      await page.planned();
      await page.choose('type', 'q4f16');
      await page.press('64');
      await page.choose('target', target);
      await page.quantize();
      await page.finished();
      await expectReadable(page);
      const output = path.join(demo.setting.folder, `bert-${target}.onnx`);
      await demo.quantizer.quantizeFile(kGraph, output, { type: 'q4f16', groupSize: 64 });
      const expected = readFileSync(output);
      const { name, bytes } = await page.download('Download', expected.length);
      expect(name).toBe('model_q4f16.onnx');
      expectSame(bytes, expected);
    });

    test.each(folderTargets.filter((one) => one !== 'folder'))('is a zip of a folder, by way of %s', async (target) => {
      const page = await demo.open();
      await chooseFolder(page);
      await page.planned();
      expect(await offered(page, 'target')).toEqual(folderTargets);
      await page.choose('target', target);
      await page.quantize();
      await page.finished();
      await expectReadable(page);
      const expected = await filesInNode(demo, target);
      const { name, bytes } = await page.download('Download');
      expect(name).toBe('model-mlx-8bit.zip');
      const found = unzipped(bytes);
      expect([...found.keys()].sort()).toEqual([...expected.keys()].map((one) => `model-mlx-8bit/${one}`).sort());
      for (const [one, content] of expected) expectSame(found.get(`model-mlx-8bit/${one}`), content);
    });

    test('needs what lies beside the weights, and says so', async () => {
      const page = await demo.open();
      await page.drop(path.join(kFolder, 'model.safetensors'));
      await page.choose('output', 'mlx');
      const saysWhy = () => document.querySelector('.plan [role=alert]')?.textContent.includes('config.json');
      await page.until('the reason', saysWhy);
      await expectReadable(page);
      await page.drop(...kFiles);
      await page.planned();
      expect(await page.texts('.plan [role=alert]')).toEqual([]);
      expect(await page.appears('.plan-line')).toContain('in a folder');
    });
  });
}

/** What Node makes of the folder. */
export async function filesInNode(demo, name) {
  const output = path.join(demo.setting.folder, `folder-${name}`);
  await demo.quantizer.quantizeFile(kFolder, output, { format: 'mlx', bits: 8, groupSize: 32 });
  return new Map(readdirSync(output).map((one) => [one, readFileSync(path.join(output, one))]));
}

/** Drops the files of the folder, and chooses what `filesInNode` writes. */
export async function chooseFolder(page) {
  await page.drop(...kFiles);
  await page.choose('output', 'mlx');
  await page.choose('type', '8 bits');
  await page.press('32');
}
