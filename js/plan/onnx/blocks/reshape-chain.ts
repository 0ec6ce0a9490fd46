import { DataType } from '../../../containers/onnx/data-types.js';
import {
  intAttribute,
  nodeOf,
  tensorAttribute,
  tensorOf,
  type Node,
  type OnnxTensor,
} from '../../../containers/onnx/graph.js';
import { QuantizeError } from '../../../errors.js';
import type { GraphStack } from '../rewrite.js';
import type { Encodings } from './encodings.js';

/** How many dimensions a value has, as the graphs around a node say; null where they do not. */
export function rankOf(name: string, stack: GraphStack): number | null {
  for (const { graph } of [...stack].reverse()) {
    const value = [...graph.inputs, ...graph.valueInfos, ...graph.outputs].find((one) => one.name === name);
    if (value !== undefined) return value.type?.tensor?.shape?.dimensions.length ?? null;
  }
  return null;
}

/** The first opset with a Max of int64. */
const CHAIN_OPSET = 12;

const tooOld = (opset: number): QuantizeError =>
  new QuantizeError('unsupported_model', {
    detail: `it has opset ${opset}, but weights of more than two dimensions need ${CHAIN_OPSET} to be quantized; export it with opset ${CHAIN_OPSET}, or ask for the files of ONNX Runtime 1.23, which leave them`,
  });

/** What a chain is made for. */
interface ChainPlace {
  /** The name of MatMulNBits' first input, of any rank. */
  readonly activations: string;
  /** Of the weights before they were quantized: dimensions of size 1, K and N. */
  readonly shape: readonly number[];
  /** The name of what MatMulNBits gives, and of what the MatMul gave. */
  readonly inner: string;
  readonly output: string;
  /** What the names of all nodes and values begin with. */
  readonly prefix: string;
  /** Of which names and operators there are. */
  readonly made: Pick<Encodings, 'names' | 'opset'>;
}

/**
 * Nodes that give the result the shape that the MatMul's had: as many dimensions of size 1 as the weights have more than the
 * activations, those of the activations but the last, and N. Names and order are those of ONNX Runtime 1.32. Throws
 * `unsupported_model` for operators that are too old.
 */
export function reshapeChain({ activations, shape, inner, output, prefix, made }: ChainPlace): {
  readonly nodes: readonly Node[];
  readonly constants: readonly OnnxTensor[];
} {
  if (made.opset < CHAIN_OPSET) throw tooOld(made.opset);
  const value = (name: string): string => made.names.free(`${prefix}_${name}`);
  const node = (opType: string, inputs: readonly string[], to: string, name: string, axis?: number): Node =>
    nodeOf(opType, inputs, [to], {
      ...{ name: `${prefix}_${name}`, attributes: axis === undefined ? [] : [intAttribute('axis', axis)] },
    });
  const [rankB, columns] = [shape.length, shape.at(-1) ?? 0];
  const [zero, one, two] = [value('zero'), value('one'), value('two')];
  const [oneVector, zeroVector] = [value('one_vec'), value('zero_vec')];
  const [shapeOfA, rankA] = [value('a_shape'), value('a_rank')];
  const ones = nodeOf('ConstantOfShape', [value('extra_count_vec')], [value('extra_ones')], {
    name: `${prefix}_const_ones`,
    attributes: [tensorAttribute('value', integers(`${prefix}_one_value`, [1], [1], 'int64_data'))],
  });
  return {
    constants: [
      integers(zero, [], [0]),
      integers(one, [], [1]),
      integers(two, [], [2]),
      integers(oneVector, [1], [1]),
      integers(value('rank_b'), [], [rankB]),
      integers(value('n_vec'), [1], [columns]),
      integers(zeroVector, [1], [0]),
    ],
    nodes: [
      node('Shape', [activations], shapeOfA, 'shape_a'),
      node('Shape', [shapeOfA], value('a_shape_of_shape'), 'shape_of_a_shape'),
      node('Gather', [value('a_shape_of_shape'), zero], rankA, 'gather_rank'),
      node('Max', [rankA, two], value('a_rank_eff'), 'max_rank_eff'),
      node('Sub', [value('rank_b'), value('a_rank_eff')], value('extra_raw'), 'sub'),
      node('Max', [value('extra_raw'), zero], value('extra_count'), 'max'),
      node('Reshape', [value('extra_count'), oneVector], value('extra_count_vec'), 'reshape_extra'),
      ones,
      node('Sub', [rankA, one], value('a_rank_m1'), 'sub_one'),
      node('Reshape', [value('a_rank_m1'), oneVector], value('a_rank_m1_vec'), 'reshape_rank_m1'),
      node(
        'Slice',
        [shapeOfA, zeroVector, value('a_rank_m1_vec'), zeroVector],
        value('a_prefix_shape'),
        'slice_a_prefix',
      ),
      node(
        'Concat',
        [value('extra_ones'), value('a_prefix_shape'), value('n_vec')],
        value('target_shape'),
        'concat_target',
        0,
      ),
      node('Reshape', [inner, value('target_shape')], output, 'reshape_out'),
    ],
  };
}

/** Small whole numbers from 0 on as I64. */
function integers(
  name: string,
  dims: readonly number[],
  values: readonly number[],
  field: 'raw_data' | 'int64_data' = 'raw_data',
): OnnxTensor {
  const bytes = new DataView(new ArrayBuffer(values.length * 8));
  for (const [index, value] of values.entries()) bytes.setBigInt64(index * 8, BigInt(value), true);
  const raw = tensorOf(name, DataType.int64, dims, new Uint8Array(bytes.buffer));
  // Packed numbers below 128 are a byte each.
  return field === 'raw_data' ? raw : { ...raw, data: { kind: 'bytes', field, bytes: Uint8Array.from(values) } };
}
