import { EFFORTS, codecLabel, findTraits, type Codec, type Effort } from '../codecs/codec.js';
import type {
  Carried,
  Container,
  Fact,
  FileLayout,
  IndexStyle,
  OutputContents,
  OutputFile,
  ReaderLimits,
} from '../containers/container.js';
import { isArrayOf } from '../checks.js';
import { QuantizeError, quoted } from '../errors.js';
import type { ByteSource } from '../io/byte-io.js';
import type { OutputLayout } from '../layouts/layout.js';
import { LAYOUT_KEYS } from '../layouts/table.js';
import { byName, sourceOf, storageLabel, type PlannedTensor, type Target, type Tensor } from '../layouts/tensor.js';
import type { Model } from '../models/model.js';
import type { ContainerName, LayoutName, TensorType } from '../types.js';
import { filesOfPart, partPlans } from './parts.js';
import {
  tensorPlan,
  totalsOf,
  type DroppedTensor,
  type FilePlan,
  type FileSummary,
  type FileWarning,
  type PlannedStep,
} from './report.js';

/** Names of hostile files are long. */
const LONGEST_PATTERN = 120;

/** Where an output lies, and as what. */
export interface OutputForm {
  readonly container: Container;
  readonly layout: OutputLayout;
}

/** A file that is written beside the weights: bytes, or a copy of what a source has. */
export interface Companion {
  readonly name: string;
  readonly content: Uint8Array | ByteSource;
}

/** What an output has that is a folder. */
export interface FolderForm {
  /** What the names of its files of weights are made from, such as `model.safetensors`. */
  readonly file: string;
  /** In the order in which they get their names, after the weights; what programs look for first comes last. */
  readonly companions: readonly Companion[];
}

/** What a model is to become; steps in the order in which the output lists the tensors. */
export interface ConversionPlan extends OutputForm {
  readonly steps: readonly PlannedStep[];
  readonly facts: readonly Fact[];
  readonly limits: ReaderLimits | undefined;
  readonly splitBytes: number | undefined;
  /** As in OutputContents, of steps. */
  readonly fileEnds?: readonly number[] | undefined;
  /** Keys of texts of the model that would be wrong in the output. */
  readonly staleTexts: readonly string[];
  readonly architecture: string | null;
  /** As in FileSummary. */
  readonly opensIn: readonly string[];
  readonly notIn: readonly string[];
  /** Types that the programs decode that it is for; undefined where that is all of them. */
  readonly decodes?: readonly TensorType[] | undefined;
  readonly type: string;
  readonly notes: readonly string[];
  readonly warnings: readonly FileWarning[];
  readonly dropped: readonly DroppedTensor[];
  /** Present where the output is a folder. */
  readonly folder?: FolderForm | undefined;
  /** Texts of the output instead of those that the model has. */
  readonly texts?: ReadonlyMap<string, string> | undefined;
  /** What the output takes over instead of what the model carries. */
  readonly carried?: Carried | null | undefined;
  /** What was read besides the model: none of it is overwritten. */
  readonly inputs?: readonly ByteSource[] | undefined;
  /** How the index of the files is written; default: as the container does it, where there are several files. */
  readonly index?: IndexStyle | undefined;
}

/** Encoded weights as a target. */
export const codecTarget = (codec: Codec): Target => ({ kind: 'codec', codec });

/** What a tensor is in an output that has its bytes as they are; null where one of that form cannot hold them. */
export function copiedTarget(tensor: Tensor, { container, layout }: OutputForm): Target | null {
  if (tensor.codec === null) {
    const { type, container: from } = tensor;
    const bytes = tensor.planes.flat().reduce((sum, range) => sum + range.bytes, 0);
    return container.holds(type, from) ? { kind: 'copied', type, container: from, bytes } : null;
  }
  return tensor.scale === undefined && whyNotHeld(tensor.codec, { container, layout }) === null
    ? codecTarget(tensor.codec)
    : null;
}

/** What `whyNotHeld` has found, by container, layout and codec: it is asked for every tensor. */
const ANSWERS = new Map<string, string | null>();

/** Why an output of that form cannot hold weights of a codec, in a phrase; null when it can. */
export function whyNotHeld(codec: Codec, form: OutputForm): string | null {
  const question = [form.container.name, form.layout.name, codecLabel(codec)].join('\n');
  let answer = ANSWERS.get(question);
  if (answer === undefined) {
    answer = findObstacle(codec, form);
    ANSWERS.set(question, answer);
  }
  return answer;
}

function findObstacle(codec: Codec, { container, layout }: OutputForm): string | null {
  if (layout.hasColumns === true && container.hasColumns !== true)
    return `${container.title} is no table, and has no columns`;
  const reason = layout.admits(codec);
  if (reason !== null) return reason;
  const probe: PlannedTensor = { name: '', dtype: 'F32', shape: [0], elements: 0, target: codecTarget(codec) };
  const entries = layout.entriesOf(probe);
  if (container.hasColumns === true && layout.hasColumns !== true && entries.length > 1)
    return `${container.title} has a tensor in each row, and it would be ${entries.length} rows`;
  const foreign = entries.find(({ type, from }) => !container.holds(type, from));
  return foreign === undefined ? null : `${container.title} has no type ${foreign.type.name}`;
}

/** The float type that holds the values of another: F16 those of fp8. */
export const floatFor = (dtype: string): TensorType => {
  const traits = findTraits(dtype);
  return traits?.encodes === true && traits.ggmlType !== null ? (dtype as TensorType) : 'F16';
};

/** A step that keeps the name; rows that were joined to fill blocks are rows again. */
export function sameStep(stored: Tensor, target: Target, rule: string | null, kept: boolean): PlannedStep {
  const { name, dtype, elements } = stored;
  const shape = stored.originalShape ?? stored.shape;
  return { stored, planned: { name, dtype, shape, elements, target }, rule, kept };
}

/** What the container needs to lay the files of weights out. `inOrder`: they go to where bytes can be put in order only. */
const contentsOf = (plan: ConversionPlan, model: Model, file: string, inOrder: boolean): OutputContents => {
  const { layout, steps, facts, limits, splitBytes, fileEnds, staleTexts, texts, index } = plan;
  const { carried = model.carried } = plan;
  return {
    groups: steps.map(({ planned }) => ({ entries: layout.entriesOf(planned), values: layout.valuesOf?.(planned) })),
    texts: texts ?? new Map([...model.portableTexts].filter(([key]) => !staleTexts.includes(key))),
    layoutTexts: (groups) => layout.textsOf(groups.flatMap((group) => steps[group]?.planned ?? [])),
    layoutKeys: LAYOUT_KEYS,
    carried,
    staleKeys: staleTexts,
    ...{ facts, limits, splitBytes, fileEnds, file, inOrder, index },
  };
};

/** The output but for the tensors' bytes; of a folder, all of its files. `file`: what it is called, where it is none. */
export function layOut(plan: ConversionPlan, model: Model, file: string, inOrder: boolean): FileLayout {
  const { container, folder } = plan;
  if (folder === undefined) return container.layOut(contentsOf(plan, model, file, inOrder));
  const { files, ...others } = container.layOut(contentsOf(plan, model, folder.file, inOrder));
  return { files: [...files, ...folder.companions.map(companionFile)], ...others };
}

const companionFile = ({ name, content }: Companion): OutputFile =>
  isArrayOf(content, 'Uint8Array')
    ? { name, header: content, fileBytes: content.length }
    : { name, header: new Uint8Array(), fileBytes: content.size, copyOf: content };

/** The most effort that is made. */
export const effortOf = (steps: readonly PlannedStep[]): Effort =>
  EFFORTS[steps.reduce((most, { effort = 0 }) => Math.max(most, effort), 0)] ?? 'reference';

export const summaryOf = (
  { architecture, opensIn, notIn, type, notes, warnings, dropped, steps }: ConversionPlan,
  model: Model,
): FileSummary => ({
  input: model.name,
  container: model.container,
  architecture,
  ...{ opensIn, notIn, type, effort: effortOf(steps) },
  weighed: steps.filter(({ importance }) => importance !== undefined).length,
  notes: [...model.notes, ...notes],
  warnings,
  dropped: [...dropped].sort(byName),
});

/** The plan as callers see it; of all of the output, also where only one `part` is asked for, which has to be one of its. */
export function filePlan(plan: ConversionPlan, model: Model, part: number | undefined): FilePlan {
  const laidOut = layOut(plan, model, 'the output', false);
  if (part !== undefined) filesOfPart(laidOut, plan, part);
  const { files } = laidOut;
  const bytes = files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  const tensors = plan.steps.map(tensorPlan);
  const container = plan.container.name as ContainerName;
  const layout = plan.layout.name as LayoutName;
  const names = plan.folder === undefined ? {} : { names: files.map(({ name }) => name) };
  const parts = partPlans(laidOut, plan);
  return {
    ...summaryOf(plan, model),
    output: { container, layout, files: files.length, ...names, ...(parts !== undefined && { parts }), bytes },
    tensors,
    totals: totalsOf(tensors, bytes),
  };
}

/**
 * The error of tensors that the output cannot hold, `tensors` being all of them; the way out is a rule that matches the
 * first, unless `advice` is another. Null when there are none.
 */
export function notHeld(tensors: readonly Tensor[], { container }: OutputForm, advice?: string): QuantizeError | null {
  const [tensor, ...others] = tensors;
  if (tensor === undefined) return null;
  const { name } = tensor;
  const more = others.length === 0 ? '' : ` (${others.length} more cannot be held either)`;
  const drop = `${container.title} cannot hold it, leave it out with the rule '${patternOf(name)}=drop'${more}`;
  const about = { file: sourceOf(tensor).name, layer: name, detail: storageLabel(tensor), advice: advice ?? drop };
  return new QuantizeError('unsupported_dtype', about);
}

/** Throws `invalid_option` where an output of that form cannot hold weights of the codec. */
export function checkHeld(codec: Codec, form: OutputForm): void {
  const why = whyNotHeld(codec, form);
  if (why === null) return;
  const label = quoted(codecLabel(codec));
  const { title } = form.container;
  const detail = `${title} in the layout ${quoted(form.layout.name)} cannot hold ${label}: ${why}; choose another type, layout or output`;
  throw new QuantizeError('invalid_option', { detail });
}

/** A pattern for that name alone; characters that would steer matching, a shell or a terminal stand for any one. */
export const patternOf = (name: string): string =>
  name.length > LONGEST_PATTERN ? `^${wild(name.slice(0, LONGEST_PATTERN))}` : `^${wild(name)}$`;

const wild = (text: string): string => text.replace(/[^\w:-]/gu, '.');

/** Refuses a plan that leaves nothing of a model that has tensors. */
export function checkLeftovers(tensors: readonly Tensor[], steps: readonly PlannedStep[]): void {
  if (tensors.length === 0 || steps.length > 0) return;
  throw new QuantizeError('invalid_option', {
    detail: 'the rules drop every tensor, so that nothing is left to write',
  });
}
