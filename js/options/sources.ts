/** Sources and sinks of models, as callers pass them. */

import { fieldsOf, invalidOption, reading } from '../checks.js';
import {
  notWritable,
  sinkEndpoint,
  sourceEndpoint,
  type BlobLike,
  type ModelSink,
  type ModelSource,
} from '../endpoints.js';
import { QuantizeError } from '../errors.js';

const SOURCES =
  'a path, a URL, a Blob or File, a Uint8Array or ArrayBuffer, a FileHandle, a FileSystemFileHandle or FileSystemDirectoryHandle, or an array of Files with names';
const SINKS =
  'a path, a WritableStream, a FileHandle, a FileSystemFileHandle, a FileSystemDirectoryHandle or a FileSystemWritableFileStream';

/** Arrays and URLs are copied: the caller's may change. Throws `invalid_option` for what is no source. */
export function readSource(name: string, value: unknown): ModelSource {
  checkText(name, value);
  return reading('invalid_option', () => {
    const endpoint = sourceEndpoint(value);
    if (endpoint === null) throw refusal(name, value, SOURCES);
    if (endpoint.kind === 'blob') checkSlices(name, endpoint.blob);
    if (endpoint.kind === 'url') return new URL(endpoint.url.href);
    if (endpoint.kind !== 'blobs') return value as ModelSource;
    for (const blob of endpoint.blobs) checkSlices(name, blob);
    return endpoint.blobs;
  });
}

/** Throws `invalid_option` for what is no sink. */
export function readSink(name: string, value: unknown): ModelSink {
  checkText(name, value);
  return reading('invalid_option', () => {
    if (sinkEndpoint(value) !== null) return value as ModelSink;
    const endpoint = sourceEndpoint(value);
    throw endpoint?.kind === 'url' ? notWritable(endpoint.url) : refusal(name, value, SINKS);
  });
}

function refusal(name: string, value: unknown, needed: string): QuantizeError {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (!values.some(isPromise)) return invalidOption(name, value, needed);
  return new QuantizeError('invalid_option', { detail: `${name} is a Promise, did you forget await?` });
}

const isPromise = (value: unknown): value is PromiseLike<unknown> => typeof fieldsOf(value)['then'] === 'function';

/** Reading would fail in the middle of the model, and with a riddle. */
function checkSlices(name: string, blob: BlobLike): void {
  const slice: unknown = blob.slice(0, 0);
  if (!isPromise(slice)) return;
  slice.then(undefined, () => undefined);
  const detail = `${name} has a slice() that gives a Promise, it must give the slice at once, as that of a Blob does`;
  throw new QuantizeError('invalid_option', { detail });
}

function checkText(name: string, value: unknown): void {
  if (typeof value === 'string' && value.includes('\0')) {
    throw invalidOption(name, value, 'a path, which has no NUL character in it');
  }
}
