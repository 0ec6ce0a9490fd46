import { afterAll, beforeAll, expect, test } from '@jest/globals';
import path from 'node:path';
import { startDemo } from './support/demo.mjs';
import { writeLargeModel } from './support/large-model.mjs';

const kLimit = 300_000;
/** Values between none and all that the bar is painted with. The quicker the machine, the fewer there are. */
const kLeastSteps = 2;

let setting;
let file;

beforeAll(async () => {
  setting = await startDemo();
  file = path.join(setting.folder, 'large.safetensors');
  writeLargeModel(file);
}, 600_000);

afterAll(() => setting?.close());

/**
 * In the page: `painted` gets each value that the progress bar has when a frame is painted. How long a frame takes is the
 * machine's affair; that there are frames while the job runs is the page's.
 */
function watchJob() {
  const painted = [];
  globalThis.painted = painted;
  const look = () => {
    const value = document.querySelector('[role=progressbar]')?.ariaValueNow;
    if (value !== undefined && painted.at(-1) !== Number(value)) painted.push(Number(value));
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

test(
  'paints the page while a gigabyte is quantized',
  async () => {
    const demo = await setting.open();
    const { page } = demo;
    await demo.drop(file);
    await demo.choose('target', 'storage');
    await demo.choose('type', 'Q8_0');
    await demo.planned();
    await page.evaluate(watchJob);
    await demo.quantize();
    await page.getByRole('progressbar').waitFor();
    await page.locator('[data-testid=finished-figures]').waitFor({ timeout: kLimit });
    const painted = await page.evaluate(() => globalThis.painted);
    expect(painted).toEqual(painted.toSorted((one, other) => one - other));
    expect(painted.filter((value) => value > 0 && value < 100).length).toBeGreaterThanOrEqual(kLeastSteps);
    // What the page holds, workers and WebAssembly included, does not grow with the file.
    const { bytes } = await page.evaluate(() => performance.measureUserAgentSpecificMemory());
    expect(bytes).toBeLessThan(400e6);
    expect(demo.problems).toEqual([]);
    await demo.close();
  },
  kLimit,
);
