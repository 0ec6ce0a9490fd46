import type { ShapeFact, TensorDecision } from '../rules/decision.js';
import { compareTensors } from '../rules/language-tensors.js';
import { planTypes } from '../rules/plan-types.js';
import type { TypedRule } from '../rules/rule.js';
import type { Architecture, FileType, TensorType } from '../types.js';
import type { Model, StoredTensor, TensorTarget } from '../containers/container.js';
import { isDType } from '../containers/dtypes.js';
import { findOverflowing } from './f16-overflow.js';
import { FILE_TYPES, ggmlTypeNamed } from '../containers/gguf/ggml-types.js';
import {
  findKeyValue,
  i32s,
  text,
  u32,
  withoutKeys,
  type GgufKeyValue,
  type GgufValue,
} from '../containers/gguf/key-values.js';
import { gguf } from '../containers/gguf/gguf.js';
import type { PipelineTools } from '../convert/pipeline.js';
import {
  checkLeftovers,
  copiedTarget,
  notHeld,
  quantizedAlready,
  type ConversionPlan,
  type PlannedStep,
} from './plan.js';
import { withFp8Scales } from './scaled-fp8.js';
import { readableTensor } from '../convert/weight-source.js';
import { droppedTensor, storageLabel, targetLabel, type DroppedTensor } from './report.js';
import { warningsAbout } from './warnings.js';

/** How to quantize to a GGUF. */
export interface GgufQuantization {
  readonly type: FileType;
  readonly pure: boolean;
  /** Null: found out. */
  readonly architecture: Architecture | null;
  /** Whether a tensor with a weight that is too large for F16 becomes F32 instead; such weights are refused otherwise. */
  readonly keepOverflowing: boolean;
  readonly splitBytes: number | undefined;
  readonly rules: readonly TypedRule[];
  readonly measure: boolean;
}

/** `general.quantization_version` of the block formats as they are today. */
const QUANTIZATION_VERSION = 2;
/** Why a scale of scaled fp8, and what marks such checkpoints, is no tensor of the output. */
const TAKEN_IN = 'scaled fp8: taken into the weights';
/** What a GGUF of no known family says of itself: readers want the key. */
const UNKNOWN_ARCHITECTURE = 'unknown';

/**
 * A GGUF of one type or of what it mixes. Rejects with `invalid_option` for a rule that cannot apply, with
 * `unsupported_dtype` for tensors that no GGUF can hold.
 */
export async function planGguf(
  model: Model,
  quantization: GgufQuantization,
  tools: PipelineTools,
): Promise<ConversionPlan> {
  const { type, pure, rules, splitBytes, keepOverflowing } = quantization;
  const tensors = await withFp8Scales(model);
  const { architecture, notes, decisions, idle, ...most } = planTypes({
    tensors: tensors.map((tensor) => ({ ...tensor, dtype: storageLabel(tensor) })),
    target: type,
    source: model.container,
    keyValue: (key) => plainValue(findKeyValue(model.keyValues, key)?.value),
    ...{ pure, rules },
    ...(quantization.architecture !== null && { architecture: quantization.architecture }),
  });
  const refusal = notHeld(
    tensors.filter((tensor, index) => decisions[index]?.kind === 'keep' && !isHeld(tensor, model)),
    'GGUF',
  );
  if (refusal !== null) throw refusal;
  const planned = tensors.flatMap((tensor, index) => stepFor(tensor, decisions[index]));
  checkLeftovers(tensors, planned);
  if (model.container === 'gguf') planned.sort((a, b) => compareTensors(a.planned, b.planned));
  const steps = keepOverflowing ? await keepingOverflowing(planned, tools) : planned;
  const facts = decisions.flatMap((decision) => (decision.kind === 'drop' ? [] : decision.keyValues));
  const keyValues = keyValuesOf(model, architecture, type, facts);
  const limits = { dimensions: most.mostDimensions, nameBytes: most.longestNameBytes };
  const left = new Set(tensors.map(({ name }) => name));
  const dropped = [
    ...tensors.flatMap((tensor, index) => droppedBy(tensor, decisions[index])),
    ...model.tensors.flatMap((tensor) => (left.has(tensor.name) ? [] : [droppedTensor(tensor, TAKEN_IN)])),
  ];
  const warnings = warningsAbout(steps, tensors, idle);
  return { container: gguf, steps, keyValues, limits, splitBytes, architecture, type, notes, warnings, dropped };
}

/** Whether a GGUF can hold the tensor as it is. What is quantized already is refused for that. */
function isHeld({ storage, dtype }: StoredTensor, { container }: Model): boolean {
  if (storage.kind === 'plain') return ggmlTypeNamed(dtype) !== undefined;
  return storage.kind !== 'opaque' || container === 'gguf';
}

const droppedBy = (stored: StoredTensor, decision: TensorDecision | undefined): DroppedTensor[] =>
  decision?.kind === 'drop' ? [droppedTensor(stored, decision.rule)] : [];

function stepFor(stored: StoredTensor, decision: TensorDecision | undefined): PlannedStep[] {
  if (decision === undefined) throw new RangeError(`there is no decision about ${stored.name}`);
  if (decision.kind === 'drop') return [];
  // What cannot be read is said now, not in the middle of the work.
  if (decision.kind === 'convert') readableTensor(stored);
  const { outputName: name, outputShape: shape, rule } = decision;
  const target = decision.kind === 'keep' ? keptTarget(stored) : targetOf(decision.type);
  const { dtype, elements } = stored;
  return [{ stored, planned: { name, dtype, shape, elements, target }, rule, kept: decision.kind === 'keep' }];
}

const targetOf = (type: TensorType): TensorTarget =>
  isDType(type) ? { kind: 'plain', dtype: type } : { kind: 'block', format: type };

function keptTarget(stored: StoredTensor): TensorTarget {
  const { storage, dtype } = stored;
  switch (storage.kind) {
    case 'block':
      return { kind: 'block', format: storage.format };
    case 'opaque':
      return copiedTarget(storage);
    case 'plain':
      return { kind: 'plain', dtype };
    case 'affine': {
      throw quantizedAlready(stored);
    }
  }
}

/** The same steps, but for tensors with weights that F16 or BF16 cannot hold: those become F32. */
async function keepingOverflowing(steps: readonly PlannedStep[], tools: PipelineTools): Promise<PlannedStep[]> {
  const candidates = steps.flatMap(({ stored, planned: { target } }) => {
    if (target.kind !== 'plain' || storageLabel(stored) === target.dtype) return [];
    return target.dtype === 'F16' || target.dtype === 'BF16' ? [{ stored, dtype: target.dtype }] : [];
  });
  const overflowing = await findOverflowing(candidates, tools);
  return steps.map((step) => {
    if (!overflowing.has(step.stored.name)) return step;
    const target = { kind: 'plain', dtype: 'F32' } as const;
    const rule = `too large for ${targetLabel(step.planned.target)}`;
    const kept = storageLabel(step.stored) === 'F32';
    return { ...step, planned: { ...step.planned, target }, rule, kept };
  });
}

/** As rules look at it: 64-bit integers as numbers, arrays of numbers, no truth values. */
function plainValue(value: GgufValue | undefined): number | string | readonly number[] | undefined {
  if (typeof value === 'number' || typeof value === 'string') return value;
  if (typeof value === 'bigint') return Number(value);
  return Array.isArray(value) ? value.map(Number) : undefined;
}

function keyValuesOf(
  { container, keyValues }: Model,
  architecture: string | null,
  type: FileType,
  facts: readonly ShapeFact[],
): readonly GgufKeyValue[] {
  const named = text('general.architecture', architecture ?? UNKNOWN_ARCHITECTURE);
  const isNamed = findKeyValue(keyValues, named.key) !== undefined;
  const own = container === 'gguf' && isNamed ? keyValues : [named, ...keyValues];
  const set = [
    u32('general.quantization_version', QUANTIZATION_VERSION),
    u32('general.file_type', FILE_TYPES[type]),
    ...facts.map(({ key, values }) => i32s(key, values)),
  ];
  // Behind all others, as llama.cpp puts them: its file and ours are the same then.
  return [...withoutKeys(own, [...set.map(({ key }) => key)]), ...set];
}
