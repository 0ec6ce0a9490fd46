#!/usr/bin/env node
/**
 * Loads a model twice: the first time it is fetched and quantized, the second time it comes from the cache.
 *
 *   node main.mjs [URL] [TYPE]        without a URL: a sample model on a server of this process
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadQuantized } from './load-model.mjs';
import { makeSampleModel } from './sample-model.mjs';
import { serve } from './serve.mjs';

/** Fixed, because the cache knows models by their address. */
const PORT = 8373;

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const [url, type = 'Q4_K_M'] = process.argv.slice(2);
const server = url === undefined ? await serveSample() : null;
try {
  for (const run of ['First run', 'Second run']) await load(run, url ?? server.model);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await server?.close();
}

async function serveSample() {
  await mkdir(here('./models'), { recursive: true });
  const file = await makeSampleModel(here('./models/sample.safetensors'));
  const { url: root, close } = await serve(path.dirname(file), { port: PORT });
  return { model: new URL(path.basename(file), root), close };
}

async function load(run, model) {
  const begin = performance.now();
  const loaded = await loadQuantized(model, { type, cacheFolder: here('./cache'), onProgress: showProgress });
  const milliseconds = (performance.now() - begin).toFixed(0);
  const how = loaded.fromCache ? 'found in the cache' : 'fetched and quantized';
  console.log(`${run}: ${loaded.names.length} tensors ${how} in ${milliseconds} ms`);
  const [name] = loaded.names;
  const values = await loaded.get(name, { begin: 0, end: 4 });
  console.log(`  ${name} begins with ${[...values].map((value) => value.toFixed(4)).join(', ')}`);
  await loaded.close();
}

function showProgress({ done, bytes, seconds }) {
  if (!process.stderr.isTTY) return;
  const percent = Math.floor((100 * done) / bytes);
  const rate = (done / seconds / 1e6).toFixed(0);
  process.stderr.write(`\r${percent} % at ${rate} MB/s${done === bytes ? '\n' : '   '}`);
}
