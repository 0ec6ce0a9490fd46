import { File } from 'node:buffer';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArrowQuant } from 'arrowquant';
import { importBundled } from '../support/bundled.mjs';
import { unzipped } from '../support/zip.mjs';

const kModel = fileURLToPath(new URL('../../../golden/tiny-llama', import.meta.url));
const kNames = readdirSync(kModel).filter((name) => name !== 'README.md');
const kOptions = { format: 'mlx', bits: 4, groupSize: 32 };

let Session;
let folder;
beforeAll(async () => {
  // Node has it as a global from version 20 on, test environments may not.
  globalThis.File ??= File;
  ({ Session } = await importBundled('engine/session.ts'));
  folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-demo-output-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const modelOf = (names) => ({ files: filesOf(names), paths: [] });
const filesOf = (names) => names.map((name) => new File([readFileSync(path.join(kModel, name))], name));

/** What Node makes of the same files. */
async function expected() {
  const quantizer = await ArrowQuant.create({ backend: 'single' });
  const output = path.join(folder, 'expected');
  await quantizer.quantizeFile(filesOf(kNames), output, kOptions);
  await quantizer.dispose();
  return new Map(readdirSync(output).map((name) => [name, readFileSync(path.join(output, name))]));
}

test('a folder in memory is downloaded as a zip of the files that Node writes, and can be looked into', async () => {
  const session = new Session(() => undefined);
  await session.open(modelOf(kNames));
  const target = { kind: 'memory', name: 'tiny-mlx-4bit', isFolder: true };
  const { name, bytes, file, written, report } = await session.quantize(kOptions, target);
  // Programs that open files cannot open it.
  expect(written).toBeNull();
  expect([name, file.name]).toEqual(['tiny-mlx-4bit.zip', 'tiny-mlx-4bit.zip']);
  const found = unzipped(Buffer.from(await file.arrayBuffer()));
  const wanted = await expected();
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].map((one) => `tiny-mlx-4bit/${one}`).sort());
  for (const [one, content] of wanted) expect(Buffer.compare(found.get(`tiny-mlx-4bit/${one}`), content)).toBe(0);
  expect(bytes).toBe([...wanted.values()].reduce((sum, { length }) => sum + length, 0));
  const [quantized] = report.tensors.filter(({ relativeRmse }) => relativeRmse > 0);
  const view = await session.viewLayer(quantized.name, quantized.outputName, quantized.shape);
  expect(view.elements).toBe(quantized.elements);
  await session.close();
});

test('a folder that lacks a file is an error in words, and the next job begins anew', async () => {
  const session = new Session(() => undefined);
  await session.open(modelOf(['model.safetensors']));
  const target = { kind: 'memory', name: 'tiny', isFolder: true };
  await expect(session.quantize(kOptions, target)).rejects.toMatchObject({
    name: 'QuantizeError',
    message: expect.stringMatching(/config\.json/),
  });
  await session.open(modelOf(kNames));
  await expect(session.quantize(kOptions, target)).resolves.toMatchObject({ name: 'tiny.zip' });
  await session.close();
});
