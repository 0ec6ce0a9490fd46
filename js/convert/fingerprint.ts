import type { FileLayout } from '../containers/container.js';
import type { Model } from '../models/model.js';
import type { PlacedStep } from './job.js';
import { REVISION } from './revision.js';

/**
 * A digest of all that an output depends on but for the weights themselves: what is read, what each tensor becomes, where
 * it goes, and which build of this package makes it. A conversion that was interrupted may go on only if it is the same.
 */
export async function fingerprintOf(
  { sources }: Pick<Model, 'sources'>,
  { files }: FileLayout,
  steps: readonly PlacedStep[],
  measure: boolean,
  revision = REVISION,
): Promise<string> {
  const inputs = sources.map(({ name, size, version }) => [name, size, version]);
  const outputs = files.map(({ name, fileBytes, header }) => [name, fileBytes, header.length]);
  const tensors = steps.map(({ stored, planned, places, effort = 0, overflows = false }) => [
    // Weights may be rounded to another type on their way.
    stored.codec?.name ?? stored.dtype,
    planned.name,
    planned.target,
    planned.elements,
    places,
    effort,
    overflows,
  ]);
  const text = JSON.stringify([revision, inputs, outputs, tensors, measure]);
  const headers = files.flatMap(({ header, literals = [] }) =>
    [header, ...literals.map(({ bytes }) => bytes)].map(ownBytes),
  );
  const importance = steps.flatMap(({ importance: columns }) => (columns === undefined ? [] : [ownBytes(columns)]));
  const digest = await crypto.subtle.digest('SHA-256', await new Blob([text, ...headers, ...importance]).arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

const ownBytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array<ArrayBuffer> =>
  new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength));
