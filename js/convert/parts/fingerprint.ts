import { bytesToHex } from '@noble/hashes/utils';
import { sha256 } from '@noble/hashes/sha2';
import type { FileLayout } from '../../containers/container.js';
import type { ByteSource } from '../../io/byte-io.js';
import { readRanges } from '../../io/read-ranges.js';
import { filesOf, type Model } from '../../models/model.js';
import { fingerprintOf } from '../fingerprint.js';
import type { PlacedStep } from '../job.js';

/** What is read of a file of which no server says anything: samples, evenly spread, the first and the last bytes among them. */
const SAMPLES = 16;
const SAMPLE_BYTES = 1024;

/**
 * A digest of all that the parts of an output have in common, the same on every machine: what becomes of each tensor, where it
 * goes, what the server says of the input or else its size and samples of it, and which build of this package works. Paths and
 * times are not in it.
 */
export async function planFingerprint(
  model: Model,
  { files, ...others }: FileLayout,
  steps: readonly PlacedStep[],
): Promise<string> {
  const sources = filesOf(model);
  const contents = await Promise.all(sources.map(contentOf));
  const inputs = sources.map(({ size }, index) => ({ name: '', size, version: contents[index] ?? '' }));
  // Companions are opened in the order in which they are found.
  inputs.sort((a, b) => a.size - b.size || (a.version < b.version ? -1 : 1));
  const named = files.map((file) => ({ ...file, name: file.name.replace(/^.*[/\\]/su, '') }));
  return fingerprintOf({ sources: inputs }, { ...others, files: named }, steps, false);
}

async function contentOf(source: ByteSource): Promise<string> {
  if (typeof source.tag === 'string') return source.tag;
  const bytes = Math.min(SAMPLE_BYTES, source.size);
  const count = Math.min(SAMPLES, Math.ceil(source.size / SAMPLE_BYTES));
  const ranges = Array.from({ length: count }, (_, index) => {
    const begin = count === 1 ? 0 : Math.floor((index * (source.size - bytes)) / (count - 1));
    return { source, begin, bytes };
  });
  const sum = sha256.create();
  for (const piece of await readRanges(ranges)) sum.update(piece);
  return bytesToHex(sum.digest());
}
