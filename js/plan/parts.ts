/** The parts of an output: what one of several runs writes of it (docs/scale.md). */

import type { FileLayout } from '../containers/container.js';
import { QuantizeError } from '../errors.js';
import type { ConversionPlan } from './plan.js';
import type { PartPlan } from './report.js';

/** An output that may be written in parts. */
type Planned = Pick<ConversionPlan, 'container' | 'steps' | 'splitBytes' | 'fileEnds' | 'folder'>;

/**
 * The numbers of the files of each part: one file of weights. Everything else (an index, companions) is the first part's. An
 * output whose files can only be written together is one part.
 */
export function partsOf(
  { files, places, digests }: FileLayout,
  { container }: Planned,
): readonly (readonly number[])[] {
  const all = files.map((_, file) => file);
  const isTogether =
    digests !== undefined ||
    container.name === 'onnx' ||
    places.some((ofGroup) => ofGroup.some(({ file }) => file !== ofGroup[0]?.file));
  if (isTogether) return [all];
  const last = places.reduce((most, [first]) => Math.max(most, first?.file ?? 0), 0);
  const others = all.slice(last + 1);
  return all.slice(0, last + 1).map((file) => (file === 0 ? [file, ...others] : [file]));
}

/** The files of a part, from 1 on. Throws `invalid_option` where the output has no such part. */
export function filesOfPart(layout: FileLayout, plan: Planned, part: number): readonly number[] {
  const parts = partsOf(layout, plan);
  const files = parts[part - 1];
  const isOne = parts.length === 1 && plan.splitBytes === undefined && plan.fileEnds === undefined;
  if (files !== undefined && !isOne) return files;
  throw new QuantizeError('invalid_option', {
    detail: isOne
      ? `part has no meaning, because the output is written in one piece; ${adviceOn(layout, plan)}`
      : `part is ${part}, but the output has ${parts.length === 1 ? 'one part' : `${parts.length} parts`}, numbered from 1 on`,
  });
}

/** Tables, and what has several files already, are never split. */
const adviceOn = ({ files }: FileLayout, { container, folder }: Planned): string =>
  files.length > 1 || folder !== undefined || container.hasColumns === true
    ? 'leave it out'
    : 'give splitSize, too, or leave it out';

/** The parts as callers see them; undefined where there is only one. */
export function partPlans(layout: FileLayout, plan: Planned): readonly PartPlan[] | undefined {
  const parts = partsOf(layout, plan);
  if (parts.length === 1) return undefined;
  const names: string[][] = parts.map(() => []);
  for (const [group, [place]] of layout.places.entries()) {
    const name = plan.steps[group]?.planned.name;
    if (name !== undefined) names[place?.file ?? 0]?.push(name);
  }
  return parts.map((files, index) => ({
    files: files.length,
    bytes: files.reduce((sum, file) => sum + (layout.files[file]?.fileBytes ?? 0), 0),
    tensors: names[index] ?? [],
  }));
}
