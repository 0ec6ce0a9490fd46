import type { Tensor } from '../../../layouts/tensor.js';
import type { Weight } from '../weight.js';
import { damaged, decodedWeight, floatsAt, readFloats, shapeText, type Block } from './rows.js';

/** Numbers of one byte, which is what such weights are. */
const ELEMENTS: readonly string[] = ['F8_E4M3', 'F8_E5M2', 'I8', 'U8'];
const SCALES: readonly string[] = ['F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E8M0'];

/**
 * Weights with scales: weight = f32(element) · f32(scale), rounded to F32. `tile` are the sizes, of the last dimensions, of what
 * shares a scale; the last tiles may be smaller. Without it scales have the weights' first dimensions and ones behind them, or
 * there is one. Throws `invalid_file` where they have not.
 */
export function scaledWeight(weight: Tensor, scale: Tensor, tile: readonly number[] | null): Weight {
  if (!ELEMENTS.includes(weight.dtype)) throw damaged(weight, `has scales, but is ${weight.dtype}`);
  if (!SCALES.includes(scale.dtype)) throw damaged(weight, `has scales of ${scale.dtype}`);
  const grid = gridOf(weight, scale, tile);
  const decode = async (block: Block, values: Float32Array): Promise<void> => {
    await readFloats(weight, block.row * (weight.shape.at(-1) ?? 1) + block.column, values);
    const least = grid.rowBegin(block.row) + grid.column(block.column);
    const most = grid.rowBegin(block.row + block.rows - 1) + grid.column(block.column + block.columns - 1);
    const scales = await floatsAt(scale, least, most - least + 1);
    multiply(values, scales, block, grid, least);
  };
  const { name, shape } = weight;
  return decodedWeight({ name, shape, parts: [weight, scale], format: `${weight.dtype} scaled`, decode });
}

/** Where the scale of a weight lies. */
interface Grid {
  /** The index of the scale of a row's first column. */
  readonly rowBegin: (row: number) => number;
  /** Columns that share a scale. */
  readonly width: number;
  /** How far behind that of the first column the scale of another one is. */
  readonly column: (column: number) => number;
}

function multiply(values: Float32Array, scales: Float32Array, block: Block, { rowBegin, width }: Grid, least: number) {
  let at = 0;
  for (let row = block.row; row < block.row + block.rows; ++row) {
    const begin = rowBegin(row) - least;
    for (let column = block.column, end = block.column + block.columns; column < end;) {
      const tile = Math.floor(column / width);
      const scale = scales[begin + tile] ?? 0;
      const next = Math.min(end, (tile + 1) * width);
      for (; column < next; ++column, ++at) values[at] = (values[at] ?? 0) * scale;
    }
  }
}

function gridOf(weight: Tensor, scale: Tensor, tile: readonly number[] | null): Grid {
  const dimensions = dimensionsOf(weight, scale, tile);
  if (dimensions === null) {
    const needed = tile === null ? 'one for each row' : `one for each ${tile.join(' × ')} weights`;
    throw damaged(weight, `of shape [${weight.shape.join(', ')}] needs scales, ${needed}, and has ${shapeText(scale)}`);
  }
  const outer = dimensions.slice(0, -1).reverse();
  const rowBegin = (row: number): number => {
    let [rest, index] = [row, 0];
    for (const { size, share, stride } of outer) {
      index += Math.floor((rest % size) / share) * stride;
      rest = Math.floor(rest / size);
    }
    return index;
  };
  const width = dimensions.at(-1)?.share ?? Infinity;
  return { rowBegin, width, column: (column) => Math.floor(column / width) };
}

interface Dimension {
  readonly size: number;
  /** How many along it share a scale. */
  readonly share: number;
  /** How far apart their scales lie. */
  readonly stride: number;
}

/** Null where the scales are not for those weights, or not in their order. */
function dimensionsOf({ shape }: Tensor, scale: Tensor, tile: readonly number[] | null): Dimension[] | null {
  const isRanked = tile === null ? scale.shape.length <= shape.length : scale.shape.length === shape.length;
  if (!isRanked || (tile?.length ?? 0) > shape.length) return null;
  const sizes = [...scale.shape, ...shape.slice(scale.shape.length).map(() => 1)];
  const untiled = shape.length - (tile?.length ?? 0);
  let isShared = false;
  const dimensions: Dimension[] = [];
  for (const [index, size] of shape.entries()) {
    const tileSize = tile?.[index - untiled] ?? 1;
    const count = sizes[index] ?? 1;
    const isParted = count === Math.ceil(size / tileSize);
    if (!isParted && (count !== 1 || tileSize !== 1)) return null;
    // Scales that begin anew behind shared ones would not be in the order of the weights.
    if (isShared && count !== 1) return null;
    isShared ||= !isParted;
    const stride = sizes.slice(index + 1).reduce((product, one) => product * one, 1);
    dimensions.push({ size, stride, share: count === 1 ? Infinity : tileSize });
  }
  return dimensions;
}
