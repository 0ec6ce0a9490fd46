import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils';
import type { FileLayout } from '../containers/container.js';
import type { ByteSource } from '../io/byte-io.js';
import type { PlacedStep } from './job.js';
import { REVISION } from './revision.js';

/**
 * A digest of all that an output depends on but for the weights themselves: what is read, what each tensor becomes, where
 * it goes, and which build of this package makes it. A conversion that was interrupted may go on only if it is the same.
 */
export async function fingerprintOf(
  { sources }: { readonly sources: readonly Pick<ByteSource, 'name' | 'size' | 'version'>[] },
  { files }: FileLayout,
  steps: readonly PlacedStep[],
  measure: boolean,
  revision = REVISION,
): Promise<string> {
  const inputs = sources.map(({ name, size, version }) => [name, size, version]);
  const outputs = files.map(({ name, fileBytes, header }) => [name, fileBytes, header.length]);
  const tensors = steps.map(({ stored, planned, places, importance, effort = 0, overflows = false }) => [
    // Weights may be rounded to another type on their way.
    stored.codec?.name ?? stored.dtype,
    planned.name,
    planned.target,
    planned.elements,
    places,
    effort,
    overflows,
    // Its numbers are among the digests, which do not say whose they are.
    importance !== undefined,
  ]);
  const headers = files.flatMap(({ header, literals = [] }) => [header, ...literals.map(({ bytes }) => bytes)]);
  const importance = steps.flatMap(({ importance: columns }) => (columns === undefined ? [] : [columns]));
  const digests: string[] = [];
  // One after the other: headers with a vocabulary have tens of megabytes.
  for (const bytes of [...headers, ...importance]) digests.push(await digestOf(bytes));
  return digestOf(utf8ToBytes(JSON.stringify([revision, inputs, outputs, tensors, measure, digests])));
}

/** As hexadecimal digits. */
async function digestOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Promise<string> {
  // What lies in shared memory is no input for it.
  const bytes =
    buffer instanceof ArrayBuffer
      ? new Uint8Array(buffer, byteOffset, byteLength)
      : new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength));
  return bytesToHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}
