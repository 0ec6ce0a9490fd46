/** Sources and sinks of models, as callers pass them. */

import { invalidOption, reading } from '../checks.js';
import { endpointName, sinkEndpoint, sourceEndpoint, type ModelSink, type ModelSource } from '../endpoints.js';
import { namedContainer } from '../files/registry.js';
import type { ContainerName } from '../files/container.js';

const SOURCES =
  'a path, a URL, a Blob or File, a Uint8Array or ArrayBuffer, a FileHandle, a FileSystemFileHandle, or an array of Files with names';
const SINKS = 'a path, a WritableStream, a FileHandle, a FileSystemFileHandle or a FileSystemWritableFileStream';

/** Arrays are copied: the caller's may change. Throws `invalid_option` for what is no source. */
export function readSource(name: string, value: unknown): ModelSource {
  checkText(name, value);
  const endpoint = reading('invalid_option', () => sourceEndpoint(value));
  if (endpoint === null) throw invalidOption(name, value, SOURCES);
  return endpoint.kind === 'blobs' ? endpoint.blobs : (value as ModelSource);
}

/** Throws `invalid_option` for what is no sink. */
export function readSink(name: string, value: unknown): ModelSink {
  checkText(name, value);
  if (reading('invalid_option', () => sinkEndpoint(value)) === null) throw invalidOption(name, value, SINKS);
  return value as ModelSink;
}

/** The file format that the name of a sink asks for; null where it has no name that says so. */
export const readContainer = (sink: unknown): ContainerName | null =>
  sinkEndpoint(sink) === null ? null : (namedContainer(endpointName(sink as ModelSink))?.name ?? null);

function checkText(name: string, value: unknown): void {
  if (typeof value === 'string' && value.includes('\0')) {
    throw invalidOption(name, value, 'a path, which has no NUL character in it');
  }
}
