import { describe, expect, test } from '@jest/globals';
import { buildDemo } from '../../tools/demo.mjs';
import { describeAddresses } from './support/demo-address-tests.mjs';
import { useDemo } from './support/demo-tests.mjs';
import { lowContrast, nameless, overflowing } from './support/readable.mjs';

describe('the demo in Chromium', () => {
  const demo = useDemo();

  describeAddresses(demo);

  test('can be read and used where it asks for a token', async () => {
    const page = await demo.open();
    await page.evaluate(() => document.querySelector('.address-form details').setAttribute('open', ''));
    for (const fault of [nameless, lowContrast, overflowing]) await expect(page.evaluate(fault)).resolves.toEqual([]);
    await page.shoot('address');
  });
});

test.each(['https://huggingface.co; script-src *', "'unsafe-inline'", 'huggingface.co', 'https://a.example/path'])(
  'no page is built for the host %p',
  async (host) => {
    await expect(buildDemo({ hosts: [host] })).rejects.toThrow(/is no host such as https:\/\/huggingface\.co/);
  },
);
