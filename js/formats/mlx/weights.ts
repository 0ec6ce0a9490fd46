/** A model's tensors under the names that MLX has for them. */

import { planeBytes, sameCodec, traitsOf } from '../../codecs/codec.js';
import { invalidFile, quoted } from '../../containers/invalid-file.js';
import { QuantizeError } from '../../errors.js';
import { fileBytes, sourceOf, type CodedTensor, type Tensor } from '../../layouts/tensor.js';
import type { Model } from '../../models/model.js';
import { droppedTensor, type DroppedTensor } from '../../plan/report.js';
import { checkComplete } from '../folder/complete.js';
import { isObject, wholeNumber, type JsonObject } from '../folder/json.js';
import { MOST_EXPERTS, cutTensor } from './changes.js';
import { ANY_MODEL, COMPUTED, type Experts, type MlxModel } from './models.js';

/** A tensor of the output. */
export interface Weight {
  readonly name: string;
  readonly stored: Tensor;
  /** Whether it is the matrices of all experts of a layer. */
  readonly isStack: boolean;
  /** What the file has, where that is changed. */
  readonly was?: Tensor;
}

/** What becomes of a model's tensors before anything is quantized. */
export interface Sanitized {
  readonly weights: readonly Weight[];
  readonly dropped: readonly DroppedTensor[];
}

/**
 * Renames, stacks and leaves out what the class of such models does. Throws `unsupported_model` for names of other files than
 * it knows, and `missing_tensor` or `invalid_file` where experts do not go together.
 */
export function sanitized(tensors: readonly Tensor[], rules: MlxModel, config: JsonObject, model: Model): Sanitized {
  const dropped: DroppedTensor[] = [];
  const weights: Weight[] = [];
  const experts = new Map<string, ExpertParts>();
  const why = whyDropped(rules, config);
  for (const stored of tensors) {
    const name = renamed(stored.name, rules);
    const reason = why(name);
    const part = rules.experts === undefined ? null : expertPart(name, rules.experts);
    const cut = part === null ? cutTensor(name, stored, rules.splits ?? []) : null;
    if (reason !== null) dropped.push(droppedTensor(stored, reason));
    else if (cut !== null) weights.push(...cut);
    else if (part === null) weights.push({ name, stored, isStack: false });
    else {
      const found = experts.get(part.whole) ?? { index: weights.length, parts: [] };
      if (found.parts.length === 0) weights.push({ name: part.whole, stored, isStack: true });
      found.parts[part.number] = stored;
      experts.set(part.whole, found);
    }
  }
  for (const [name, { index, parts }] of experts)
    weights[index] = { name, stored: stacked(name, parts), isStack: true };
  checkPrefix(weights, rules, model);
  if (rules !== ANY_MODEL) checkWhole(weights, rules, config, model);
  return { weights, dropped };
}

const renamed = (name: string, { renames = [] }: MlxModel): string =>
  renames.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), name);

interface ExpertParts {
  readonly index: number;
  readonly parts: Tensor[];
}

function expertPart(
  name: string,
  { part, whole, matrices = {} }: Experts,
): { readonly whole: string; readonly number: number } | null {
  const [, before, number, matrix] = part.exec(name) ?? [];
  if (before === undefined || matrix === undefined || Number(number) >= MOST_EXPERTS) return null;
  return { whole: `${whole.replace('$1', () => before)}${matrices[matrix] ?? matrix}.weight`, number: Number(number) };
}

/** The part of config.json that is about the language model. */
export function aboutText(config: JsonObject, { config: member }: MlxModel): JsonObject {
  const own = member === undefined ? undefined : config.get(member);
  return isObject(own) ? own : config;
}

function isTiedIn(about: JsonObject, { head }: MlxModel): boolean {
  const tied = about.get('tie_word_embeddings');
  return head === 'tied' || (head !== 'own' && (typeof tied === 'boolean' ? tied : head.tiedByDefault));
}

/** Layers of others differ: some have experts, or the keys and values of another one. */
const isUniform = ({ experts, splits, shifts, sharedLayers, isCut }: MlxModel): boolean =>
  [experts, splits, shifts, sharedLayers, isCut].every((one) => one === undefined);

function checkWhole(weights: readonly Weight[], rules: MlxModel, config: JsonObject, model: Model): void {
  const { head, prefix = '', embedding = 'model.embed_tokens', output = 'lm_head' } = rules;
  const about = aboutText(config, rules);
  const expected = {
    ...{ program: 'mlx-lm', embedding: `${prefix}${embedding}.weight`, isUniform: isUniform(rules) },
    output: head === 'own' || isTiedIn(about, rules) ? null : `${prefix}${output}.weight`,
    layers: wholeNumber(about.get('num_hidden_layers')),
  };
  checkComplete(
    weights.map(({ name }) => name),
    expected,
    model.name,
  );
}

/** Why a tensor is left out; null for what stays. */
function whyDropped(rules: MlxModel, config: JsonObject): (name: string) => string | null {
  const { drops = [], prefix = '', isCut, sharedLayers } = rules;
  const about = aboutText(config, rules);
  const isTied = isTiedIn(about, rules);
  const layers = wholeNumber(about.get('num_hidden_layers'));
  const shared = wholeNumber(about.get('num_kv_shared_layers')) ?? sharedLayers ?? 0;
  const ownLayers = sharedLayers === undefined || layers === undefined ? Infinity : layers - shared;
  const last = isCut === true && layers !== undefined ? `model.layers.${layers}.` : null;
  return (name) => {
    if (COMPUTED.test(name)) return 'rotary frequencies, which are computed';
    if (isTied && name === `${prefix}lm_head.weight`) return 'the output projection is the embedding';
    const [, layer] = KEYS_AND_VALUES.exec(name) ?? [];
    if (layer !== undefined && Number(layer) >= ownLayers) return 'its layer has the keys and values of another one';
    if (last !== null && name.startsWith(last)) return 'mlx-lm does not predict further tokens';
    return drops.some((pattern) => pattern.test(name)) ? 'mlx-lm has no place for it' : null;
  };
}

const KEYS_AND_VALUES = /layers\.(\d+)\..*self_attn\.(?:k_proj|v_proj|k_norm)/u;

/** One tensor of all experts' matrices, each behind the other. */
function stacked(name: string, parts: readonly Tensor[]): CodedTensor {
  const [first] = parts;
  const same: CodedTensor[] = [];
  // The array has holes where numbers are missing.
  for (let number = 0; number < parts.length; ++number) {
    const part = parts[number];
    if (part === undefined || first === undefined) {
      throw new QuantizeError('missing_tensor', { layer: `expert ${number} of ${name}` });
    }
    if (!goesWith(part, first)) {
      const fault = `expert ${number} of ${quoted(name)} has another shape or type than the first, or cannot be put beside it`;
      throw invalidFile(sourceOf(part), fault, { layer: part.name });
    }
    same.push(part);
  }
  const [whole] = same;
  if (whole === undefined) throw new RangeError(`${name} has no experts`);
  const { codec, dtype, shape, elements, planes, scale, format } = whole;
  return {
    ...{ name, codec, dtype, partNames: same.map((part) => part.name) },
    ...(scale !== undefined && { scale }),
    ...(format !== undefined && { format }),
    shape: [same.length, ...shape],
    elements: elements * same.length,
    planes: planes.map((_, plane) => same.flatMap((part) => part.planes[plane] ?? [])),
    fileBytes: same.reduce((sum, part) => sum + fileBytes(part), 0),
  };
}

/** Whether the planes of a tensor can be put behind those of another one, as those of one tensor. */
function goesWith(part: Tensor, first: Tensor): part is CodedTensor {
  if (part.codec === null || first.codec === null || !sameCodec(part.codec, first.codec)) return false;
  const { codec, elements } = part;
  const isWhole = traitsOf(codec).planes.every(
    (_, plane) => planeBytes(codec, plane, 2 * elements) === 2 * planeBytes(codec, plane, elements),
  );
  const isSame = part.dtype === first.dtype && part.scale === first.scale && String(part.shape) === String(first.shape);
  return isSame && (isWhole || part === first);
}

function checkPrefix(weights: readonly Weight[], { prefix, types }: MlxModel, model: Model): void {
  if (prefix === undefined || weights.some(({ name }) => name.startsWith(prefix))) return;
  const detail = `mlx-lm reads models of the type ${types.join(', ')} only with names that begin with ${quoted(prefix)}; save it with transformers 4 first`;
  throw new QuantizeError('unsupported_model', { file: model.name, detail });
}
