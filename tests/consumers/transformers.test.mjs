import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inProject } from '../../tools/lib/paths.mjs';
import { runProgram } from '../places/installed.mjs';
import { relativeDistance } from './support/outputs.mjs';
import { pipelinesInChromium } from './support/pipelines-in-page.mjs';
import { runScript } from './support/programs.mjs';
import { writeTinyBert } from './support/tiny-bert.mjs';

/** Types as transformers.js calls them, and how far from f32 the features are that the metrics of such weights predict. */
const kTypes = { fp16: 0.005, int8: 0.1, uint8: 0.1, q8: 0.1, q4: 0.3, q4f16: 0.3, bnb4: 0.3, q2: 0.9, q2f16: 0.9 };

let folder;

/** A model's folder as transformers.js has them, with the files of all types beside `onnx/model.onnx`. */
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-transformers-'));
  const model = path.join(folder, 'tiny');
  writeTinyBert(model);
  const types = Object.keys(kTypes).join();
  await runProgram(process.execPath, [inProject('dist/cli/main.js'), 'quantize', model, '--types', types]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const kAll = ['fp32', ...Object.keys(kTypes)];

/** Types whose features are not what they should be: what is wrong with them. */
function faults(results) {
  const { fp32 } = results;
  return kAll.flatMap((type) => {
    const { error, dims, values } = results[type];
    const isShaped = String(dims) === '1,7,64';
    const far = error ?? (isShaped ? relativeDistance(fp32.values, values) : `shape ${dims}`);
    // Weights that are not f32 make a difference, too.
    return far <= (kTypes[type] ?? 0) && (type === 'fp32' || far > 0) ? [] : [[type, far]];
  });
}

test('its pipeline runs each type in Node, from a folder, without a network', async () => {
  const results = await runScript('run-pipelines.mjs', [folder, 'tiny', kAll.join()]);
  expect(faults(results)).toEqual([]);
});

test('its pipeline runs each type in Chromium, as WebAssembly', async () => {
  const { results, requests } = await pipelinesInChromium(folder, 'tiny', kAll);
  expect(requests).toEqual([]);
  expect(faults(results)).toEqual([]);
});
