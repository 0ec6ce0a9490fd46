import { QuantizeError, quoted } from '../errors.js';
import { COPY, type Program } from '../types.js';
import { COPIED_AS, copyingRulebook, type WrittenType } from './copied.js';
import type { KeyValueReader, TensorDecision, TypeChoice, TypeRequest } from './decision.js';
import { BASE_TYPES, isBlockType } from './file-types.js';
import { rulesWithParts, type AskedParts } from './language/parts.js';
import { checkLayers, prunedRulebook } from './language/pruned.js';
import { idleRules, type IdleRule, type Reach, type TensorDescription, type PlainRule } from './rule.js';
import type { PlacedTensor, Rulebook } from './rulebook.js';
import { sdCppSubject } from './sd-cpp/subject.js';
import { subjectOf, type Subject } from './subject.js';
import { choiceOfRules } from './type-rules.js';

export interface PlanTypesInput {
  /** In the order of the input file. A tensor's dtype is a float type, a block type, or the name of any other. */
  readonly tensors: readonly TensorDescription[];
  readonly target: WrittenType;
  /** Whether names and shapes are those of the output already, as in a GGUF. */
  readonly hasFinalNames: boolean;
  /** Forced; `none`: general rules. Default: what the metadata says, else what the names tell. */
  readonly architecture?: string | undefined;
  /** What is to open a diffusion model's file. Default `comfyui`. */
  readonly program?: Program | undefined;
  /** What error messages call the model. */
  readonly file?: string | undefined;
  /** The model's metadata. */
  readonly keyValue?: KeyValueReader | undefined;
  /** One type for everything that is quantized. Default false. */
  readonly pure?: boolean | undefined;
  /** Whether importance is given. Default false. */
  readonly hasImportance?: boolean | undefined;
  /** Whether the output has the tensors in the order of `tensors`. Default: in llama.cpp's, where it is for that. */
  readonly keepsOrder?: boolean | undefined;
  /** What is asked for parts of a language model. */
  readonly parts?: AskedParts | undefined;
  /** Layers of a language model that are left out, in ascending order. */
  readonly prunedLayers?: readonly number[] | undefined;
  /** The first that matches a tensor decides, before everything else. */
  readonly rules?: readonly PlainRule[] | undefined;
  /** Other rules than those of the model's kind. */
  readonly rulebook?: Rulebook | undefined;
}

export interface TypePlan extends Omit<Subject, 'rulebook'> {
  /** One for each input tensor, in the same order. */
  readonly decisions: readonly TensorDecision[];
  /** Those of the caller's rules that have no effect. */
  readonly idle: readonly IdleRule[];
}

/** What is kept becomes another type where the output cannot hold the one that it has. */
const resultType = ({ type }: TypeChoice, { keptAs }: TensorDescription): TypeChoice['type'] =>
  type === 'keep' ? (keptAs ?? 'keep') : type;

function decision(choice: TypeChoice, { tensor, output }: PlacedTensor): TensorDecision {
  const type = resultType(choice, tensor);
  const { rule, insteadOf, isAsked } = choice;
  if (type === 'drop') return { kind: 'drop', rule, asked: true };
  const result = { outputName: output.name, outputShape: output.shape, rule, keyValues: output.keyValues, isAsked };
  if (type === 'keep' || type === tensor.dtype) return { kind: 'keep', ...result, insteadOf };
  return { kind: 'convert', type, ...result, insteadOf };
}

/** Throws `invalid_option` where a rule of the caller's gives a tensor a type that programs cannot compute with there. */
function refuseOtherThanF32(choice: TypeChoice | null, placed: PlacedTensor, rulebook: Rulebook): void {
  if (choice === null || ['F32', 'keep', 'drop', placed.tensor.dtype].includes(choice.type)) return;
  const why = rulebook.onlyF32Because?.(placed) ?? null;
  if (why === null) return;
  const { name } = placed.tensor;
  throw new QuantizeError('invalid_option', {
    layer: name,
    detail: `${choice.rule} makes ${choice.type} of ${quoted(name)}, which llama.cpp computes with as F32 alone (${why})`,
    advice: 'leave that rule out, or have it say F32',
  });
}

/** Throws `invalid_option` where a tensor would become what no program decodes that runs such models. */
function refuseUndecoded(
  { decodes }: Pick<Subject, 'decodes'>,
  { tensors }: TypeRequest,
  made: TypePlan['decisions'],
): void {
  const at = made.findIndex((one) => one.kind === 'convert' && decodes?.includes(one.type) === false);
  const [tensor, becomes] = [tensors[at], made[at]];
  if (tensor === undefined || becomes?.kind !== 'convert') return;
  throw new QuantizeError('invalid_option', {
    layer: tensor.name,
    detail: `no program that runs diffusion models decodes ${becomes.type} fast enough to use it, which ${quoted(tensor.name)} would become; give one of ${decodes?.join(', ') ?? ''}`,
  });
}

function decide({ tensors, rules }: TypeRequest, rulebook: Rulebook): TensorDecision[] {
  const parts = tensors.map((tensor) => {
    const leftOut = rulebook.leftOutBecause(tensor);
    return leftOut === null ? { tensor, output: rulebook.outputOf(tensor) } : { leftOut };
  });
  const settled = new Map<TensorDescription, TypeChoice>();
  const open: PlacedTensor[] = [];
  for (const part of parts) {
    if ('leftOut' in part) continue;
    const choice = choiceOfRules(rules, part, rulebook.keptBecause(part) === null);
    refuseOtherThanF32(choice, part, rulebook);
    if (choice === null) open.push(part);
    else settled.set(part.tensor, (choice.type === 'keep' ? rulebook.neededType?.(part) : null) ?? choice);
  }
  const types = rulebook.typesOf(open, settled);
  return parts.map((part) => {
    if ('leftOut' in part) return { kind: 'drop', rule: part.leftOut, asked: false };
    const choice = settled.get(part.tensor) ?? types.get(part.tensor);
    if (choice !== undefined) return decision(choice, part);
    throw new QuantizeError('internal', { layer: part.tensor.name, detail: 'no type was chosen' });
  });
}

const reachOf = (rulebook: Rulebook, tensor: TensorDescription): Reach => {
  if (rulebook.leftOutBecause(tensor) !== null) return 'left out';
  return rulebook.keptBecause({ tensor, output: rulebook.outputOf(tensor) }) === null ? 'any' : 'unquantized';
};

/** Whether a rule of the caller's has made of a tensor what the program cannot load. */
function isUnloadable(tensor: TensorDescription, decision: TensorDecision | undefined, rulebook: Rulebook): boolean {
  if (decision?.kind !== 'convert' || rulebook.neededType === undefined) return false;
  const made = { ...tensor, dtype: decision.type, isDecoded: true };
  return rulebook.neededType({ tensor: made, output: rulebook.outputOf(tensor) }) !== null;
}

function dropNotes(decisions: readonly TensorDecision[], { prefix, leftOutNote }: Rulebook): string[] {
  const dropped = decisions.filter((one) => one.kind === 'drop' && !one.asked).length;
  if (dropped === 0) return [];
  const tensors = dropped === 1 ? '1 tensor is' : `${dropped} tensors are`;
  const note = leftOutNote ?? `the file holds the diffusion model alone${prefix === '' ? '' : `, ${prefix}*`}`;
  return [`${tensors} left out: ${note}.`];
}

function requestOf({ tensors, target: asked, rules: given = [], parts, ...others }: PlanTypesInput): TypeRequest {
  const { pure = false, hasImportance = false, keepsOrder = false } = others;
  const target = asked === COPY ? COPIED_AS : asked;
  const isMixed = !pure && isBlockType(BASE_TYPES[target]);
  const rules = parts === undefined ? given : rulesWithParts(parts, given, tensors, isMixed);
  return { tensors, target, pure, hasImportance, keepsOrder, rules };
}

function rulebookFor({ tensors, target, prunedLayers: pruned = [] }: PlanTypesInput, usual: Rulebook): Rulebook {
  const whole = target === COPY ? copyingRulebook(usual) : usual;
  if (pruned.length === 0) return whole;
  checkLayers(pruned, tensors);
  return prunedRulebook(whole, pruned);
}

/**
 * What becomes of each tensor of a model in a GGUF file of the type `target`, and why. Language models in GGUF get the
 * types that llama.cpp's own `llama_model_quantize` gives them; diffusion models those of
 * ComfyUI-GGUF's converter, or of stable-diffusion.cpp's where the file is for that; models of which neither is known, where
 * the caller asks for that, general rules.
 *
 * Throws `unsupported_model` for a model that the programs are not known to open, `invalid_option` for an unknown
 * architecture, a type that they do not decode, or a rule that a tensor it names cannot follow.
 */
export function planTypes(input: PlanTypesInput): TypePlan {
  const request = requestOf(input);
  const { tensors, rules } = request;
  const { hasFinalNames, architecture, file, keyValue = () => undefined } = input;
  const described = { ...request, hasFinalNames, architecture, keyValue, file };
  const { rulebook: own, ...subject } = input.program === 'sd.cpp' ? sdCppSubject(described) : subjectOf(described);
  const rulebook = rulebookFor(input, input.rulebook ?? own);
  const decisions = decide(request, rulebook);
  refuseUndecoded(subject, request, decisions);
  const idle = idleRules(rules, tensors, rulebook.prefix, (tensor) => reachOf(rulebook, tensor));
  const unloadable = tensors.find((tensor, index) => isUnloadable(tensor, decisions[index], rulebook));
  const notes = [...subject.notes, ...dropNotes(decisions, rulebook)];
  if (unloadable === undefined) return { ...subject, notes, decisions, idle };
  const why = `A rule gives ${quoted(unloadable.name)} a type that it does not load as: no program is known to open the file.`;
  const notIn = [...subject.opensIn, ...subject.notIn];
  return { ...subject, notes: [...notes, why], opensIn: [], notIn, decisions, idle };
}
