/** Weights of quantized ONNX models under the names, and in the shapes, that they had before. */

import { codecNamed, traitsOf } from '../../codecs/codec.js';
import { subgraphsOf, type Graph, type Model as Graphs, type Node } from '../../containers/onnx/graph.js';
import { carriesModel } from '../../containers/onnx/opened-files.js';
import type { Carried } from '../../containers/container.js';
import { QuantizeError } from '../../errors.js';
import type { ByteRange } from '../../io/byte-io.js';
import { MemorySource } from '../../io/memory-source.js';
import { storedBytes, type CodedTensor, type Tensor } from '../../layouts/tensor.js';
import type { Unscaled } from '../factors.js';
import { BlocksSource, HeldPlanes, type StoredBlocks } from './blocks-source.js';
import { UnpackedSource } from './unpacked-source.js';

/** The most bytes that the planes of one matrix may take in memory. */
const MOST_PLANE_BYTES = 2 ** 28;

/** A tensor that several others are the parts of. */
interface Restored {
  readonly tensor: CodedTensor;
  readonly parts: readonly Tensor[];
}

/** The model's tensors with the weights of MatMulNBits, GatherBlockQuantized and of 8 bits in place of their parts. */
export function restoredOnnx(tensors: readonly Tensor[], { graph }: Graphs): Unscaled {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const held = new HeldPlanes();
  const found = [
    ...nodesOf(graph).flatMap((node) => blocksOf(node, byName, held) ?? embeddingOf(node, byName) ?? []),
    ...tensors.flatMap((tensor) => bytesOf(tensor, byName) ?? []),
  ];
  const restored = new Map<Tensor, CodedTensor>();
  const taken = new Map<Tensor, string>();
  for (const { tensor, parts } of found) {
    const [first] = parts;
    if (first === undefined || taken.has(first) || byName.has(tensor.name)) continue;
    restored.set(first, tensor);
    for (const part of parts) taken.set(part, `part of ${tensor.name}`);
  }
  return {
    tensors: tensors.flatMap((tensor) => restored.get(tensor) ?? (taken.has(tensor) ? [] : [tensor])),
    taken: [...taken].flatMap(([tensor, why]) => (restored.has(tensor) ? [] : [{ tensor, why }])),
    staleTexts: [],
  };
}

/** The graphs that an opened ONNX model carries. */
export function graphsIn(carried: Carried): Graphs {
  if (!carriesModel(carried)) throw new RangeError(`${carried.container} carries no graphs`);
  return carried.model;
}

const nodesOf = ({ nodes }: Graph): readonly Node[] =>
  nodes.flatMap((node) => [node, ...subgraphsOf(node).flatMap(nodesOf)]);

type ByName = ReadonlyMap<string, Tensor>;

const numberOf = ({ attributes }: Node, name: string): number =>
  Number(attributes.find((one) => one.name === name)?.int ?? 0n);

/** The only range of a tensor's only plane; undefined where there are several, or it is not of that many bytes. */
function rangeOf(tensor: Tensor | undefined, bytes: number): ByteRange | undefined {
  const range = tensor?.planes[0]?.[0];
  return tensor?.planes.length === 1 && tensor.planes[0]?.length === 1 && range?.bytes === bytes ? range : undefined;
}

/** A weight's name, which stands before what quantizing has added to it. */
const nameBefore = (name: string, ending: RegExp): string => name.replace(ending, '');

/** The shape of a MatMulNBits; null where it is none that can be decoded. */
function shapeOf(node: Node): Pick<StoredBlocks, 'rows' | 'columns' | 'bits' | 'blockSize'> | null {
  if (node.opType !== 'MatMulNBits' || node.domain !== 'com.microsoft' || (node.inputs[4] ?? '') !== '') return null;
  const [rows, columns, blockSize] = [numberOf(node, 'K'), numberOf(node, 'N'), numberOf(node, 'block_size')];
  const bits = numberOf(node, 'bits') || 4;
  return [2, 4, 8].includes(bits) && isBlockSize(blockSize) && rows > 0 && columns > 0
    ? { rows, columns, bits, blockSize }
    : null;
}

function blocksOf(node: Node, byName: ByName, held: HeldPlanes): Restored | null {
  const shape = shapeOf(node);
  if (shape === null) return null;
  const { rows, columns, bits, blockSize } = shape;
  const parts = [1, 2, 3].flatMap((input) => byName.get(node.inputs[input] ?? '') ?? []);
  const [weights, factors, offsets] = parts;
  const blocks = Math.ceil(rows / blockSize) * columns;
  const scaleBytes = factors?.dtype === 'F16' ? 2 : 4;
  const hasScales = factors?.dtype === 'F32' || factors?.dtype === 'F16';
  const levels = rangeOf(weights, (blocks * blockSize * bits) / 8);
  const scales = hasScales ? rangeOf(factors, blocks * scaleBytes) : undefined;
  const isSymmetric = (node.inputs[3] ?? '') === '';
  const zeroPoints = isSymmetric ? null : rangeOf(offsets, Math.ceil((blocks / columns) * (bits / 8)) * columns);
  if (weights === undefined || levels === undefined || scales === undefined || zeroPoints === undefined) return null;
  const source = new BlocksSource({ ...shape, levels, scales, scaleBytes, zeroPoints }, held);
  const bytes = parts.reduce((sum, part) => sum + storedBytes(part), 0);
  const tensor: CodedTensor = {
    ...{ name: nameBefore(weights.name, /_Q[248]$/u), partNames: parts.map(({ name }) => name) },
    ...{ shape: [rows, columns], elements: rows * columns, dtype: factors?.dtype ?? 'F32', fileBytes: bytes },
    // A factor of 1 says that these are not the bytes of the file.
    ...{ codec: codecNamed('F32'), scale: 1, planes: [[{ source, begin: 0, bytes: source.size }]] },
    format: `MatMulNBits int${bits} g${blockSize}${isSymmetric ? ' symmetric' : ''}`,
    ...(bytes > MOST_PLANE_BYTES && { refusal: tooLarge(weights.name, bytes) }),
  };
  return { tensor, parts };
}

const isBlockSize = (size: number): boolean => size >= 16 && size <= 2 ** 16 && Number.isInteger(Math.log2(size));

const tooLarge = (layer: string, bytes: number): QuantizeError =>
  new QuantizeError('unsupported_dtype', {
    layer,
    detail: `MatMulNBits of ${bytes} bytes`,
    advice: `a matrix of at most ${MOST_PLANE_BYTES} bytes can be decoded`,
  });

function embeddingOf(node: Node, byName: ByName): Restored | null {
  if (node.opType !== 'GatherBlockQuantized' || node.domain !== 'com.microsoft') return null;
  const groupSize = numberOf(node, 'block_size');
  const parts = [0, 2, 3].flatMap((input) => byName.get(node.inputs[input] ?? '') ?? []);
  const [levels, scales, zeroPoints] = parts;
  const symmetric = (node.inputs[3] ?? '') === '';
  const codec = { name: 'onnx_gather4', bits: 0, groupSize, symmetric };
  const [rows = 0, columns = 0] = levels?.shape ?? [];
  const groups = (rows * columns) / groupSize;
  const isKnown =
    traitsOf(codec).groupSizes.includes(groupSize) && levels?.shape.length === 2 && columns % groupSize === 0;
  if (!isKnown || levels.dtype !== (symmetric ? 'I4' : 'U4') || numberOf(node, 'quantize_axis') !== 1) return null;
  const [levelRange, scaleRange] = [rangeOf(levels, Math.ceil(levels.elements / 2)), rangeOf(scales, groups * 4)];
  const zeroRange = symmetric ? null : rangeOf(zeroPoints, Math.ceil(groups / 2));
  if (levelRange === undefined || scaleRange === undefined || zeroRange === undefined || scales?.dtype !== 'F32')
    return null;
  const source =
    zeroRange === null
      ? new MemorySource(levelRange.source.name, new Uint8Array(groups))
      : new UnpackedSource(zeroRange, groups);
  const tensor: CodedTensor = {
    ...{ name: nameBefore(levels.name, /_Q4$/u), partNames: parts.map((part) => part.name), shape: levels.shape },
    ...{ elements: levels.elements, dtype: 'F32', codec, format: `GatherBlockQuantized int4 g${groupSize}` },
    fileBytes: parts.reduce((sum, part) => sum + storedBytes(part), 0),
    planes: [[levelRange], [scaleRange], [{ source, begin: 0, bytes: groups }]],
  };
  return { tensor, parts };
}

/** Weights of 8 bits with one scale, by the names that ONNX Runtime gives them. */
function bytesOf(levels: Tensor, byName: ByName): Restored | null {
  const name = nameBefore(levels.name, /_quantized$/u);
  const types: Readonly<Record<string, string>> = { I8: 'onnx_int8', U8: 'onnx_uint8' };
  const codec = types[levels.dtype];
  if (name === levels.name || codec === undefined) return null;
  const [scale, zeroPoint] = [byName.get(`${name}_scale`), byName.get(`${name}_zero_point`)];
  const ranges = [rangeOf(levels, levels.elements), rangeOf(scale, 4), rangeOf(zeroPoint, 1)];
  const [first, second, third] = ranges;
  if (first === undefined || second === undefined || third === undefined || scale?.dtype !== 'F32') return null;
  const parts = [levels, scale, ...(zeroPoint === undefined ? [] : [zeroPoint])];
  const { shape, elements } = levels;
  const tensor: CodedTensor = {
    ...{ name, partNames: parts.map((part) => part.name), shape, elements, dtype: 'F32', codec: codecNamed(codec) },
    ...{ planes: [[first], [second], [third]], format: `${levels.dtype} scaled` },
  };
  return { tensor, parts };
}
