import { QuantizeError } from '../errors.js';
import type { FileType } from '../types.js';
import type { KeyValueReader, OutputForm, TensorDecision, TypeChoice, TypeRequest } from './decision.js';
import { DIFFUSION_FAMILIES, detectFamily, familyOf, prefixOf, type DiffusionFamily } from './diffusion/families.js';
import { DiffusionMixture, diffusionType, isIgnored, outputForm } from './diffusion/types.js';
import { generalType } from './general-types.js';
import { describeLanguageModel } from './language/model.js';
import { languageTypes } from './language/types.js';
import { idleRules, type IdleRule, type TensorDescription, type TypedRule } from './rule.js';
import { choiceOfRules } from './type-rules.js';

export interface PlanTypesInput {
  /** In the order of the input file. A tensor's dtype is a float type, a block type, or the name of any other. */
  readonly tensors: readonly TensorDescription[];
  readonly target: FileType;
  /** Whether names and shapes are those of the output already, as in a GGUF. */
  readonly hasFinalNames: boolean;
  /** Forced. Default: what the metadata says, else what the names tell. */
  readonly architecture?: string | undefined;
  /** The model's metadata. */
  readonly keyValue?: KeyValueReader | undefined;
  /** One type for everything that is quantized. Default false. */
  readonly pure?: boolean | undefined;
  /** The first that matches a tensor decides, before everything else. */
  readonly rules?: readonly TypedRule[] | undefined;
}

export interface TypePlan {
  /** What `general.architecture` is to be; null when it is not known. */
  readonly architecture: string | null;
  /** What people should know, in whole sentences. */
  readonly notes: readonly string[];
  /** One for each input tensor, in the same order. */
  readonly decisions: readonly TensorDecision[];
  /** Those of the caller's rules that have no effect. */
  readonly idle: readonly IdleRule[];
  /** The rank and the bytes of a name that the programs that open such a file stop at. */
  readonly mostDimensions: 4 | 5;
  readonly longestNameBytes: 63 | 127;
}

/** Where a model's tensors belong, and what of them the file has. */
type Subject =
  | { readonly kind: 'language'; readonly architecture: string }
  | DiffusionSubject
  | { readonly kind: 'unknown'; readonly notes: string[] };

interface DiffusionSubject {
  readonly kind: 'diffusion';
  readonly family: DiffusionFamily;
  readonly prefix: string;
  readonly notes: string[];
}

const UNKNOWN = 'The architecture is not known: general rules apply.';

const namesWithout = (prefix: string, tensors: readonly TensorDescription[]): ReadonlySet<string> =>
  new Set(tensors.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => name.slice(prefix.length)));

/** Where a file whose tensors have their final names, or the caller, says what the model is. */
function toldSubject({ tensors, hasFinalNames }: PlanTypesInput, architecture: string): Subject {
  const family = familyOf(architecture);
  if (family === undefined) {
    if (hasFinalNames) return { kind: 'language', architecture };
    const known = DIFFUSION_FAMILIES.map((one) => one.architecture).join(', ');
    throw new QuantizeError('invalid_option', {
      detail: `architecture is ${JSON.stringify(architecture)}, must be one of ${known}`,
    });
  }
  const prefix = hasFinalNames ? '' : prefixOf(tensors.map(({ name }) => name));
  const found = detectFamily(namesWithout(prefix, tensors));
  const isOther = found?.family !== family || found.isDiffusersLayout;
  const notes = isOther && !hasFinalNames ? [`The tensors do not have the names that ${architecture} has.`] : [];
  return { kind: 'diffusion', family, prefix, notes };
}

function detectedSubject({ tensors, hasFinalNames }: PlanTypesInput): Subject {
  const prefix = hasFinalNames ? '' : prefixOf(tensors.map(({ name }) => name));
  const found = detectFamily(namesWithout(prefix, tensors));
  if (found === null) return { kind: 'unknown', notes: [UNKNOWN] };
  const { family, isDiffusersLayout } = found;
  if (!isDiffusersLayout) return { kind: 'diffusion', family, prefix, notes: [] };
  const layout =
    `This is ${family.architecture} in the layout of the library diffusers; programs that open GGUF files need the ` +
    'original layout, so take that file. General rules apply.';
  return { kind: 'unknown', notes: [layout] };
}

function subjectOf(input: PlanTypesInput): Subject {
  const said = input.hasFinalNames ? input.keyValue?.('general.architecture') : undefined;
  const architecture = input.architecture ?? (typeof said === 'string' ? said : undefined);
  return architecture === undefined ? detectedSubject(input) : toldSubject(input, architecture);
}

/** What is kept becomes another type where the output cannot hold the one that it has. */
const resultType = ({ type }: TypeChoice, { keptAs }: TensorDescription): TypeChoice['type'] =>
  type === 'keep' ? (keptAs ?? 'keep') : type;

function decision(choice: TypeChoice, tensor: TensorDescription, output: OutputForm): TensorDecision {
  const type = resultType(choice, tensor);
  const { rule } = choice;
  if (type === 'drop') return { kind: 'drop', rule, asked: true };
  const result = { outputName: output.name, outputShape: output.shape, rule, keyValues: output.keyValues };
  return type === 'keep' || type === tensor.dtype ? { kind: 'keep', ...result } : { kind: 'convert', type, ...result };
}

const asItIs = ({ name, shape }: TensorDescription): OutputForm => ({ name, shape, keyValues: [] });

function planLanguage(input: PlanTypesInput, request: TypeRequest, architecture: string): TensorDecision[] {
  const { tensors, rules } = request;
  const settled = new Map<TensorDescription, TypeChoice>();
  for (const tensor of tensors) {
    const choice = choiceOfRules(rules, tensor, asItIs(tensor));
    if (choice !== null) settled.set(tensor, choice);
  }
  const remaining = tensors.filter((tensor) => settled.get(tensor)?.type !== 'drop');
  const model = describeLanguageModel(architecture, remaining, input.keyValue ?? (() => undefined));
  const types = languageTypes(request, model, new Set(settled.keys()));
  return tensors.map((tensor) => {
    const choice = settled.get(tensor) ?? types.get(tensor);
    if (choice === undefined) throw new QuantizeError('internal', { layer: tensor.name, detail: 'no type was chosen' });
    return decision(choice, tensor, asItIs(tensor));
  });
}

/** Why a tensor is left out, whatever rules say; null when it is a part of the model. */
function leftOutBecause(
  { name }: TensorDescription,
  hasFinalNames: boolean,
  { family, prefix }: DiffusionSubject,
): string | null {
  if (!name.startsWith(prefix)) return `not in ${prefix}`;
  const isPart = hasFinalNames || !isIgnored(family, name.slice(prefix.length));
  return isPart ? null : `${family.architecture}: no part of the model`;
}

function planDiffusion(
  { tensors, target, pure, rules }: TypeRequest,
  hasFinalNames: boolean,
  subject: DiffusionSubject,
): TensorDecision[] {
  const { family, prefix } = subject;
  const mixture = pure ? null : new DiffusionMixture(target);
  return tensors.map((tensor) => {
    const why = leftOutBecause(tensor, hasFinalNames, subject);
    if (why !== null) return { kind: 'drop', rule: why, asked: false };
    const name = tensor.name.slice(prefix.length);
    const output = hasFinalNames ? asItIs(tensor) : outputForm(family, tensor, name);
    const choice =
      choiceOfRules(rules, tensor, output) ?? diffusionType(family, tensor, output, { target, mixture, hasFinalNames });
    return decision(choice, tensor, output);
  });
}

function idleRulesOf({ tensors, rules = [], hasFinalNames }: PlanTypesInput, subject: Subject): readonly IdleRule[] {
  if (subject.kind !== 'diffusion') return idleRules(rules, tensors);
  return idleRules(rules, tensors, subject.prefix, (tensor) => leftOutBecause(tensor, hasFinalNames, subject) !== null);
}

function planGeneral({ tensors, target, pure, rules }: TypeRequest): TensorDecision[] {
  const mixture = pure ? null : new DiffusionMixture(target);
  return tensors.map((tensor) => {
    const output = asItIs(tensor);
    const choice = choiceOfRules(rules, tensor, output) ?? generalType(tensor, output, target, mixture);
    return decision(choice, tensor, output);
  });
}

function dropNotes(decisions: readonly TensorDecision[], prefix: string): string[] {
  const dropped = decisions.filter((one) => one.kind === 'drop' && !one.asked).length;
  if (dropped === 0) return [];
  const tensors = dropped === 1 ? '1 tensor is' : `${dropped} tensors are`;
  return [`${tensors} left out: the file holds the diffusion model alone${prefix === '' ? '' : `, ${prefix}*`}.`];
}

/**
 * What becomes of each tensor of a model in a GGUF file of the type `target`, and why. Language models in GGUF get the
 * types that llama.cpp's own `llama_model_quantize` gives them without an importance matrix; diffusion models those of
 * ComfyUI-GGUF's converter; models of which neither is known general rules.
 *
 * Throws `invalid_option` for an unknown architecture, or a rule that a tensor it matches cannot follow.
 */
export function planTypes(input: PlanTypesInput): TypePlan {
  const { tensors, target, pure = false, rules = [] } = input;
  const request: TypeRequest = { tensors, target, pure, rules };
  const subject = subjectOf(input);
  const idle = idleRulesOf(input, subject);
  switch (subject.kind) {
    case 'language': {
      const { architecture } = subject;
      const decisions = planLanguage(input, request, architecture);
      return { architecture, notes: [], decisions, idle, mostDimensions: 4, longestNameBytes: 63 };
    }
    case 'diffusion': {
      const { family, prefix } = subject;
      const decisions = planDiffusion(request, input.hasFinalNames, subject);
      return {
        architecture: family.architecture,
        notes: [...subject.notes, ...dropNotes(decisions, prefix)],
        decisions,
        idle,
        mostDimensions: family.rankFive === true ? 5 : 4,
        longestNameBytes: 127,
      };
    }
    case 'unknown':
      return {
        architecture: null,
        notes: subject.notes,
        decisions: planGeneral(request),
        idle,
        mostDimensions: 4,
        longestNameBytes: 63,
      };
  }
}
