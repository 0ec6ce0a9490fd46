/** Where the wasm comes from: the package, or what a caller has named. */

import { runtime } from '#runtime';
import { fieldsOf, invalidOption, isBuffer } from '../checks.js';
import { QuantizeError } from '../errors.js';
import type { CreateOptions } from '../types.js';
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
  if (typeof text !== 'string' || text === '') throw invalidOption(name, value, ADDRESS);
  try {
    return runtime.resolve(text);
  } catch {
    throw invalidOption(name, value, ADDRESS);
  }
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
  readonly #compiled = new Map<string, Promise<WebAssembly.Module>>();

  constructor(files: OwnFiles) {
    this.#files = files;
  }

  /** Rejects with `startup_failed`, and what to do about it. */
  async compiled(flavour: Flavour): Promise<WebAssembly.Module> {
    const { wasmUrl, wasmBinary } = this.#files;
    if (wasmBinary !== undefined) {
      return ofFlavour(flavour, 'wasmBinary', await this.#once('binary', () => compileBytes(wasmBinary)));
    }
    if (wasmUrl === undefined) return this.#once(flavour, () => runtime.compileOwn(flavour));
    const url = wasmUrl.pathname.endsWith('/') ? new URL(`arrowquant-${flavour}.wasm`, wasmUrl) : wasmUrl;
    return ofFlavour(flavour, 'wasmUrl', await this.#once(url.href, () => runtime.compileAt(url)));
  }

  #once(key: string, compile: () => Promise<WebAssembly.Module>): Promise<WebAssembly.Module> {
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const compiled = compile();
    this.#compiled.set(key, compiled);
    return compiled;
  }
}

async function compileBytes(binary: BufferSource | WebAssembly.Module): Promise<WebAssembly.Module> {
  if (isCompiled(binary)) return binary;
  try {
    return await WebAssembly.compile(binary);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw (
      policyFault(cause) ??
      new QuantizeError('startup_failed', { detail: `wasmBinary could not be compiled (${reason})`, cause })
    );
  }
}

/** The build with threads gets its memory from outside, since threads share it. */
function ofFlavour(flavour: Flavour, option: string, module: WebAssembly.Module): WebAssembly.Module {
  const found: Flavour = WebAssembly.Module.imports(module).some(({ kind }) => kind === 'memory')
    ? 'threads'
    : 'single';
  if (found === flavour) return module;
  const detail = `${option} is the file of another backend; arrowquant-${flavour}.wasm is needed for this one`;
  throw new QuantizeError('startup_failed', { detail });
}
