import path from 'node:path';
import { ensureNpmPackages } from '../../tools/setup/npm.mjs';
import { median } from '../lib/measure.mjs';

/** A gigabyte takes seconds. */
const MOST_ROUNDS = 5;
const JOB_LIMIT = 300_000;

async function quantizeOnce({ setting, file, watchJob }) {
  const demo = await setting.open();
  const { page } = demo;
  await demo.drop(file);
  await demo.choose('target', 'storage');
  await demo.choose('type', 'Q8_0');
  await demo.planned();
  await page.evaluate(watchJob);
  await demo.quantize();
  await page.getByRole('progressbar').waitFor();
  await page.locator('[data-testid=finished-figures]').waitFor({ timeout: JOB_LIMIT });
  await page.waitForFunction(() => globalThis.watched.end > 0);
  const { begin, end, frames, longestTask } = await page.evaluate(() => globalThis.watched);
  await demo.close();
  return { milliseconds: end - begin, framesPerSecond: (frames / (end - begin)) * 1000, longestTask };
}

/** How smooth the demo's page is while it quantizes a gigabyte, in Chromium. */
export async function demo({ rounds }) {
  await ensureNpmPackages(console.error, 'tests/browser');
  const { startDemo } = await import('../../tests/browser/support/demo.mjs');
  const { writeLargeModel } = await import('../../tests/browser/support/large-model.mjs');
  const { watchJob } = await import('../../tests/browser/support/watched-job.mjs');
  const setting = await startDemo();
  const runs = [];
  try {
    const file = path.join(setting.folder, 'large.safetensors');
    writeLargeModel(file);
    while (runs.length < Math.min(rounds, MOST_ROUNDS)) runs.push(await quantizeOnce({ setting, file, watchJob }));
  } finally {
    await setting.close();
  }
  const result = (name, unit, key) => ({ name, unit, median: median(runs.map((run) => run[key])) });
  return {
    id: 'demo',
    title: 'The demo, 1 GB of F16 to Q8_0, in Chromium',
    reference: null,
    results: [
      result('whole job', 'ms', 'milliseconds'),
      result('frames a second', 'Hz', 'framesPerSecond'),
      result("longest task of the page's, over 50", 'ms', 'longestTask'),
    ],
  };
}
