/** Where the wasm comes from: the package, or what a caller has named. */

import { runtime } from '#runtime';
import { fieldsOf, invalidOption, isBuffer, messageOf } from '../checks.js';
import { QuantizeError } from '../errors.js';
import type { CreateOptions } from '../types.js';
import { BUILD, BUILD_SECTION } from './build.js';
import type { Flavour } from './glues.js';
import { policyFault } from './policy.js';

const ADDRESS = 'an address: a text or a URL';
const BINARY = 'an ArrayBuffer, a Uint8Array or a WebAssembly.Module';

/** What callers say of the package's files. */
export interface OwnFiles {
  readonly wasmUrl: URL | undefined;
  readonly wasmBinary: BufferSource | WebAssembly.Module | undefined;
  readonly workerUrl: URL | undefined;
}

/** Throws `invalid_option`. */
export function readOwnFiles({ wasmUrl, wasmBinary, workerUrl }: Partial<CreateOptions>): OwnFiles {
  if (wasmUrl && wasmBinary) {
    throw new QuantizeError('invalid_option', { detail: 'wasmUrl and wasmBinary exclude each other' });
  }
  return {
    wasmUrl: readAddress('wasmUrl', wasmUrl),
    wasmBinary: readBinary(wasmBinary),
    workerUrl: readAddress('workerUrl', workerUrl),
  };
}

function readAddress(name: string, value: unknown): URL | undefined {
  if (value === undefined || value === null) return undefined;
  const { href } = fieldsOf(value);
  const text = typeof value === 'string' ? value : href;
  try {
    if (typeof text === 'string' && text !== '') return runtime.resolve(text);
  } catch {
    // It is none.
  }
  // The value is not repeated: it may be endless, or have a key in it.
  throw new QuantizeError('invalid_option', { detail: `${name} must be ${ADDRESS}` });
}

function readBinary(value: unknown): BufferSource | WebAssembly.Module | undefined {
  if (value === undefined || value === null) return undefined;
  if (isBuffer(value) || ArrayBuffer.isView(value)) return value;
  if (isCompiled(value)) return value;
  throw invalidOption('wasmBinary', value, BINARY);
}

const isCompiled = (value: unknown): value is WebAssembly.Module =>
  Object.prototype.toString.call(value) === '[object WebAssembly.Module]';

/** Gives the wasm of each flavour, compiled once. */
export class WasmBinaries {
  readonly #files: OwnFiles;
  readonly #signal: AbortSignal;
  readonly #compiled = new Map<string, Promise<WebAssembly.Module>>();

  /** `signal` ends what waits for a server. */
  constructor(files: OwnFiles, signal: AbortSignal) {
    this.#files = files;
    this.#signal = signal;
  }

  /** Rejects with `startup_failed`, and what to do about it. */
  async compiled(flavour: Flavour): Promise<WebAssembly.Module> {
    const { wasmUrl, wasmBinary } = this.#files;
    if (wasmBinary !== undefined) {
      return ofFlavour(flavour, 'wasmBinary', await this.#once('binary', () => compileBytes(wasmBinary)));
    }
    if (wasmUrl === undefined) return this.#once(flavour, () => runtime.compileOwn(flavour, this.#signal));
    const url = fileIn(wasmUrl, flavour);
    return ofFlavour(flavour, 'wasmUrl', await this.#once(url.href, () => runtime.compileAt(url, this.#signal)));
  }

  #once(key: string, compile: () => Promise<WebAssembly.Module>): Promise<WebAssembly.Module> {
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const compiled = compile();
    this.#compiled.set(key, compiled);
    return compiled;
  }
}

/** The file at `url`, or in the folder at `url`, which keeps its query. */
function fileIn(url: URL, flavour: Flavour): URL {
  if (/^(data|blob):/.test(url.protocol) || !url.pathname.endsWith('/')) return url;
  const file = new URL(`arrowquant-${flavour}.wasm`, url);
  file.search = url.search;
  return file;
}

async function compileBytes(binary: BufferSource | WebAssembly.Module): Promise<WebAssembly.Module> {
  if (isCompiled(binary)) return binary;
  try {
    return await WebAssembly.compile(binary);
  } catch (cause) {
    const detail = `wasmBinary could not be compiled (${messageOf(cause)})`;
    throw policyFault(cause) ?? new QuantizeError('startup_failed', { detail, cause });
  }
}

/**
 * Refuses what is not this version's: glue and wasm call each other by names that every build gives anew. The build with
 * threads gets its memory from outside, since threads share it.
 */
function ofFlavour(flavour: Flavour, option: string, module: WebAssembly.Module): WebAssembly.Module {
  const found: Flavour = WebAssembly.Module.imports(module).some(({ kind }) => kind === 'memory')
    ? 'threads'
    : 'single';
  const refusal = (detail: string): QuantizeError => new QuantizeError('startup_failed', { detail });
  if (found !== flavour) {
    throw refusal(`${option} is the file of another backend; arrowquant-${flavour}.wasm is needed for this one`);
  }
  const [build] = WebAssembly.Module.customSections(module, BUILD_SECTION);
  if (build !== undefined && String.fromCharCode(...new Uint8Array(build)) === BUILD) return module;
  throw refusal(`${option} is not of the same version as the package; take the arrowquant-${flavour}.wasm that it has`);
}
