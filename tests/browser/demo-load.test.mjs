import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { startDemo } from './support/demo.mjs';

const kLimit = 300_000;
const kLayers = 640;
/** F16; of all layers together a little more than a gigabyte. */
const kShape = [1024, 832];
/** A second; a page at its best gives 60. */
const kLeastFrames = 50;

let setting;
let file;

beforeAll(async () => {
  setting = await startDemo();
  file = path.join(setting.folder, 'large.safetensors');
  writeSparseModel(file);
}, 600_000);

afterAll(() => setting?.close());

/** A gigabyte of zeros takes no room on disk, and as long to read as any other. */
function writeSparseModel(name) {
  const bytes = kShape[0] * kShape[1] * 2;
  const entries = Array.from({ length: kLayers }, (_, index) => {
    const offsets = [index * bytes, (index + 1) * bytes];
    return [`blocks.${index}.attention.weight`, { dtype: 'F16', shape: kShape, data_offsets: offsets }];
  });
  const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const handle = openSync(name, 'w');
  writeSync(handle, Buffer.concat([length, text]));
  ftruncateSync(handle, 8 + text.length + kLayers * bytes);
  closeSync(handle);
}

/** In the page: `job` gets the times at which the job begins and ends, and the frames in between. */
function watchJob() {
  const job = { begin: 0, end: 0, frames: 0 };
  globalThis.job = job;
  const look = () => {
    const runs = document.querySelector('[role=progressbar]') !== null;
    if (runs && job.begin === 0) job.begin = performance.now();
    if (runs) ++job.frames;
    if (!runs && job.begin > 0) job.end = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

test(
  'keeps the page at hand while a gigabyte is quantized',
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
    const { begin, end, frames } = await page.evaluate(() => globalThis.job);
    const tasks = await page.evaluate(() => globalThis.longTasks);
    const long = tasks
      .filter(({ startTime }) => startTime > begin && startTime < end)
      .map(({ startTime, duration }) => `${duration.toFixed(0)} ms after ${((startTime - begin) / 1000).toFixed(1)} s`);
    expect(long).toEqual([]);
    expect(frames / ((end - begin) / 1000)).toBeGreaterThan(kLeastFrames);
    // What the page holds, workers and WebAssembly included, does not grow with the file.
    const { bytes } = await page.evaluate(() => performance.measureUserAgentSpecificMemory());
    expect(bytes).toBeLessThan(400e6);
    expect(demo.problems).toEqual([]);
    await demo.close();
  },
  kLimit,
);
