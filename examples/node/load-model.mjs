/** Loads models over HTTP in quantized form: fetched and quantized once, and from the disk from then on. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ArrowQuant } from 'arrowquant';
import { tryLock } from './lock.mjs';

/** Milliseconds between looks at what another process is making. */
const POLL_INTERVAL = 100;
/** How often to begin anew when the model changes while it is fetched. */
const MOST_ATTEMPTS = 3;

const require = createRequire(import.meta.url);

/**
 * Resolves to the model at `url` (safetensors or GGUF, on a server that answers range requests), quantized to `type`.
 *
 * The first call for a version of the model fetches it and quantizes it as it streams; memory stays bounded whatever the
 * size. Later calls, by any process that has the same `cacheFolder`, ask the server for the version (one HEAD request) and
 * open the file in the folder. When several want the same model at once, one makes it and the others wait.
 *
 * `onProgress({ done, bytes, seconds })` is called while the model is fetched; `signal` ends the call. What rejects is a
 * QuantizeError of the package, or an Error that says what the server did. The folder holds whole models only; it may be
 * deleted whenever no model of it is in use.
 */
export async function loadQuantized(url, { type = 'Q4_K_M', cacheFolder, onProgress, signal } = {}) {
  const address = new URL(url);
  address.hash = '';
  const request = { address, type, cacheFolder, onProgress, signal };
  const version = await currentVersion(address, signal);
  await mkdir(cacheFolder, { recursive: true });
  return (await openEntry(request, version)) ?? (await makeEntry(request, version));
}

/** A model in the cache. Tensors are read and decoded when they are asked for. */
class QuantizedModel {
  /** Path of the GGUF file. */
  file;
  /** By name: `{ name, shape, type, elements, bytes }`. */
  tensors;
  /** Whether it was there already. */
  fromCache;
  /** Promise of what decodes; only who asks for values needs its threads. */
  #quantizer = null;

  constructor(file, tensors, fromCache) {
    this.file = file;
    this.tensors = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    this.fromCache = fromCache;
  }

  get names() {
    return [...this.tensors.keys()];
  }

  /** Resolves to the decoded values of a tensor, or to its elements `begin` up to `end`, as a Float32Array. */
  async get(name, { begin, end, signal } = {}) {
    this.#quantizer ??= ArrowQuant.create();
    const quantizer = await this.#quantizer;
    return quantizer.readTensor(this.file, name, { begin, end, signal });
  }

  /** Ends the threads. A process that is done ends without it, too. */
  async close() {
    const quantizer = await this.#quantizer;
    await quantizer?.dispose();
  }
}

/** What tells this version of the model from others. */
async function currentVersion(address, signal) {
  const response = await fetch(address, { method: 'HEAD', signal }).catch((error) => {
    signal?.throwIfAborted();
    throw new Error(`Cannot reach ${address}: ${error.cause?.message ?? error.message}`, { cause: error });
  });
  if (!response.ok) throw new Error(`Cannot load ${address}: the server answers ${response.status}`);
  const version = response.headers.get('etag') ?? response.headers.get('last-modified');
  if (version !== null) return version;
  throw new Error(`Cannot cache ${address}: the server sends neither ETag nor Last-Modified, so changes go unnoticed`);
}

/**
 * Where a version is kept: the model, and the list of its tensors, which makes opening quick. The names depend on all that
 * the contents depend on.
 */
async function entryFor({ address, type, cacheFolder }, version) {
  const { version: packageVersion } = JSON.parse(await readFile(require.resolve('arrowquant/package.json'), 'utf8'));
  const key = JSON.stringify([address.href, version, type, packageVersion]);
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 32);
  const name = path.posix
    .basename(address.pathname)
    .replace(/\.\w+$/, '')
    .replace(/[^\w.-]/g, '_');
  const stem = path.join(cacheFolder, `${name}-${type}-${hash}`);
  return { model: `${stem}.gguf`, draft: `${stem}.draft.gguf`, list: `${stem}.json`, lock: `${stem}.lock` };
}

/** The version of the model in the cache; null when it is not there, or damaged. */
async function openEntry(request, version, fromCache = true) {
  const { model, list } = await entryFor(request, version);
  try {
    const { bytes, tensors } = JSON.parse(await readFile(list, 'utf8'));
    return (await stat(model)).size === bytes ? new QuantizedModel(model, tensors, fromCache) : null;
  } catch (error) {
    if (error.code === 'ENOENT' || error.name === 'SyntaxError') return null;
    throw error;
  }
}

/** Makes the entry, or waits for who is making it. */
async function makeEntry(request, firstVersion) {
  let version = firstVersion;
  for (let attempt = 0; attempt < MOST_ATTEMPTS;) {
    const entry = await entryFor(request, version);
    const release = await tryLock(entry.lock);
    if (release === null) {
      await delay(POLL_INTERVAL, undefined, { signal: request.signal });
      const model = await openEntry(request, version);
      if (model !== null) return model;
      continue;
    }
    try {
      // It may have been finished just before the lock was free.
      const model = (await openEntry(request, version)) ?? (await fetchEntry(request, version, entry));
      if (model !== null) return model;
    } finally {
      await release();
    }
    version = await currentVersion(request.address, request.signal);
    ++attempt;
  }
  throw new Error(`Cannot load ${request.address}: it changes all the time`);
}

/** Fetches and quantizes; null when that was not the version that it should have been. */
async function fetchEntry(request, version, { model, draft, list }) {
  const { address, type, onProgress, signal } = request;
  const quantizer = await ArrowQuant.create();
  try {
    const onEvent = (event) => event.type === 'bytes' && onProgress?.(event);
    // What an interrupted run has done is kept for the next one. No other program needs to open the file.
    const options = { type, architecture: 'none', resume: true, metrics: false };
    await quantizer.quantizeFile(address, draft, { ...options, signal, onEvent });
    // The package notices changes while it reads, but does not know which version was to be read.
    if ((await currentVersion(address, signal)) !== version) return null;
    const { tensors } = await quantizer.inspectFile(draft);
    await replaceFile(list, JSON.stringify({ bytes: (await stat(draft)).size, tensors }));
    await rename(draft, model);
  } finally {
    await rm(draft, { force: true });
    await quantizer.dispose();
  }
  return openEntry(request, version, false);
}

/** Readers see what was there before, or all of the new contents. */
async function replaceFile(file, contents) {
  const temporary = `${file}.${process.pid}.partial`;
  await writeFile(temporary, contents);
  await rename(temporary, file);
}
