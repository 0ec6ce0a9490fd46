import { invalidFile, quoted } from '../../../containers/invalid-file.js';
import { QuantizeError } from '../../../errors.js';
import { patternOf } from '../../../plan/plan.js';
import { MERGE_LORA } from '../../../rules/foreign-models.js';
import { sourceOf } from '../../../layouts/tensor.js';
import type { Checkpoint, LeftOut } from '../../checkpoint.js';
import { needsDropped } from '../../left-out.js';
import { renamed, type Weight } from '../../weights/weight.js';
import { keptName } from './names.js';

/** A tensor of a checkpoint that a recipe takes. */
export interface Part {
  /** As `keptName` leaves it. */
  readonly name: string;
  /** What config.json says of it, sizes by dimension, the contiguous one last; null for any. */
  readonly shape: readonly (number | null)[];
}

/** A tensor of a GGUF that a recipe makes. */
export interface Product {
  readonly name: string;
  /** Whether llama.cpp opens a file without it. */
  readonly optional?: boolean | undefined;
  /** Makes it of the recipe's parts, in their order; without it, it is the only part. */
  readonly make?: ((parts: readonly Weight[]) => Weight) | undefined;
}

/** What becomes of some tensors of a checkpoint. Of recipes that make the same product a checkpoint has the parts of one. */
export interface Recipe {
  readonly parts: readonly Part[];
  readonly products: readonly Product[];
}

/** A tensor of a checkpoint, and the name under which its place is looked for. */
export interface Kept {
  readonly name: string;
  readonly weight: Weight;
}

/** What is left of a checkpoint's tensors, in their order. */
export const keptWeights = (checkpoint: Checkpoint): readonly Kept[] =>
  checkpoint.weights.flatMap((weight) => {
    const name = keptName(weight.name);
    return name === null ? [] : [{ name, weight }];
  });

/**
 * The tensors of a GGUF: a recipe's products come where the last of its parts stands. Throws `unsupported_model` for tensors that
 * no recipe knows, and `invalid_file` where some are missing or have other shapes.
 */
export function madeBy(checkpoint: Checkpoint, recipes: readonly Recipe[], kept: readonly Kept[]): readonly Weight[] {
  const places = new Map(
    recipes.flatMap((recipe) => recipe.parts.map((part) => [part.name, { part, recipe }] as const)),
  );
  const found = new Map<string, Weight>();
  const lacking = new Map(recipes.map((recipe) => [recipe, recipe.parts.length]));
  const made = new Map<string, Weight>();
  for (const { name, weight } of kept) {
    const place = places.get(name);
    if (place === undefined) throw hasNoPlace(weight, patternOfKinds(kept, places));
    if (found.has(name)) throw invalidFile(sourceOf(weight), `it has ${quoted(name)} twice`, { layer: weight.name });
    if (!fits(weight, place.part)) throw hasOtherShape(weight, place.part);
    found.set(name, weight);
    const left = (lacking.get(place.recipe) ?? 0) - 1;
    lacking.set(place.recipe, left);
    if (left === 0) addProducts(made, place.recipe, found);
  }
  refuseIncomplete(checkpoint, recipes, found, made);
  return [...made.values()];
}

const fits = ({ shape }: Weight, part: Part): boolean =>
  shape.length === part.shape.length && part.shape.every((size, index) => size === null || size === shape[index]);

function addProducts(made: Map<string, Weight>, recipe: Recipe, found: ReadonlyMap<string, Weight>): void {
  const parts = recipe.parts.flatMap(({ name }) => found.get(name) ?? []);
  const [first] = parts;
  if (first === undefined) return;
  for (const product of recipe.products) {
    if (made.has(product.name)) throw hasNoPlace(first, patternOf(first.name));
    const weight = product.make === undefined ? first : product.make(parts);
    made.set(product.name, { ...renamed(weight, product.name), isOptional: product.optional === true });
  }
}

/** More kinds in one pattern would be hard to read. */
const MOST_KINDS = 8;

/** What names of the same tensor in all layers have in common. */
const kindOf = ({ weight: { name } }: Kept): string => name.replace(/\d+/gu, '#');

/** A pattern for all tensors without a place; for the first one where others of its kind have places. */
function patternOfKinds(kept: readonly Kept[], places: ReadonlyMap<string, unknown>): string {
  const placed = new Set(kept.filter(({ name }) => places.has(name)).map(kindOf));
  const [first, ...others] = kept.filter(({ name }) => !places.has(name));
  if (first === undefined) throw new RangeError('all tensors have places');
  if (placed.has(kindOf(first))) return patternOf(first.weight.name);
  const kinds = new Map([first, ...others].map((one) => [kindOf(one), one.weight.name]));
  const unplaced = [...kinds].filter(([kind]) => !placed.has(kind)).slice(0, MOST_KINDS);
  return unplaced.map(([, name]) => patternOf(name).replace(/\d+/gu, '[0-9]+')).join('|');
}

/** What is added to a weight, and not it by itself. */
const OF_LORA = /\.lora_(?:[AB]|embedding_[AB])\b/u;

function hasNoPlace(weight: Weight, pattern: string): QuantizeError {
  const detail = OF_LORA.test(weight.name)
    ? `${quoted(weight.name)} is a part of a LoRA: ${MERGE_LORA}`
    : `llama.cpp has no place for the tensor ${quoted(weight.name)} in models of this kind; leave it out with the rule '${pattern}=drop'`;
  return new QuantizeError('unsupported_model', { file: sourceOf(weight).name, layer: weight.name, detail });
}

function hasOtherShape(weight: Weight, { shape }: Part): QuantizeError {
  const needed = shape.map((size) => size ?? 'any').join(', ');
  const detail = `${quoted(weight.name)} has the shape [${weight.shape.join(', ')}], where config.json asks for [${needed}]`;
  return invalidFile(sourceOf(weight), detail, { layer: weight.name });
}

/** What a rule drops that would have that name; families have longer or shorter ones for the beginnings of names. */
const droppedAs = (name: string, { leftOut }: Checkpoint): LeftOut | undefined =>
  leftOut.find(({ tensor }) => {
    const kept = keptName(tensor.name) ?? '';
    return `.${kept}`.endsWith(`.${name}`) || `.${name}`.endsWith(`.${kept}`);
  });

function refuseIncomplete(
  checkpoint: Checkpoint,
  recipes: readonly Recipe[],
  found: ReadonlyMap<string, Weight>,
  made: ReadonlyMap<string, Weight>,
): void {
  for (const { parts, products } of recipes) {
    const missing = parts.find(({ name }) => !found.has(name));
    if (missing === undefined) continue;
    const isBegun = parts.some(({ name }) => found.has(name));
    if (!isBegun && products.every(({ name, optional }) => made.has(name) || optional === true)) continue;
    const dropped = droppedAs(missing.name, checkpoint);
    if (dropped !== undefined) throw needsDropped({ name: dropped.tensor.name, rule: dropped.rule });
    const detail = `there is no tensor ${quoted(missing.name)} in it, which the GGUF needs; a shard or a layer may be missing`;
    throw invalidFile(checkpoint, detail, { layer: missing.name });
  }
}
