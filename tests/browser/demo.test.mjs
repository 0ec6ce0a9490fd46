import { describe, expect, test } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { unzipped } from '../js/web-demo/support/zip.mjs';
import { chooseFolder, describeFormats, filesInNode, kFolder } from './support/demo-format-tests.mjs';
import { describePickedCheckpoints, describeTrials } from './support/demo-trial-tests.mjs';
import { describeDemo, describeResults, describeTabs, expectSame, useDemo } from './support/demo-tests.mjs';

const kTargets = ['disk', 'storage', 'memory'];

describe('the demo in Chromium', () => {
  const demo = useDemo();

  describeResults(demo, { sites: ['isolated', 'bare'], targets: kTargets });
  describeDemo(demo, { targets: kTargets });
  describeTabs(demo);
  describeTrials(demo);
  describePickedCheckpoints(demo);
  describeFormats(demo, { targets: kTargets, folderTargets: ['folder', 'storage', 'memory'] });

  test('writes to the file that was picked', async () => {
    const page = await demo.open();
    // Nobody can press the dialog's button here; the handle that it would give is of the same kind.
    await page.evaluate(() => {
      window.showSaveFilePicker = async ({ suggestedName }) => {
        const root = await navigator.storage.getDirectory();
        return root.getFileHandle(`picked-${suggestedName}`, { create: true });
      };
    });
    await page.drop(demo.model);
    await page.choose('target', 'disk');
    await page.choose('type', 'Q8_0');
    await page.quantize();
    await page.finished();
    const text = await page.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      const file = await (await root.getFileHandle('picked-little-Q8_0.gguf')).getFile();
      const bytes = new Uint8Array(await file.arrayBuffer());
      return bytes.toBase64?.() ?? Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
    });
    const bytes = Buffer.from(text, /^[A-Za-z0-9+/=]*$/.test(text) ? 'base64' : 'latin1');
    expectSame(bytes, await demo.expectedBytes('little-Q8_0.gguf', { type: 'Q8_0' }));
    expect(await page.texts('.finished .hint')).toEqual(['It is in the place that you chose.']);
  });

  test('opens the folder that was picked, whatever else lies in it', async () => {
    const page = await demo.open();
    await page.page.locator('input[aria-label="Model folder"]').setInputFiles(kFolder);
    expect(await page.appears('#model-name')).toBe('tiny-llama');
    await page.choose('output', 'compressed-tensors');
    await page.planned();
    await page.choose('target', 'memory');
    await page.quantize();
    await page.finished();
    const { name, bytes } = await page.download('Download');
    expect(name).toBe('tiny-llama-W4A16.zip');
    const output = path.join(demo.setting.folder, 'picked-W4A16');
    await demo.quantizer.quantizeFile(kFolder, output, { format: 'compressed-tensors', type: 'W4A16' });
    const found = unzipped(bytes);
    // Node takes what lies beside the model for a part of it; so does the page.
    expect([...found.keys()].sort()).toEqual(
      readdirSync(output)
        .map((one) => `tiny-llama-W4A16/${one}`)
        .sort(),
    );
    for (const one of readdirSync(output)) {
      expectSame(found.get(`tiny-llama-W4A16/${one}`), readFileSync(path.join(output, one)));
    }
  });

  test('writes a folder into the one that was picked, and leaves the others alone', async () => {
    const page = await demo.open();
    // As above: in the dialog's place.
    await page.evaluate(() => {
      window.showDirectoryPicker = async () => {
        const root = await navigator.storage.getDirectory();
        const picked = await root.getDirectoryHandle('picked', { create: true });
        await picked.getFileHandle('of the person', { create: true });
        return picked;
      };
    });
    await chooseFolder(page);
    await page.choose('target', 'folder');
    await page.quantize();
    await page.finished();
    const found = await page.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      const picked = await root.getDirectoryHandle('picked');
      const names = await Array.fromAsync(picked.keys());
      const files = [];
      for await (const [name, handle] of (await picked.getDirectoryHandle('model-mlx-8bit')).entries()) {
        const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
        files.push([name, Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')]);
      }
      return { names: names.sort(), files };
    });
    expect(found.names).toEqual(['model-mlx-8bit', 'of the person']);
    const expected = await filesInNode(demo, 'picked');
    expect(found.files.map(([name]) => name).sort()).toEqual([...expected.keys()].sort());
    for (const [name, text] of found.files) expectSame(Buffer.from(text, 'latin1'), expected.get(name));
    expect(await page.texts('.finished .hint')).toEqual(['It is in the place that you chose.']);
  });
});
