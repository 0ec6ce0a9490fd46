import { bytesToHex } from '@noble/hashes/utils';
import { sha256 } from '@noble/hashes/sha2';
import type { FileLayout } from '../../containers/container.js';
import type { ByteRange, ByteSource } from '../../io/byte-io.js';
import { readRanges } from '../../io/read-ranges.js';
import { filesOf, type Model } from '../../models/model.js';
import { fingerprintOf } from '../fingerprint.js';
import type { PlacedStep } from '../job.js';

const SAMPLE_BYTES = 1024;
/** Of a file, evenly spread, the first and the last bytes among them: of what is no tensor, too. */
const FILE_SAMPLES = 16;
/** Of each stretch that a tensor lies in: its begin, its middle and its end. */
const TENSOR_SAMPLES = 3;
/** Of all tensors together; where there are more of them, each has fewer samples, and at last only every second one has any, and so on. */
const MOST_TENSOR_SAMPLES = 8192;
/** Held in memory at a time. */
const SAMPLES_AT_A_TIME = 1024;

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
  const samples = samplesOf(model);
  const inputs: { readonly name: string; readonly size: number; readonly version: string }[] = [];
  for (const source of filesOf(model)) {
    inputs.push({ name: '', size: source.size, version: await contentOf(source, samples.get(source) ?? []) });
  }
  // Companions are opened in the order in which they are found.
  inputs.sort((a, b) => a.size - b.size || (a.version < b.version ? -1 : 1));
  const named = files.map((file) => ({ ...file, name: file.name.replace(/^.*[/\\]/su, '') }));
  return fingerprintOf({ sources: inputs }, { ...others, files: named }, steps, false);
}

const isTagged = ({ tag }: ByteSource): boolean => typeof tag === 'string';

/** What is read of the tensors in those files of the model of which no server says anything. */
function samplesOf({ tensors, ...model }: Model): ReadonlyMap<ByteSource, readonly ByteRange[]> {
  const samples = new Map<ByteSource, ByteRange[]>(
    filesOf(model).flatMap((source) => (isTagged(source) ? [] : [[source, []]])),
  );
  const stretches = tensors
    .flatMap(({ planes }) => planes.flat())
    .filter(({ source, bytes }) => bytes > 0 && samples.has(source));
  const each = Math.min(TENSOR_SAMPLES, Math.max(1, Math.floor(MOST_TENSOR_SAMPLES / stretches.length)));
  const stride = Math.ceil(stretches.length / MOST_TENSOR_SAMPLES);
  for (const [index, stretch] of stretches.entries()) {
    if (index % stride === 0) samples.get(stretch.source)?.push(...spread(stretch, each));
  }
  return samples;
}

/** `count` samples of a stretch, from its begin to its end; one is from the middle. */
function spread({ source, begin, bytes: all }: ByteRange, count: number): readonly ByteRange[] {
  const bytes = Math.min(SAMPLE_BYTES, all);
  const most = Math.min(count, Math.ceil(all / bytes));
  const place = (index: number): number => (most === 1 ? 1 / 2 : index / (most - 1));
  return Array.from({ length: most }, (_, index) => ({
    ...{ source, bytes },
    begin: begin + Math.floor(place(index) * (all - bytes)),
  }));
}

async function contentOf(source: ByteSource, ofTensors: readonly ByteRange[]): Promise<string> {
  if (typeof source.tag === 'string') return source.tag;
  const whole = { source, begin: 0, bytes: source.size };
  const samples = [...(source.size === 0 ? [] : spread(whole, FILE_SAMPLES)), ...ofTensors];
  const sum = sha256.create();
  for (let at = 0; at < samples.length; at += SAMPLES_AT_A_TIME) {
    for (const piece of await readRanges(samples.slice(at, at + SAMPLES_AT_A_TIME))) sum.update(piece);
  }
  return bytesToHex(sum.digest());
}
