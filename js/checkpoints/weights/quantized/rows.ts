import { codecNamed } from '../../../codecs/codec.js';
import { invalidFile, quoted } from '../../../containers/invalid-file.js';
import type { QuantizeError } from '../../../errors.js';
import { fileBytes, sourceOf, type StoredPlane, type Tensor } from '../../../layouts/tensor.js';
import { MadeSource, bytesAt } from '../made-source.js';
import { numbersOf } from '../numbers.js';
import type { Weight } from '../weight.js';

/** Some of a matrix: whole rows, or a part of one. */
export interface Block {
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
}

/** Weights that are decoded as F32 while they are read. */
export interface Decoded {
  readonly name: string;
  readonly shape: readonly number[];
  /** What its bytes are in. */
  readonly parts: readonly Tensor[];
  /** How reports call it. */
  readonly format: string;
  /** Fills `into` with the numbers of a block, row by row. All dimensions but the last are rows. */
  readonly decode: (block: Block, into: Float32Array) => Promise<void>;
}

const WIDTH = 4;

export function decodedWeight({ name, shape, parts, format, decode }: Decoded): Weight {
  const elements = shape.reduce((product, size) => product * size, 1);
  const columns = shape.at(-1) ?? 1;
  const ranges = parts.flatMap(({ planes }) => planes.flat());
  const make = async (position: number, { buffer, byteOffset, length }: Uint8Array): Promise<void> => {
    const into = new Float32Array(buffer, byteOffset, length / WIDTH);
    let at = 0;
    for (const block of blocksIn(position / WIDTH, into.length, columns)) {
      await decode(block, into.subarray(at, (at += block.rows * block.columns)));
    }
  };
  const source = new MadeSource(ranges, elements * WIDTH, make);
  return {
    ...{ name, shape, elements, format, dtype: 'F32', codec: codecNamed('F32') },
    planes: [[{ source, begin: 0, bytes: source.size }]],
    partNames: [name],
    fileBytes: parts.reduce((sum, part) => sum + fileBytes(part), 0),
  };
}

/** The blocks that contiguous elements are: the rest of a row, whole rows, and what is begun of another. */
function blocksIn(first: number, count: number, columns: number): Block[] {
  const blocks: Block[] = [];
  for (let at = first, end = first + count; at < end;) {
    const row = Math.floor(at / columns);
    const column = at % columns;
    const rows = column === 0 ? Math.floor((end - at) / columns) : 0;
    const block =
      rows > 0
        ? { row, rows, column: 0, columns }
        : { row, rows: 1, column, columns: Math.min(columns - column, end - at) };
    blocks.push(block);
    at += block.rows * block.columns;
  }
  return blocks;
}

/** Where a tensor of one plane lies. */
export const planeIn = ({ name, planes }: Tensor): StoredPlane => {
  const [plane, ...others] = planes;
  if (plane === undefined || others.length > 0) throw new RangeError(`${name} has not one plane`);
  return plane;
};

/** Elements of a tensor as F32. */
export async function floatsAt(tensor: Tensor, first: number, count: number): Promise<Float32Array> {
  const floats = new Float32Array(count);
  await readFloats(tensor, first, floats);
  return floats;
}

/** The same, as many as `into` has. */
export async function readFloats(tensor: Tensor, first: number, into: Float32Array): Promise<void> {
  const numbers = numbersOf(tensor.dtype);
  if (numbers === undefined) throw new RangeError(`${tensor.dtype} are no numbers`);
  numbers.read(await bytesAt(planeIn(tensor), first * numbers.bytes, into.length * numbers.bytes), into);
}

/** 32-bit words of a tensor. */
export async function wordsAt(tensor: Tensor, first: number, count: number): Promise<Int32Array> {
  const { buffer, byteOffset } = await bytesAt(planeIn(tensor), first * 4, count * 4);
  return new Int32Array(buffer, byteOffset, count);
}

/** The error for a tensor that cannot be what the checkpoint says of it. */
export const damaged = (tensor: Tensor, detail: string): QuantizeError =>
  invalidFile(sourceOf(tensor), `tensor ${quoted(tensor.name)} ${detail}`, { layer: tensor.name });

/** The tensor of that name, which another one needs. Throws `invalid_file` where there is none. */
export function besides(tensor: Tensor, name: string, tensors: ReadonlyMap<string, Tensor>): Tensor {
  const found = tensors.get(name);
  if (found === undefined) throw damaged(tensor, `has no ${quoted(name)} beside it`);
  return found;
}

export const shapeText = ({ shape, dtype }: Tensor): string => `[${shape.join(', ')}] ${dtype}`;
