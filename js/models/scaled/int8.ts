import type { Tensor } from '../../layouts/tensor.js';
import { damaged, matrixOf, needed, rowsOf, undecodable, type Format, type Layer } from './layer.js';
import { floatsOf } from './numbers.js';
import { scaledTensor } from './scaled-tensor.js';
import { rowGrid, wholeGrid, type Grid } from './spread.js';

/** Sizes of a rotation that can be undone. */
const ROTATIONS: readonly unknown[] = [4, 16, 64, 256];
const USUAL_ROTATION = 256;
export const ROTATION_KEYS: readonly string[] = ['convrot', 'convrot_groupsize'];

/**
 * int8 (I8) with a scale for all of a tensor or for each row, as ComfyUI's `int8_tensorwise` and compressed-tensors have it.
 * Weight = element · scale, in f32; with `convrot` in ComfyUI's JSON each group of a row is rotated back then (I8_ROTATED).
 */
export const int8: Format = {
  rotates: true,
  fits: ({ weight, config, isDescribed, beside }) =>
    config?.['format'] === 'int8_tensorwise' ||
    // Where other layers are described, this one may be anything, such as rotated.
    (config === undefined && !isDescribed && weight.dtype === 'I8' && beside('.weight_scale') !== undefined),
  open: (layer) => {
    const { weight } = layer;
    if (weight.dtype !== 'I8') throw damaged(layer, `is said to be int8, but is ${weight.dtype}`);
    const tensor = needed(layer, '.weight_scale');
    const rotation = rotationOf(layer);
    const scales = { tensor, numbers: floatsOf(layer, tensor), grid: gridOf(layer, tensor, rotation ?? undefined) };
    const [codec, format] = rotation === null ? ['I8_SCALED', 'int8 scaled'] : ['I8_ROTATED', 'int8 convrot'];
    return {
      reads: [],
      parts: [tensor],
      decode: () => scaledTensor({ layer, codec, format, scales, parts: [tensor] }),
    };
  },
};

function gridOf(layer: Layer, scale: Tensor, unit: number | undefined): Grid {
  const { rows, columns } = matrixOf(layer);
  const row = layer.weight.shape.at(-1) ?? 1;
  if (unit !== undefined && row % unit !== 0) throw damaged(layer, `has rows that are no whole groups of ${unit}`);
  if (scale.elements === 1) return wholeGrid(rows * columns, unit);
  const byRows = rowsOf(layer, scale);
  if (byRows !== null && byRows.columns % (unit ?? 1) === 0) return rowGrid(byRows.rows, byRows.columns, unit);
  throw damaged(layer, `is int8 with ${scale.elements} scales, which are neither one nor one for each row`);
}

/** The size of the groups that are rotated; null where none are. Throws where they do not fill rows. */
export function rotationOf(layer: Layer, isRotated = false): number | null {
  const { config = {} } = layer;
  const given = (key: string): unknown => (Object.hasOwn(config, key) ? config : paramsOf(config))[key];
  // Any value that Python takes for true.
  if (!isRotated && !given('convrot')) return null;
  const size = given('convrot_groupsize') ?? USUAL_ROTATION;
  if (!ROTATIONS.includes(size))
    throw undecodable(layer, `convrot with a convrot_groupsize of ${JSON.stringify(size)}`);
  return Number(size);
}

/** What the JSON has one level deeper. */
export const paramsOf = ({ params }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  typeof params === 'object' && params !== null ? (params as Readonly<Record<string, unknown>>) : {};
