import { sameCodec, traitsOf, unitWeightsOf } from '../codecs/codec.js';
import { QuantizeError, quoted } from '../errors.js';
import { fileBytes, sourceOf, storageLabel, storedBytes, type StoredPlane, type Tensor } from '../layouts/tensor.js';
import { rangesOf } from '../pipeline/stretches.js';
import { sameScales, unitFor } from './scaled/spread.js';
import { detectFamily } from '../rules/diffusion/detect.js';
import { OriginalPlaces, diffusersLayoutOf, type OriginalPlace } from '../rules/diffusion/diffusers/layout.js';

/** What reports say of such a model. */
export const LAYOUT_NOTE =
  'The model is in the layout of the library diffusers: it is written in the original one, which programs know.';

/**
 * The tensors of a diffusion model in the layout of the library diffusers, under the names and in the shapes of the original
 * one: what is split there, such as query, key and value, is one tensor whose bytes lie where those of the parts do. Tensors
 * of other parts of a checkpoint, and of other models, come back as they are. Throws `missing_tensor` where a part is not
 * there, `unsupported_model` where parts cannot be joined, or a tensor has no counterpart, `duplicate_layer` where two
 * tensors have the same.
 */
export function withOriginalLayout(tensors: readonly Tensor[]): readonly Tensor[] {
  const detected = detectFamily(tensors);
  const layout = detected?.isDiffusersLayout === true ? diffusersLayoutOf(detected.family.name) : undefined;
  if (detected === null || layout === undefined) return tensors;
  const { prefix } = detected;
  const places = new OriginalPlaces(layout);
  const placed = tensors.map((tensor): Placed => {
    if (!tensor.name.startsWith(prefix)) return { tensor, place: null };
    const place = places.placeOf(tensor.name.slice(prefix.length));
    if (place === null && !layout.keepsOthers) throw withoutCounterpart(tensor);
    return { tensor, place };
  });
  const parts = tensors.filter(({ name }) => name.startsWith(prefix));
  const byName = new Map(parts.map((tensor) => [tensor.name.slice(prefix.length), tensor]));
  const lastBlock = placed.reduce(
    (last, { place }) => Math.max(last, place?.swapsHalves === 'last' ? place.block : -1),
    -1,
  );
  const converted = placed.flatMap(({ tensor, place }) => {
    if (place === null) return [tensor];
    // The first part stands for all of them.
    if (place.part > 0 && byName.has(place.parts[0] ?? '')) return [];
    return [{ ...joined(place, byName, tensor, lastBlock), name: prefix + place.name }];
  });
  checkNames(converted);
  return converted;
}

function checkNames(tensors: readonly Tensor[]): void {
  const names = new Set<string>();
  for (const tensor of tensors) {
    const { name } = tensor;
    if (names.has(name)) throw new QuantizeError('duplicate_layer', { file: sourceOf(tensor).name, layer: name });
    names.add(name);
  }
}

interface Placed {
  readonly tensor: Tensor;
  readonly place: OriginalPlace | null;
}

function joined(
  { parts, block, swapsHalves }: OriginalPlace,
  byName: ReadonlyMap<string, Tensor>,
  first: Tensor,
  lastBlock: number,
): Tensor {
  const all = parts.map((part) => {
    const tensor = byName.get(part);
    if (tensor === undefined) throw new QuantizeError('missing_tensor', { file: sourceOf(first).name, layer: part });
    return tensor;
  });
  const found = withOwnScales(all);
  if (found.length > 1) checkAlike(found);
  const partNames = found.map((part) => part.name);
  const one = { ...(found.length === 1 ? first : rowsOfAll(found, found[0] ?? first)), partNames };
  const swaps = swapsHalves === true || (swapsHalves === 'last' && block === lastBlock);
  return { ...one, planes: swaps ? one.planes.map((plane) => swapped(plane, first)) : one.planes };
}

/** Parts of fp8 that have a factor each, all of them with planes of scales, which can follow each other. */
function withOwnScales(parts: readonly Tensor[]): readonly Tensor[] {
  const factors = new Set(parts.map((part) => (part.codec === null ? undefined : part.scale)));
  const isOdd = parts.some(({ elements }) => unitFor(elements) < 2);
  if (factors.size < 2 || factors.has(undefined) || isOdd) return parts;
  return parts.map((part): Tensor => {
    if (part.codec === null || part.scale === undefined) return part;
    const { scale, ...rest } = part;
    const groupSize = unitFor(part.elements);
    const codec = { name: `${part.codec.name}_SCALED`, bits: 0, groupSize, symmetric: false };
    const scales = [sameScales(sourceOf(part), scale, part.elements / groupSize)];
    const planes = [part.planes[0] ?? [], scales];
    return { ...rest, codec, format: storageLabel(part), fileBytes: fileBytes(part), planes };
  });
}

function rowsOfAll(parts: readonly Tensor[], first: Tensor): Tensor {
  const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
  return {
    ...first,
    shape: [rows, ...first.shape.slice(1)],
    elements: parts.reduce((sum, { elements }) => sum + elements, 0),
    fileBytes: parts.reduce((sum, part) => sum + fileBytes(part), 0),
    planes: first.planes.map((_, plane) => parts.flatMap(({ planes }) => planes[plane] ?? [])),
  };
}

/** Rows of one type can follow each other; those of several planes, or of other factors, say less than all of it. */
function checkAlike(parts: readonly Tensor[]): void {
  const labels = new Set(parts.map(storageLabel));
  const rests = new Set(parts.map(({ shape }) => JSON.stringify(shape.slice(1))));
  const factors = new Set(parts.map((part) => (part.codec === null ? undefined : part.scale)));
  const codec = parts[0]?.codec ?? null;
  const isSimple = parts.every((part) => part.shape.length > 0 && canBeCut(part, part.elements));
  // What is called the same may have scales for other groups.
  const isOneCodec = parts.every((part) => part.codec !== null && codec !== null && sameCodec(part.codec, codec));
  if (isSimple && isOneCodec && labels.size === 1 && rests.size === 1 && factors.size === 1) return;
  const names = parts.map(({ name }) => quoted(name)).join(', ');
  const isOfGroups = labels.size === 1 && codec !== null && !isOneCodec;
  const kinds = `${[...labels].join(' and ')}${isOfGroups ? ', with scales for different groups of weights' : ''}`;
  const what = rests.size > 1 ? 'of different shapes' : kinds;
  const detail = `${names} are one tensor in the original layout, but cannot be joined (${what}); make the whole model F16 or BF16 first, or take the file in the original layout`;
  const [first] = parts;
  throw new QuantizeError(
    'unsupported_model',
    first === undefined ? { detail } : { file: sourceOf(first).name, detail },
  );
}

/** Whether what the first `weights` weights are made of ends there in every plane, so that others can follow. */
function canBeCut({ codec, originalShape }: Tensor, weights: number): boolean {
  if (codec === null || originalShape !== undefined) return false;
  return traitsOf(codec).planes.every((plane) => {
    // A unit over the whole tensor cannot be a part's.
    const units = weights / unitWeightsOf(codec, plane);
    return Number.isInteger(units) && (units * (plane.unitBits === 0 ? codec.bits : plane.unitBits)) % 8 === 0;
  });
}

/** The second half of a plane, and then the first. */
function swapped(plane: StoredPlane, tensor: Tensor): StoredPlane {
  const bytes = storedBytes({ planes: [plane] });
  const rows = tensor.shape[0] ?? 0;
  if (rows % 2 !== 0 || bytes % 2 !== 0 || !canBeCut(tensor, tensor.elements / 2)) {
    const detail = `the halves of ${quoted(tensor.name)} cannot change places, as the original layout has them; take the file in the original layout`;
    throw new QuantizeError('unsupported_model', { file: sourceOf(tensor).name, layer: tensor.name, detail });
  }
  const half = bytes / 2;
  return [...rangesOf(plane, { begin: half, bytes: half }), ...rangesOf(plane, { begin: 0, bytes: half })];
}

function withoutCounterpart(tensor: Tensor): QuantizeError {
  const detail = `${quoted(tensor.name)} of the layout of diffusers has no known counterpart in the original one; take the file in the original layout`;
  return new QuantizeError('unsupported_model', { file: sourceOf(tensor).name, layer: tensor.name, detail });
}
