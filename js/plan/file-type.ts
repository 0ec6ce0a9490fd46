import { codecNamed } from '../codecs/codec.js';
import { QuantizeError, quoted } from '../errors.js';
import type { Fact } from '../containers/container.js';
import type { PipelineTools } from '../pipeline/pipeline.js';
import { storageLabel, type Tensor } from '../layouts/tensor.js';
import type { Model } from '../models/model.js';
import type { ShapeFact, TensorDecision } from '../rules/decision.js';
import { quantizes } from '../rules/file-types.js';
import { compareTensors } from '../rules/language/tensors.js';
import { planTypes, type TypePlan } from '../rules/plan-types.js';
import type { WrittenType } from '../rules/copied.js';
import type { Rulebook } from '../rules/rulebook.js';
import { COMFYUI } from '../rules/subject.js';
import { fulfilsByAnyName, type TensorDescription, type PlainRule } from '../rules/rule.js';
import { ARCHITECTURES, type Architecture, type Program } from '../types.js';
import { checkAsked, fileEndsOf, type AskedOfGguf } from './asked.js';
import { EFFORT_KEY, effortFacts } from './effort-fact.js';
import { keepingOverflowing } from './f16-overflow.js';
import { fileTypeId } from './file-type-id.js';
import { withImportance, type Importance } from './importance.js';
import { MATRIX_KEYS, matrixFacts, matrixWarnings, type MatrixOrigin } from './importance-matrix.js';
import { withNarrowElements } from './narrowing.js';
import { carriedWithout, givenFacts, layerFacts, withKeyValues } from './key-values.js';
import { checkNeededImportance } from './needed-importance.js';
import { nothingQuantized } from './nothing-quantized.js';
import {
  checkLeftovers,
  codecTarget,
  copiedTarget,
  floatFor,
  notHeld,
  type ConversionPlan,
  type OutputForm,
} from './plan.js';
import { droppedTensor, type DroppedTensor, type PlannedStep } from './report.js';
import { checkReadable, withFactors, type Unscaled } from '../models/factors.js';
import { LAYOUT_NOTE, withOriginalLayout } from '../models/original-layout.js';
import { rowsFellBack, warningsAbout } from './warnings.js';

/** What a whole file is to be, as llama.cpp names it: the rules of the model's family say which tensor becomes what. */
export interface FileTypeQuantization extends OutputForm {
  /** COPY: all tensors keep their own. */
  readonly type: WrittenType;
  readonly pure: boolean;
  /** Null: found out. */
  readonly architecture: Architecture | null;
  /** What is to open the file of a diffusion model. */
  readonly program: Program;
  /** Whether a tensor with a weight that is too large for F16 becomes F32 instead; such weights are refused otherwise. */
  readonly keepOverflowing: boolean;
  readonly splitBytes: number | undefined;
  readonly rules: readonly PlainRule[];
  readonly asked: AskedOfGguf;
  readonly importance: Importance | null;
  /** Where a file gave the importance. */
  readonly matrix?: MatrixOrigin | null | undefined;
  readonly effort: number;
  readonly measure: boolean;
}

/** What is known besides of a model that is no file itself. */
export interface MadeModel {
  /** Which tensor becomes what, otherwise than llama.cpp's quantizer has it; then the tensors keep the model's order, too. */
  readonly rulebook?: Rulebook;
  /** What the file has, by the tensors that are made of it. */
  readonly origins?: ReadonlyMap<Tensor, Tensor>;
}

/** `general.quantization_version` of the block formats as they are today. */
const QUANTIZATION_VERSION = 2;
/** What a file of no known family says of itself: readers want the key. */
const UNKNOWN_ARCHITECTURE = 'unknown';

/**
 * A file of one type, or of what it mixes. Rejects with `unsupported_model` for a model that the programs do not open, with
 * `invalid_option` for a rule that cannot apply, with `unsupported_dtype` for tensors that the output cannot hold.
 */
export async function planFileType(
  given: Model,
  quantization: FileTypeQuantization,
  tools: PipelineTools,
  made: MadeModel = {},
): Promise<ConversionPlan> {
  const { type, splitBytes, container, layout, asked } = quantization;
  refuseImportance(given);
  checkAsked(given, type, asked);
  const model = withKeyValues(given, asked.pairs);
  const prepared = await prepare(model, quantization);
  const { tensors, origins, taken, staleTexts } = prepared;
  const types = orRefused(tensors, quantization, () => typesFor(model, tensors, quantization, made.rulebook));
  const { notes, opensIn, notIn, decisions, idle, ...subject } = types;
  checkReadable(tensors.filter((_, index) => decisions[index]?.kind !== 'drop'));
  checkOutput(tensors, { ...subject, opensIn, decisions }, quantization);
  const planned = tensors.flatMap((tensor, index) =>
    stepFor(tensor, decisions[index], quantization, made.origins?.get(tensor) ?? origins[index]),
  );
  checkLeftovers(tensors, planned);
  if (model.hasFinalNames && made.rulebook === undefined && !asked.keepSplit)
    planned.sort((a, b) => compareTensors(a.planned, b.planned));
  const narrowed = quantization.keepOverflowing ? await keepingOverflowing(planned, tools) : planned;
  const steps = withImportance(narrowed, quantization, model);
  checkNeededImportance(steps, type);
  const shapes = decisions.flatMap((decision) => (decision.kind === 'drop' ? [] : decision.keyValues));
  const dropped = [
    ...origins.flatMap((tensor, index) => droppedBy(tensor, decisions[index])),
    ...taken.map(({ tensor, why }) => droppedTensor(tensor, why)),
  ];
  return {
    ...{ container, layout, steps, splitBytes },
    fileEnds: asked.keepSplit ? fileEndsOf(steps, model) : undefined,
    carried: carriedWithout(model, subject.architecture, asked.prunedLayers),
    staleTexts: [
      ...staleTexts,
      EFFORT_KEY,
      ...(quantization.importance === null ? [] : MATRIX_KEYS),
      ...staleKeysOf(tensors, decisions, subject, model.fact('general.architecture')),
    ],
    facts: [
      ...factsOf(model, subject, type, shapes),
      ...effortFacts(steps),
      ...givenFacts(asked.pairs),
      ...matrixFacts(quantization.matrix),
      ...layerFacts(subject.architecture, asked.prunedLayers, steps),
    ],
    limits: { dimensions: subject.mostDimensions, nameBytes: subject.longestNameBytes },
    ...{ architecture: subject.architecture, opensIn, notIn, decodes: subject.decodes, type, dropped },
    notes: [...prepared.notes, ...notes],
    warnings: [
      ...warningsAbout(steps, tensors, idle),
      ...rowsFellBack(decisions),
      ...matrixWarnings(quantization.matrix, steps, quantization.effort),
      ...(quantizes(type) ? nothingQuantized(steps, { rules: quantization.rules, ...BY_RULE }) : []),
    ],
  };
}

/** Rules that are whole names reach what is not quantized otherwise. */
const BY_RULE = {
  takesAnyRow: false,
  wayFor: (name: string) => `a rule that is the whole name, such as ${quoted(`=${name}=Q8_0`)}`,
};

/** What says of itself that it is an importance matrix is no model, whatever its tensors are called. */
function refuseImportance({ name, fact }: Model): void {
  if (fact('general.type') !== 'imatrix') return;
  const detail = 'it is an importance matrix; give the model, and this as imatrix';
  throw new QuantizeError('unsupported_model', { file: name, detail });
}

/** What a GGUF says of tensors that have other names or shapes in the output, and of its architecture where that is left out. */
const staleKeysOf = (
  tensors: readonly Tensor[],
  decisions: readonly TensorDecision[],
  { omitsArchitecture = false }: { readonly omitsArchitecture?: boolean | undefined },
  said: unknown,
): readonly string[] => [
  // That of a text encoder is right.
  ...(omitsArchitecture && (ARCHITECTURES as readonly unknown[]).includes(said) ? ['general.architecture'] : []),
  ...tensors.flatMap(({ name, originalShape }, index) => {
    const decision = decisions[index];
    const isSame =
      decision?.kind !== 'drop' && decision?.outputName === name && !(omitsArchitecture && originalShape !== undefined);
    return originalShape === undefined || isSame ? [] : [`comfy.gguf.orig_shape.${name}`];
  }),
];

/** A model's tensors as rules see them. */
interface Prepared extends Omit<Unscaled, 'tensors'> {
  readonly tensors: readonly Tensor[];
  /** The same tensors before their elements were narrowed. */
  readonly origins: readonly Tensor[];
  readonly notes: readonly string[];
}

async function prepare(model: Model, quantization: FileTypeQuantization): Promise<Prepared> {
  const { program, architecture } = quantization;
  const { tensors: read, taken, staleTexts } = await withFactors(model, { foreign: 'mark' });
  const origins = architecture === 'none' ? read : orRefused(read, quantization, () => withOriginalLayout(read));
  // llama.cpp keeps the F64 of a GGUF; nothing else reads any.
  const isNarrowed = ({ dtype }: Tensor): boolean => program === 'sd.cpp' || (dtype === 'F64' && !model.hasFinalNames);
  const tensors = origins.map((tensor) => (isNarrowed(tensor) ? withNarrowElements(tensor) : tensor));
  return { tensors, origins, taken, staleTexts, notes: origins === read ? [] : [LAYOUT_NOTE] };
}

/** What `made` gives; where it throws, weights that cannot be decoded are the reason to tell, if no rule drops them. */
function orRefused<Made>(tensors: readonly Tensor[], quantization: FileTypeQuantization, made: () => Made): Made {
  try {
    return made();
  } catch (error) {
    const isLeftOut = (one: TensorDescription): boolean =>
      quantization.rules.find(({ when }) => fulfilsByAnyName(one, when))?.type === 'drop';
    checkReadable(tensors.filter((tensor) => !isLeftOut(describe(tensor, quantization))));
    throw error;
  }
}

const typesFor = (
  model: Model,
  tensors: readonly Tensor[],
  quantization: FileTypeQuantization,
  rulebook: Rulebook | undefined,
): TypePlan => {
  const { type, pure, rules, program, architecture, importance, asked } = quantization;
  return planTypes({
    tensors: tensors.map((tensor) => describe(tensor, quantization)),
    target: type,
    hasFinalNames: model.hasFinalNames,
    keyValue: model.fact,
    file: model.name,
    ...{ pure, rules, program, rulebook, hasImportance: importance !== null },
    ...{ keepsOrder: asked.keepSplit, parts: asked.parts, prunedLayers: asked.prunedLayers },
    ...(architecture !== null && { architecture }),
  });
};

/** Throws where the program does not open such an output, or it cannot hold one of the tensors. */
function checkOutput(
  tensors: readonly Tensor[],
  { readsNoShards, opensIn, decisions }: Pick<TypePlan, 'readsNoShards' | 'opensIn' | 'decisions'>,
  quantization: FileTypeQuantization,
): void {
  const { splitBytes, asked } = quantization;
  if (readsNoShards === true && (splitBytes !== undefined || asked.keepSplit)) {
    const option = splitBytes === undefined ? 'keepSplit' : 'splitSize';
    const detail = `${option} has no meaning, because the output is for ${opensIn[0] ?? COMFYUI}, which reads no shards; leave it out`;
    throw new QuantizeError('invalid_option', { detail });
  }
  const refusal = notHeld(
    tensors.filter((tensor, index) => decisions[index]?.kind === 'keep' && copiedTarget(tensor, quantization) === null),
    quantization,
  );
  if (refusal !== null) throw refusal;
}

function describe(tensor: Tensor, form: OutputForm): TensorDescription {
  const { name, shape, elements, codec } = tensor;
  const isHeld = codec === null || copiedTarget(tensor, form) !== null;
  const dtype = storageLabel(tensor);
  const { originalShape, partNames: otherNames } = tensor;
  const described = { name, otherNames, shape, elements, dtype, isDecoded: codec !== null, originalShape };
  // Nothing is left out because of its type that is weights.
  if (tensor.refusal !== undefined) return { ...described, dtype: 'F16', isDecoded: true };
  return isHeld ? described : { ...described, keptAs: floatFor(tensor.dtype) };
}

const droppedBy = (stored: Tensor, decision: TensorDecision | undefined): DroppedTensor[] =>
  decision?.kind === 'drop' ? [droppedTensor(stored, decision.rule)] : [];

function stepFor(
  stored: Tensor,
  decision: TensorDecision | undefined,
  form: OutputForm,
  origin: Tensor | undefined,
): PlannedStep[] {
  if (decision === undefined) throw new RangeError(`there is no decision about ${stored.name}`);
  if (decision.kind === 'drop') return [];
  const { outputName: name, outputShape: shape, rule, isAsked } = decision;
  const kept = decision.kind === 'keep';
  const target = kept ? copiedTarget(stored, form) : codecTarget(codecNamed(decision.type));
  if (target === null) throw new RangeError(`${stored.name} cannot be kept`);
  const { dtype, elements } = stored;
  return [{ stored, origin, planned: { name, dtype, shape, elements, target }, rule, kept, isAsked }];
}

type SubjectFacts = Pick<TypePlan, 'architecture' | 'omitsArchitecture' | 'replacesArchitecture' | 'keptTexts'>;

const architectureFact = (architecture: string | null, replaces: boolean): Fact => ({
  ...{ key: 'general.architecture', type: 'text', value: architecture ?? UNKNOWN_ARCHITECTURE },
  ...(replaces && { replaces }),
});

const factsOf = (
  model: Model,
  { architecture, omitsArchitecture, replacesArchitecture: replaces, keptTexts }: SubjectFacts,
  type: WrittenType,
  shapes: readonly ShapeFact[],
): readonly Fact[] => [
  ...(omitsArchitecture === true ? [] : [architectureFact(architecture, replaces)]),
  // What is carried has its texts with it.
  ...keptTexts.flatMap((key): Fact[] => {
    const value = model.carried === null ? model.portableTexts.get(key) : undefined;
    return value === undefined ? [] : [{ key, type: 'text', value }];
  }),
  { key: 'general.quantization_version', type: 'u32', value: QUANTIZATION_VERSION },
  { key: 'general.file_type', type: 'u32', value: fileTypeId(type, model) },
  ...shapes.map(({ key, values }): Fact => ({ key, type: 'i32s', value: values })),
];
