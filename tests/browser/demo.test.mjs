import { describe, expect, test } from '@jest/globals';
import { describeDemo, describeResults, describeTabs, expectSame, useDemo } from './support/demo-tests.mjs';

const kTargets = ['disk', 'storage', 'memory'];

describe('the demo in Chromium', () => {
  const demo = useDemo();

  describeResults(demo, { sites: ['isolated', 'bare'], targets: kTargets });
  describeDemo(demo, { targets: kTargets });
  describeTabs(demo);

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
});
