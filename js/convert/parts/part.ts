/** One part of an output, written by one of several runs. */

import type { FileLayout } from '../../containers/container.js';
import { endpointName, sinkEndpoint } from '../../endpoints.js';
import { QuantizeError } from '../../errors.js';
import { messageOf } from '../../checks.js';
import type { FileAccess, ModelSink } from '../../io/byte-io.js';
import { MOST_MANIFEST_BYTES, type FileSum, type OutputFiles, type PlannedPart } from '../../io/part-files.js';
import { filesOf, type Model } from '../../models/model.js';
import { filesOfPart, partsOf } from '../../plan/parts.js';
import type { ConversionPlan } from '../../plan/plan.js';
import type { PlacedStep } from '../job.js';
import { REVISION } from '../revision.js';
import { planFingerprint } from './fingerprint.js';
import { manifestName, manifestText, parseManifest, type PartAbout, type PartManifest } from './manifest.js';

/** What there is to write of an output. */
export interface WholeOutput {
  readonly plan: ConversionPlan;
  readonly layout: FileLayout;
  readonly steps: readonly PlacedStep[];
}

/** The same of one part of it, as an output of its own. */
export interface OutputPart extends Omit<WholeOutput, 'plan'> {
  readonly about: PartAbout;
  /** Where it goes: to the folder, or to the path of its first file. */
  readonly sink: ModelSink;
  readonly planned: PlannedPart;
  /** Paths of its files. */
  readonly paths: readonly string[];
  readonly manifest: string;
  /** Whether all of it is there already, and right. */
  readonly isThere: boolean;
}

/** Throws `invalid_option` for a sink of which there cannot be parts. */
export function checkPartSink(sink: ModelSink, { outputs }: FileAccess): OutputFiles {
  if (outputs !== undefined && sinkEndpoint(sink)?.kind === 'text') return outputs;
  const detail = 'part needs an output that is a path, beside which other parts can lie; leave it out';
  throw new QuantizeError('invalid_option', { detail });
}

/**
 * Cuts one part out of an output, and looks whether it is there already: a manifest says so, and size and sum of each file are
 * those that it says. Rejects with `invalid_option` where the output has no such part.
 */
export async function cutPart(
  whole: WholeOutput,
  part: number,
  model: Model,
  to: { readonly sink: ModelSink; readonly outputs: OutputFiles; readonly signal: AbortSignal | undefined },
): Promise<OutputPart> {
  const { plan, layout, steps } = whole;
  const numbers = filesOfPart(layout, plan, part);
  const { sink, outputs } = to;
  const about: PartAbout = {
    ...{ part, parts: partsOf(layout, plan).length, fingerprint: await planFingerprint(model, layout, steps) },
    ...{ input: model.name, type: plan.type, package: REVISION },
  };
  const cut = only(whole, numbers);
  const output = endpointName(sink);
  const isFolder = plan.folder !== undefined;
  const [first] = cut.layout.files;
  const name = manifestName(first?.name ?? output);
  const paths = cut.layout.files.map((file) => outputs.pathOf(output, isFolder, file.name));
  const manifest = outputs.pathOf(output, isFolder, name);
  return {
    ...{ ...cut, about, paths, manifest },
    sink: isFolder ? sink : (first?.name ?? sink),
    planned: {
      allNames: layout.files.map((file) => file.name),
      manifest: { name, textOf: (files) => manifestText(about, files) },
    },
    isThere: await isThere({ about, name, manifest, paths, files: cut.layout.files, changedAt: changeOf(model) }, to),
  };
}

/** The output with those files alone, which keep their order. */
function only({ layout, steps }: WholeOutput, numbers: readonly number[]): Omit<WholeOutput, 'plan'> {
  const places = new Map(numbers.map((file, index) => [file, index]));
  const moved = steps.flatMap((step): PlacedStep[] => {
    const index = places.get(step.places[0].file);
    if (index === undefined) return [];
    const [first, ...others] = step.places;
    return [{ ...step, places: [{ ...first, file: index }, ...others.map((place) => ({ ...place, file: index }))] }];
  });
  return {
    steps: moved,
    layout: {
      files: numbers.flatMap((file) => layout.files[file] ?? []),
      places: moved.map((step) => step.places),
    },
  };
}

/** When a file of the model was last changed; -Infinity for one without files on this machine. */
const changeOf = (model: Model): number =>
  filesOf(model).reduce((last, { changedAt = -Infinity }) => Math.max(last, changedAt), -Infinity);

interface Expected {
  readonly about: PartAbout;
  readonly name: string;
  readonly manifest: string;
  readonly paths: readonly string[];
  readonly files: FileLayout['files'];
  /** When the input was last changed. */
  readonly changedAt: number;
}

async function isThere(
  { about, name, manifest, paths, files, changedAt }: Expected,
  { outputs, signal }: { readonly outputs: OutputFiles; readonly signal: AbortSignal | undefined },
): Promise<boolean> {
  // What cannot be read is written again.
  const read = await outputs.readText(manifest, MOST_MANIFEST_BYTES).catch(() => null);
  // Samples tell of few changes, the time of nearly all.
  if (read === null || read.changed <= changedAt) return false;
  const said = parseManifest(read.text, name);
  if (said === null || !isOf(said, about) || said.files.length !== files.length) return false;
  for (const [index, { bytes, ...sum }] of said.files.entries()) {
    if (bytes !== files[index]?.fileBytes) return false;
    if ((await whyDamaged({ ...sum, bytes }, paths[index] ?? '', outputs, signal)) !== null) return false;
  }
  return true;
}

const isOf = ({ fingerprint, part, parts }: PartManifest, about: PartAbout): boolean =>
  fingerprint === about.fingerprint && part === about.part && parts === about.parts;

/** What is wrong with a file that a manifest lists, in words; null where nothing is. Rejects only with `aborted`. */
export async function whyDamaged(
  { name, bytes, sha256 }: FileSum,
  path: string,
  outputs: OutputFiles,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const found = await outputs.sumOf(path, signal).catch(whyUnreadable);
  if (typeof found === 'string') return found;
  if (found === null) return `${name} is not there`;
  if (found.bytes !== bytes) return `${name} has ${found.bytes} bytes, not ${bytes}`;
  return found.sha256 === sha256 ? null : `${name} has other bytes than were written`;
}

/** Why something could not be read, in words; throws what says that the caller has ended the work. */
export function whyUnreadable(error: unknown): string {
  if (error instanceof QuantizeError && error.code === 'aborted') throw error;
  return messageOf(error);
}
