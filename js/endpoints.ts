/**
 * Where models come from and go to, as callers name it. What the runtimes and DOM libraries call by many types is described
 * here by what is used of it: values of another realm fit, and so do those of programs that know no DOM.
 */

import { fieldsOf, isArrayOf, isBuffer } from './checks.js';
import { QuantizeError, quoted } from './errors.js';

/**
 * Bytes in an ArrayBuffer, which streams take. TypeScript calls the type `Uint8Array<ArrayBuffer>` from 5.7 on, and `Uint8Array`
 * before, where it has no parameter.
 */
export type UnsharedBytes = ReturnType<Uint8ArrayConstructor['of']>;

/** A `Blob`, or what can be read like one. */
export interface BlobLike {
  readonly size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/** A `File`, or a Blob that has been given a name. */
export interface FileLike extends BlobLike {
  readonly name: string;
}

/** A `fs.promises.FileHandle` of Node. */
export interface NodeFileHandle {
  readonly fd: number;
  stat(options: { bigint: true }): Promise<{
    readonly size: bigint;
    readonly mtimeNs: bigint;
    readonly ctimeNs: bigint;
    readonly mode: bigint;
    readonly nlink: bigint;
    readonly dev: bigint;
    readonly ino: bigint;
    isFile(): boolean;
    isDirectory(): boolean;
  }>;
  read(into: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
}

/** A `WritableStream<Uint8Array>`. */
export interface ByteStream {
  readonly locked: boolean;
  getWriter(): {
    readonly closed: Promise<unknown>;
    readonly ready: Promise<unknown>;
    readonly desiredSize: number | null;
    write(chunk: UnsharedBytes): Promise<void>;
    close(): Promise<void>;
    abort(reason?: unknown): Promise<void>;
    releaseLock(): void;
  };
}

/** A `FileSystemWritableFileStream`. */
export interface WritableFile {
  readonly locked: boolean;
  write(piece: { readonly type: 'write'; readonly position: number; readonly data: UnsharedBytes }): Promise<void>;
  seek(position: number): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
  abort(reason?: unknown): Promise<void>;
}

/** A `FileSystemFileHandle`: of a file that the user picked, or of the origin's private file system. */
export interface WebFileHandle {
  readonly kind: 'file';
  readonly name: string;
  getFile(): Promise<FileLike>;
  isSameEntry(other: WebFileHandle): Promise<boolean>;
  /** Absent in browsers that cannot do it. */
  createWritable?(): Promise<WritableFile>;
}

/** A `FileSystemDirectoryHandle`. */
export interface WebFolderHandle {
  readonly kind: 'directory';
  readonly name: string;
  /** The names of what is in it. All browsers with such handles have it, but not all versions of TypeScript's libraries. */
  keys?(): AsyncIterable<string>;
  getFileHandle(name: string, options?: { readonly create?: boolean }): Promise<WebFileHandle>;
  /** Absent where there are no folders in folders. */
  getDirectoryHandle?(name: string): Promise<WebFolderHandle>;
  removeEntry(name: string): Promise<void>;
  isSameEntry(other: WebFolderHandle): Promise<boolean>;
}

/**
 * What a model is read from: a path (Node) or a URL relative to the page (browsers), an http, https or file URL, a model on
 * a hub (`hf:organization/model`, with `@revision` and `/file` where that is needed), a Blob or File, the bytes themselves, a
 * `fs.promises.FileHandle`, a FileSystemFileHandle, or all Files of a sharded model. Of several Files the one whose name ends
 * with `.index.json` is opened first, else the first one that is named as a model. Of a folder, by path or as a
 * FileSystemDirectoryHandle, the model in it is read. Bytes are read during the call, not copied before: they have to stay
 * as they are until it has settled.
 */
export type ModelSource =
  | string
  | URL
  | BlobLike
  | Uint8Array
  | ArrayBufferLike
  | NodeFileHandle
  | WebFileHandle
  | WebFolderHandle
  | readonly FileLike[];

/**
 * What a model is written to: a path (Node), a `fs.promises.FileHandle`, a FileSystemFileHandle, a
 * FileSystemWritableFileStream, or any other WritableStream, which gets the bytes in order; for formats that are folders the
 * path of one, or a FileSystemDirectoryHandle. Streams are closed when all is
 * written, and aborted after a failure; handles stay open.
 */
export type ModelSink = string | NodeFileHandle | WebFileHandle | WebFolderHandle | WritableFile | ByteStream;

/** What is used of a `Response`. */
export interface FetchedResponse {
  readonly status: number;
  readonly statusText: string;
  readonly type: string;
  /** Where the answer came from, after redirects; may be empty. */
  readonly url: string;
  readonly headers: { get(name: string): string | null };
  readonly body: {
    cancel(): Promise<unknown>;
    getReader(): { read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }> };
  } | null;
  text(): Promise<string>;
}

/** What requests are made with. */
export interface FetchInit {
  readonly method: 'GET';
  readonly headers: Record<string, string>;
  readonly redirect: 'follow' | 'manual';
  readonly cache?: 'no-store';
  readonly signal: AbortSignal;
}

/** `fetch`, or a function that does the same: by way of a proxy, or with a client of its own. */
export type FetchFunction = (url: string, init: FetchInit) => Promise<FetchedResponse>;

/** Headers of requests: an object, pairs of name and value, or a `Headers`. An iterator can be read once: it is for one call. */
export type HeaderFields =
  | Readonly<Record<string, string>>
  | Iterable<readonly [string, string]>
  | { forEach(callback: (value: string, name: string) => void): void };

/**
 * How models on servers are read; without meaning for others. What is given here goes to the server of the address that was
 * given, for all files of the model, and to no other one, wherever it redirects to.
 */
export interface WebOptions {
  /** Headers of every request, such as `Authorization` or a cookie. */
  readonly headers?: HeaderFields | null | undefined;
  /** Makes all requests instead of the global `fetch`. */
  readonly fetch?: FetchFunction | null | undefined;
  /** The access token of a hub; goes to `hubUrl` only. */
  readonly accessToken?: string | null | undefined;
  /** The hub that `hf:` means. Default `https://huggingface.co`. */
  readonly hubUrl?: string | null | undefined;
}

/**
 * Names and values of headers, in the order in which they are given; what they are made of is not looked at. Throws
 * `invalid_option` for what holds no headers.
 */
export function headerPairs(given: unknown): readonly unknown[] {
  if (typeof given !== 'object' || given === null) {
    const detail = 'headers must be an object of texts by name, pairs of texts, or Headers';
    throw new QuantizeError('invalid_option', { detail });
  }
  if (Symbol.iterator in given) return [...(given as Iterable<unknown>)];
  const { forEach, then } = fieldsOf(given);
  if (typeof then === 'function') {
    throw new QuantizeError('invalid_option', { detail: 'headers is a Promise, did you forget await?' });
  }
  if (typeof forEach !== 'function') return Object.entries(given);
  const pairs: unknown[] = [];
  forEach.call(given, (value: unknown, name: unknown) => pairs.push([name, value]));
  return pairs;
}

/** A source or sink, told apart. */
export type SourceEndpoint =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'url'; readonly url: URL }
  | { readonly kind: 'blob'; readonly blob: BlobLike }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array | ArrayBufferLike }
  | { readonly kind: 'blobs'; readonly blobs: readonly FileLike[] }
  | { readonly kind: 'node-handle'; readonly handle: NodeFileHandle }
  | { readonly kind: 'web-handle'; readonly handle: WebFileHandle }
  | { readonly kind: 'web-folder'; readonly folder: WebFolderHandle };

export type SinkEndpoint =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'node-handle'; readonly handle: NodeFileHandle }
  | { readonly kind: 'web-handle'; readonly handle: WebFileHandle }
  | { readonly kind: 'web-folder'; readonly folder: WebFolderHandle }
  | { readonly kind: 'writable-file'; readonly file: WritableFile }
  | { readonly kind: 'stream'; readonly stream: ByteStream };

const hasMethods = (value: unknown, ...names: readonly string[]): boolean =>
  names.every((name) => typeof fieldsOf(value)[name] === 'function');

function isBlob(value: unknown): value is BlobLike {
  const { size } = fieldsOf(value);
  return hasMethods(value, 'slice') && Number.isSafeInteger(size) && Number(size) >= 0;
}

const isNamedBlob = (value: unknown): value is FileLike =>
  isBlob(value) && typeof fieldsOf(value)['name'] === 'string' && fieldsOf(value)['name'] !== '';

const isUrl = (value: unknown): value is URL =>
  typeof fieldsOf(value)['href'] === 'string' && typeof fieldsOf(value)['protocol'] === 'string';

const isNodeHandle = (value: unknown): value is NodeFileHandle =>
  hasMethods(value, 'read', 'write', 'stat', 'truncate') && typeof fieldsOf(value)['fd'] === 'number';

const isWebHandle = (value: unknown): value is WebFileHandle =>
  hasMethods(value, 'getFile') && fieldsOf(value)['kind'] === 'file';

const isWebFolder = (value: unknown): value is WebFolderHandle =>
  hasMethods(value, 'getFileHandle', 'keys') && fieldsOf(value)['kind'] === 'directory';

/** What kind of source `value` is; null when it is none. Never by `instanceof`: values may be of another realm. */
export function sourceEndpoint(value: unknown): SourceEndpoint | null {
  if (typeof value === 'string') return value === '' ? null : { kind: 'text', text: value };
  if (Array.isArray(value)) {
    const blobs: readonly unknown[] = value;
    return blobs.length > 0 && blobs.every(isNamedBlob) ? { kind: 'blobs', blobs: [...blobs] } : null;
  }
  if (isArrayOf(value, 'Uint8Array') || isBuffer(value)) return { kind: 'bytes', bytes: value };
  if (isBlob(value)) return { kind: 'blob', blob: value };
  if (isNodeHandle(value)) return { kind: 'node-handle', handle: value };
  if (isWebHandle(value)) return { kind: 'web-handle', handle: value };
  if (isWebFolder(value)) return { kind: 'web-folder', folder: value };
  return isUrl(value) ? { kind: 'url', url: value } : null;
}

/** What kind of sink `value` is; null when it is none. */
export function sinkEndpoint(value: unknown): SinkEndpoint | null {
  if (typeof value === 'string') return value === '' ? null : { kind: 'text', text: value };
  if (isNodeHandle(value)) return { kind: 'node-handle', handle: value };
  if (isWebHandle(value)) return { kind: 'web-handle', handle: value };
  if (isWebFolder(value)) return { kind: 'web-folder', folder: value };
  if (hasMethods(value, 'seek', 'truncate', 'write', 'close', 'abort')) {
    return { kind: 'writable-file', file: value as WritableFile };
  }
  return hasMethods(value, 'getWriter', 'abort') ? { kind: 'stream', stream: value as ByteStream } : null;
}

/**
 * Runs a call that writes to `sink`. When it fails, wherever, a stream is aborted: who reads its other end would wait for
 * ever. Handles and paths stay as they are.
 */
export async function abandoning<Result>(sink: ModelSink, call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    abandon(sink, error);
    throw error;
  }
}

/** Aborts a stream that nobody has a lock on, without waiting for what it leads to. */
export function abandon(sink: ModelSink, reason: unknown): void {
  try {
    const endpoint = sinkEndpoint(sink);
    if (endpoint?.kind === 'writable-file' && !endpoint.file.locked) {
      endpoint.file.abort(reason).catch(() => undefined);
    }
    if (endpoint?.kind !== 'stream' || endpoint.stream.locked) return;
    const writer = endpoint.stream.getWriter();
    writer.abort(reason).catch(() => undefined);
    writer.releaseLock();
  } catch {
    // It has come to its end already, or is no stream at all.
  }
}

/** A URL without what may be secret: queries of signed URLs are keys. */
export const shownUrl = ({ protocol, host, pathname, href }: URL): string =>
  protocol === 'http:' || protocol === 'https:' ? `${protocol}//${host}${pathname}` : href;

/** What has no name is called that. */
export const BYTES_NAME = 'the bytes';

const WEB_URL = /^https?:\/\//i;

/** Whether a text names a model on a hub: `hf:organization/model`. */
export const isHubText = (text: string): boolean => /^hf:/i.test(text);

/** What errors and reports call a source or sink. */
export function endpointName(value: ModelSource | ModelSink): string {
  const endpoint = sourceEndpoint(value) ?? sinkEndpoint(value);
  switch (endpoint?.kind) {
    case 'text':
      return WEB_URL.test(endpoint.text) && URL.canParse(endpoint.text)
        ? shownUrl(new URL(endpoint.text))
        : endpoint.text;
    case 'url':
      return shownUrl(endpoint.url);
    case 'blob':
      return isNamedBlob(endpoint.blob) ? endpoint.blob.name : 'the Blob';
    case 'bytes':
      return BYTES_NAME;
    case 'blobs':
      return entryOf(endpoint.blobs)?.name ?? 'the files';
    case 'node-handle':
      return `file descriptor ${String(endpoint.handle.fd)}`;
    case 'web-handle':
      return endpoint.handle.name;
    case 'web-folder':
      return endpoint.folder.name;
    case 'writable-file':
      return 'the writable file';
    default:
      return 'the stream';
  }
}

/** The error of a URL in the place of a sink. */
export const notWritable = (url: string | URL): QuantizeError =>
  new QuantizeError('invalid_option', {
    detail: `the output is the URL ${quoted(endpointName(url))}, but only paths, handles and streams can be written to`,
  });

/** What leads to a model, the surest first. */
const MODELS: readonly RegExp[] = [
  ...[/\.index\.json$/iu, /^model\.safetensors$/u, /^(tensor|ndarray)-cache\.json$/u],
  /\.(safetensors|gguf|bin|pth?|ckpt|onnx)$/iu,
];

/**
 * What programs call the weights of a model that lies in a folder, or what leads to them; transformers' come first, in the order
 * in which it looks for them.
 */
const USUAL: readonly RegExp[] = [
  ...[/^model\.safetensors$/u, /^model\.safetensors\.index\.json$/u, /^model-0+1-of-\d+\.safetensors$/u],
  ...[/^pytorch_model\.bin$/u, /^pytorch_model\.bin\.index\.json$/u, /^pytorch_model-0+1-of-\d+\.bin$/u],
  // What MLC calls the list of its weights.
  ...[/^tensor-cache\.json$/u, /^ndarray-cache\.json$/u],
];

/** The name, of those in a folder, that is usual for the model in it; undefined where none is. */
export const usualModel = (names: readonly string[]): string | undefined =>
  USUAL.map((pattern) => names.find((name) => pattern.test(name))).find((name) => name !== undefined);

/** The file of a model that leads to the others: the outermost of a usual name, where they are of a folder. */
export function entryOf(files: readonly FileLike[]): FileLike | undefined {
  const sorted = files
    .map((file) => ({ file, depth: depthOf(file), rank: USUAL.findIndex((pattern) => pattern.test(file.name)) }))
    .sort((one, other) => one.depth - other.depth || one.rank - other.rank);
  const found =
    sorted.find(({ rank }) => rank >= 0) ??
    MODELS.map((pattern) => sorted.find(({ file }) => pattern.test(file.name))).find((one) => one !== undefined);
  return found?.file ?? files[0];
}

/** How many folders a File lies in, of one that was chosen. */
function depthOf(file: FileLike): number {
  const { webkitRelativePath: path } = fieldsOf(file);
  return typeof path === 'string' ? path.split('/').length : 0;
}
