/** Loads models over HTTP in quantized form: fetched and quantized once, and from the disk from then on. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
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
  // Starting the threads and asking the server take their time together.
  const [quantizer, version] = await Promise.all([ArrowQuant.create(), currentVersion(address, signal)]);
  try {
    await mkdir(cacheFolder, { recursive: true });
    const request = { quantizer, address, type, cacheFolder, onProgress, signal };
    return (await openEntry(request, version)) ?? (await makeEntry(request, version));
  } catch (error) {
    await quantizer.dispose();
    throw error;
  }
}

/** A model in the cache. Tensors are read and decoded when they are asked for. */
class QuantizedModel {
  /** Path of the GGUF file. */
  file;
  /** By name: `{ name, shape, type, elements, bytes }`. */
  tensors;
  /** Whether it was there already. */
  fromCache;
  #quantizer;

  constructor(quantizer, inspection, fromCache) {
    this.file = inspection.file;
    this.tensors = new Map(inspection.tensors.map((tensor) => [tensor.name, tensor]));
    this.fromCache = fromCache;
    this.#quantizer = quantizer;
  }

  get names() {
    return [...this.tensors.keys()];
  }

  /** Resolves to the decoded values of a tensor, or to its elements `begin` up to `end`, as a Float32Array. */
  get(name, { begin, end, signal } = {}) {
    return this.#quantizer.readTensor(this.file, name, { begin, end, signal });
  }

  /** Ends the threads. A process that is done ends without it, too. */
  close() {
    return this.#quantizer.dispose();
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

/** Where a version is kept: the name depends on all that the contents depend on. */
async function entryPath({ address, type, cacheFolder }, version) {
  const { version: packageVersion } = JSON.parse(await readFile(require.resolve('arrowquant/package.json'), 'utf8'));
  const key = JSON.stringify([address.href, version, type, packageVersion]);
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 32);
  const stem = path.posix
    .basename(address.pathname)
    .replace(/\.\w+$/, '')
    .replace(/[^\w.-]/g, '_');
  return path.join(cacheFolder, `${stem}-${type}-${hash}.gguf`);
}

/** The version of the model in the cache; null when it is not there, or damaged. */
async function openEntry(request, version, fromCache = true) {
  const entry = await entryPath(request, version);
  try {
    return new QuantizedModel(request.quantizer, await request.quantizer.inspectFile(entry), fromCache);
  } catch (error) {
    if (['unreadable_input', 'invalid_file'].includes(error.code)) return null;
    throw error;
  }
}

/** Makes the entry, or waits for who is making it. */
async function makeEntry(request, firstVersion) {
  let version = firstVersion;
  for (let attempt = 0; attempt < MOST_ATTEMPTS;) {
    const entry = await entryPath(request, version);
    const release = await tryLock(`${entry}.lock`);
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
async function fetchEntry(request, version, entry) {
  const { quantizer, address, type, onProgress, signal } = request;
  const draft = entry.replace(/gguf$/, `${process.pid}.gguf`);
  try {
    await quantizer.quantizeFile(address, draft, {
      type,
      metrics: false,
      signal,
      onEvent: (event) => event.type === 'bytes' && onProgress?.(event),
    });
    // The package notices changes while it reads, but does not know which version was to be read.
    if ((await currentVersion(address, signal)) !== version) return null;
    await rename(draft, entry);
  } finally {
    await rm(draft, { force: true });
  }
  return openEntry(request, version, false);
}
