import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { kPageLimitBytes, kTarballLimitBytes, measurePages } from '../../tools/build/sizes.mjs';

const projectRoot = fileURLToPath(new URL('../..', import.meta.url));
const tsc = path.join(projectRoot, 'node_modules/typescript/bin/tsc');

/** The same work in every module system; `log` prints what the process must have printed when it ends by itself. */
const body = `
  const quantizer = await ArrowQuant.create({ threads: 2 });
  const weights = new Map([['layer', new Float32Array(1000).map((_, i) => i / 500 - 1)]]);
  const result = await quantizer.quantizeBatch(weights, 4);
  const restored = await quantizer.dequantize(result.get('layer'));
  console.log(JSON.stringify([result.get('layer').quantizedData.length, restored.length, quantizer.backend]));
`;

let folder;
let tarballBytes;

/** Runs a program in the folder; whatever it does, it has to end by itself within a minute. */
async function run(program, ...parameters) {
  const { stdout } = await promisify(execFile)(program, parameters, { cwd: folder, timeout: 60_000 });
  return stdout.trim();
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'arrowquant package '));
  writeFileSync(path.join(folder, 'package.json'), '{ "name": "somebodys-project", "private": true }');
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder, projectRoot];
  const [{ filename, size }] = JSON.parse(await run('npm', ...pack));
  tarballBytes = size;
  await run('npm', 'install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', `./${filename}`);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('is usable from an ES module', async () => {
  writeFileSync(path.join(folder, 'use.mjs'), `import { ArrowQuant } from 'arrowquant';\n${body}`);
  expect(JSON.parse(await run(process.execPath, 'use.mjs'))).toEqual([500, 1000, 'threads']);
});

test('is usable from CommonJS', async () => {
  const script = `const { ArrowQuant, QuantizeError } = require('arrowquant');
    (async () => {${body}
      const error = await quantizer.quantizeBatch(weights, 3).catch((e) => e);
      console.log(error instanceof QuantizeError, error.code, ArrowQuant.name, QuantizeError.name);
      const others = await ArrowQuant.create({ backend: 'workers', threads: 2 });
      console.log(others.backend, (await others.quantizeBatch(weights, 4)).size);
    })();`;
  writeFileSync(path.join(folder, 'use.cjs'), script);
  expect(await run(process.execPath, 'use.cjs')).toBe(
    '[500,1000,"threads"]\ntrue invalid_bit_width ArrowQuant QuantizeError\nworkers 1',
  );
});

test('gives the raw module to who imports arrowquant/wasm', async () => {
  const script = `import createModule from 'arrowquant/wasm';
    const module = await createModule({ threads: 2 });
    const progress = [];
    const result = await module.quantizeBatchWithProgress(
      new Map([['b', new Float32Array(300).fill(1)], ['a', new Float32Array(300).fill(2)]]), 8,
      (layer, done) => progress.push([layer, done]));
    console.log(JSON.stringify([[...result.keys()], progress.length, progress.at(-1)[1]]));`;
  writeFileSync(path.join(folder, 'raw.mjs'), script);
  expect(JSON.parse(await run(process.execPath, 'raw.mjs'))).toEqual([['a', 'b'], 2, 1]);
});

test.each([
  ['mts', 'mjs'],
  ['cts', 'cjs'],
])('has types for a strict .%s file, checked together with its own declarations', async (source, output) => {
  const script = `import { ArrowQuant, QuantizeError, type QuantizedLayer } from 'arrowquant';
    async function main(): Promise<void> {
      const quantizer: ArrowQuant = await ArrowQuant.create({ mode: 'diffusion', threads: 2 });
      const weights = new Map([['layer', new Float32Array(1000).map((_, i) => i / 500 - 1)]]);
      const seen: [string, number][] = [];
      const result = await quantizer.quantizeBatchWithProgress(weights, 4, (layer, progress) => seen.push([layer, progress]));
      const layer: QuantizedLayer | undefined = result.get('layer');
      if (layer === undefined) throw new Error('no layer');
      const restored: Float32Array = await quantizer.dequantize(layer);
      // @ts-expect-error 3 is no bit width
      const error: unknown = await quantizer.quantizeBatch(weights, 3).catch((e: unknown) => e);
      console.log(JSON.stringify([seen, restored.length, error instanceof QuantizeError && error.code]));
      await quantizer.dispose();
    }
    void main();`;
  writeFileSync(path.join(folder, `typed.${source}`), script);
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess'];
  const target = ['--target', 'ES2022', '--module', 'NodeNext', '--lib', 'ES2022,ESNext.Disposable,DOM'];
  await run(process.execPath, tsc, ...strict, ...target, `typed.${source}`).catch((error) => {
    throw new Error(`tsc says:\n${error.stdout}`);
  });
  const printed = JSON.parse(await run(process.execPath, `typed.${output}`));
  expect(printed).toEqual([[['layer', 1]], 1000, 'invalid_bit_width']);
});

test('installs the arrowquant command', async () => {
  expect(await run(path.join(folder, 'node_modules/.bin/arrowquant'), '--help')).toContain('quantize');
});

test('ships what runs, and nothing else', () => {
  const entries = readdirSync(path.join(folder, 'node_modules/arrowquant'), { withFileTypes: true, recursive: true });
  const names = entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  const allowed = /(\.js|\.d\.ts|\.cjs|\.d\.cts|\.mjs|\.wasm|\.md|package\.json|LICENSE)$/;
  expect(names.filter((name) => !allowed.test(name) || name.includes('.test.'))).toEqual([]);
  expect(readdirSync(path.join(folder, 'node_modules/arrowquant')).sort()).toEqual(
    ['LICENSE', 'README.md', 'dist', 'docs', 'package.json'].sort(),
  );
});

test('ships no module that imports what is not there', () => {
  const dist = path.join(folder, 'node_modules/arrowquant/dist');
  const modules = readdirSync(dist, { recursive: true }).filter((name) => name.endsWith('.js'));
  const imports = modules.flatMap((name) => {
    const text = readFileSync(path.join(dist, name), 'utf8');
    const addresses = [...text.matchAll(/\b(?:from|import) ?\(?["'](\.[^"']+|[a-z][\w-]*)["']/g)].map(([, one]) => one);
    return addresses.map((address) => [name, address]);
  });
  expect(imports.length).toBeGreaterThan(300);
  const lost = imports.filter(([name, address]) =>
    address.startsWith('.')
      ? !existsSync(path.resolve(dist, path.dirname(name), address))
      : !['commander', 'cli-progress'].includes(address),
  );
  expect(lost).toEqual([]);
});

test('links to nothing that is not shipped, but for what the README calls a part of the repository only', () => {
  const shipped = path.join(folder, 'node_modules/arrowquant');
  const pages = ['README.md', ...readdirSync(path.join(shipped, 'docs')).map((name) => `docs/${name}`)];
  expect(pages.sort()).toEqual(['README.md', 'docs/bundlers.md', 'docs/errors.md']);
  const dead = pages.flatMap((page) => {
    const text = readFileSync(path.join(shipped, page), 'utf8');
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link]) => link);
    const targets = links.map((link) => path.posix.join(path.posix.dirname(page), link));
    return targets.filter((target) => !existsSync(path.join(shipped, target)));
  });
  expect([...new Set(dead)].sort()).toEqual([
    ...['CHANGELOG.md', 'CONTRIBUTING.md', 'bench/README.md', 'docs/accuracy.md', 'docs/architecture.md'],
    'docs/checkpoints.md',
    ...['docs/effort.md', 'docs/families.md', 'docs/formats.md', 'docs/importance.md', 'docs/llama-quantize.md'],
    ...['docs/model-folders.md', 'docs/onnx.md', 'docs/sources.md'],
  ]);
  expect(readFileSync(path.join(shipped, 'README.md'), 'utf8').match(/in the repository only/g)).toHaveLength(2);
});

test('keeps what one page loads under its limit, with each backend', () => {
  const pages = measurePages(path.join(folder, 'node_modules/arrowquant/dist'));
  expect(pages.map(({ backend }) => backend)).toEqual(['threads', 'workers', 'single']);
  for (const { gzipBytes } of pages) expect(gzipBytes).toBeLessThanOrEqual(kPageLimitBytes);
});

test.each(['worker.js', 'wasm/arrowquant-threads.js', 'wasm/arrowquant-single.js'])(
  '%s, which workers run, imports nothing and does not know where it is',
  (file) => {
    const script = readFileSync(path.join(folder, 'node_modules/arrowquant/dist', file), 'utf8');
    expect(script.length).toBeGreaterThan(10_000);
    expect(script).not.toMatch(/\bimport\b|\bfrom ?["']/);
  },
);

test('keeps the tarball under its limit', () => {
  expect(tarballBytes).toBeGreaterThan(100_000);
  expect(tarballBytes).toBeLessThanOrEqual(kTarballLimitBytes);
});

test('the licence of what it brings along is in each file that has it inside', () => {
  const installed = path.join(folder, 'node_modules/arrowquant/dist');
  for (const name of ['hub.js', 'arrowquant.standalone.js']) {
    const text = readFileSync(path.join(installed, name), 'utf8');
    expect(text).toContain('/*! @huggingface/hub');
    expect(text).toContain('Permission is hereby granted, free of charge');
  }
});
