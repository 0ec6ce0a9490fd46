/**
 * An ONNX model as it lies in a file, without its weights: those are ranges of files, or planes that a codec will make.
 * Nothing here is ever changed: passes make new objects of old ones.
 */

import type { Codec } from '../../codecs/codec.js';
import type { ByteRange } from '../../io/byte-io.js';
import type { DataType } from './data-types.js';

/** A field that nothing here looks at: it is carried as it is. */
export interface Field {
  readonly number: number;
  /** A varint or a number of fixed size; the bytes of what has a length. */
  readonly value: FieldValue;
}

export type FieldValue =
  | { readonly kind: 'varint'; readonly value: bigint }
  | { readonly kind: 'fixed32'; readonly bytes: Uint8Array }
  | { readonly kind: 'fixed64'; readonly bytes: Uint8Array }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

/** What every message has besides what its type names. */
export interface Message {
  /** In the order in which they were read; they are written among the others in the order of the numbers. */
  readonly rest: readonly Field[];
}

export interface Model extends Message {
  readonly irVersion: number;
  readonly graph: Graph;
  readonly opsetImports: readonly OpsetImport[];
  readonly functions: readonly ModelFunction[];
}

export interface OpsetImport extends Message {
  /** Empty, or absent, for ONNX's own operators. */
  readonly domain: string | undefined;
  readonly version: number;
}

export interface Graph extends Message {
  readonly name: string | undefined;
  readonly nodes: readonly Node[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** Types of values in between, as far as the file tells. */
  readonly valueInfos: readonly ValueInfo[];
}

export interface ModelFunction extends Message {
  readonly nodes: readonly Node[];
}

export interface Node extends Message {
  readonly name: string | undefined;
  readonly opType: string;
  /** Empty, or absent, for ONNX's own operators. */
  readonly domain: string | undefined;
  /** An empty name is an input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly Attribute[];
}

export interface Attribute extends Message {
  readonly name: string;
  /** What it is, as AttributeProto.AttributeType numbers it; `AttributeType` names some of them. */
  readonly type: number | undefined;
  readonly int: bigint | undefined;
  readonly ints: readonly bigint[];
  readonly tensor: OnnxTensor | undefined;
  readonly graph: Graph | undefined;
  readonly tensors: readonly OnnxTensor[];
  readonly graphs: readonly Graph[];
}

export const AttributeType = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7 } as const;

/** A value's name and, where the file tells, its type. */
export interface ValueInfo extends Message {
  readonly name: string;
  /** Undefined where there is none; `tensor` is undefined for what is no dense tensor (a sequence, a map, …). */
  readonly type: ValueType | undefined;
}

export interface ValueType extends Message {
  readonly tensor: TensorType | undefined;
}

export interface TensorType extends Message {
  readonly elementType: DataType | undefined;
  /** Undefined where the rank is not known. */
  readonly shape: TensorShape | undefined;
}

export interface TensorShape extends Message {
  readonly dimensions: readonly Dimension[];
}

export interface Dimension extends Message {
  /** Undefined for one that has a name (in `rest`), or is not known. */
  readonly size: bigint | undefined;
}

/** An initializer, or a tensor in an attribute. */
export interface OnnxTensor extends Message {
  readonly name: string | undefined;
  readonly dataType: DataType;
  readonly dims: readonly number[];
  readonly data: TensorData;
}

/** The field of TensorProto that elements lie in; `raw_data` are little-endian numbers without gaps. */
export type DataField = 'raw_data' | 'float_data' | 'int32_data' | 'int64_data' | 'double_data' | 'uint64_data';

/** Where a tensor's elements are. */
export type TensorData =
  /** In a file: this one or one of external data; `raw` are the bytes of numbers, others are the field's payload. */
  | { readonly kind: 'stored'; readonly field: DataField; readonly range: ByteRange }
  /** In memory; small tensors only. As with `stored`, and written into the same field. */
  | { readonly kind: 'bytes'; readonly field: DataField; readonly bytes: Uint8Array }
  /** Strings, or no elements at all: what there is lies in `rest`. */
  | { readonly kind: 'none' }
  /** A plane of what a codec makes of other weights; it is computed when the output is written, always as raw_data. */
  | { readonly kind: 'plane'; readonly encoding: Encoding; readonly plane: string };

/**
 * Weights that the output has in another form. One object is one piece of work: all initializers with planes of it name the
 * same object.
 */
export interface Encoding {
  /** Its data are `stored` or `bytes`. */
  readonly weights: OnnxTensor;
  readonly codec: Codec;
  /**
   * How the codec sees the weights: `stored` as they lie; `transposed` with their two dimensions exchanged; `columns` in
   * blocks down each column of [K, N], whose planes lie column by column (`onnx_blocks`).
   */
  readonly view: 'stored' | 'transposed' | 'columns';
  /** Name of the rule that decided, for reports; null where nothing but the type that was asked for did. */
  readonly rule: string | null;
  /** Present where planes of floats were made f16 afterwards: what its other planes say that they are of. */
  readonly halvedFrom?: Encoding | undefined;
}

const NONE: readonly Field[] = [];

/** A node of ONNX's own operators, or of `domain`. */
export const nodeOf = (
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  about: {
    readonly name?: string | undefined;
    readonly domain?: string | undefined;
    readonly attributes?: readonly Attribute[];
  } = {},
): Node => ({
  ...{ opType, inputs, outputs, name: about.name, domain: about.domain },
  attributes: about.attributes ?? [],
  rest: NONE,
});

const attributeOf = (name: string, type: number): Attribute => ({
  ...{ name, type, int: undefined, ints: [], tensor: undefined, graph: undefined },
  ...{ tensors: [], graphs: [], rest: NONE },
});

export const intAttribute = (name: string, value: number): Attribute => ({
  ...attributeOf(name, AttributeType.int),
  int: BigInt(value),
});

export const intsAttribute = (name: string, values: readonly number[]): Attribute => ({
  ...attributeOf(name, AttributeType.ints),
  ints: values.map(BigInt),
});

export const tensorAttribute = (name: string, tensor: OnnxTensor): Attribute => ({
  ...attributeOf(name, AttributeType.tensor),
  tensor,
});

/** A tensor of small contents: raw_data. */
export const tensorOf = (
  name: string | undefined,
  dataType: DataType,
  dims: readonly number[],
  bytes: Uint8Array,
): OnnxTensor => ({ name, dataType, dims, data: { kind: 'bytes', field: 'raw_data', bytes }, rest: NONE });

/** A tensor that is a plane of `encoding`. */
export const planeTensor = (
  name: string,
  dataType: DataType,
  dims: readonly number[],
  encoding: Encoding,
  plane: string,
): OnnxTensor => ({ name, dataType, dims, data: { kind: 'plane', encoding, plane }, rest: NONE });

/** A value that is a dense tensor; an absent shape is one of unknown rank. */
export const valueInfoOf = (name: string, elementType: DataType, shape?: TensorShape): ValueInfo => ({
  name,
  type: { tensor: { elementType, shape, rest: NONE }, rest: NONE },
  rest: NONE,
});

export const opsetOf = (domain: string, version: number): OpsetImport => ({ domain, version, rest: NONE });

/** Whether a domain is that of ONNX's own operators. */
export const isOnnxDomain = (domain: string | undefined): boolean =>
  domain === undefined || domain === '' || domain === 'ai.onnx';

/** The version of ONNX's own operators that a model imports; 0 where it imports none. */
export const opsetVersion = ({ opsetImports }: Pick<Model, 'opsetImports'>): number =>
  opsetImports.find(({ domain }) => isOnnxDomain(domain))?.version ?? 0;

/** The float of an attribute (`alpha` of a Gemm); undefined where it has none. */
export function floatOf({ rest }: Attribute): number | undefined {
  const value = rest.find(({ number }) => number === 2)?.value;
  if (value?.kind !== 'fixed32') return undefined;
  return new DataView(value.bytes.buffer, value.bytes.byteOffset, 4).getFloat32(0, true);
}

/** The string of an attribute, as bytes; undefined where it has none. */
export function stringOf({ rest }: Attribute): Uint8Array | undefined {
  const value = rest.find(({ number }) => number === 4)?.value;
  return value?.kind === 'bytes' ? value.bytes : undefined;
}

/** The graphs in a node's attributes: branches and bodies. */
export const subgraphsOf = ({ attributes }: Node): readonly Graph[] =>
  attributes.flatMap(({ graph, graphs }) => (graph === undefined ? graphs : [graph, ...graphs]));
