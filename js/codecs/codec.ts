/** What weights are stored as: a line of the table of codecs, and parameters. */

/**
 * How hard encoders search, least first: `reference` gives the bytes of the format's own program, `better` those of the search
 * that it runs for who knows how much each column counts, with ones where nobody does, `best` the least error that is found.
 */
export const EFFORTS = ['reference', 'better', 'best'] as const;

export type Effort = (typeof EFFORTS)[number];

const BETTER = EFFORTS.indexOf('better');

import { CODECS } from './table.js';

/** A codec with its parameters; those that it has not are 0 and false. Two tensors are stored alike where all of it is equal. */
export interface Codec {
  readonly name: string;
  /** Bits that a weight takes. */
  readonly bits: number;
  /** Contiguous weights that share a scale; 0: all of a tensor's. */
  readonly groupSize: number;
  readonly symmetric: boolean;
}

/** Elements of a plane. `U8` are bytes of levels, blocks or small numbers. */
export type ElementType = 'U8' | 'F32' | 'F16' | 'BF16' | 'F8_E4M3' | 'F8_E5M2';

/** One of the arrays that encoded weights consist of: a number of bits for each unit of contiguous weights. */
export interface Plane {
  readonly name: string;
  readonly element: ElementType;
  /** Weights of a unit, the last of which may be short; 0: as many as the codec's group size says; `all`: the tensor's. */
  readonly unitWeights: number | 'all';
  /** 0: as many as the codec's bits say. */
  readonly unitBits: number;
}

/** A line of the table: what is the same with all parameters. */
export interface CodecTraits {
  readonly name: string;
  /** Rows must be whole numbers of them. */
  readonly blockWeights: number;
  readonly planes: readonly Plane[];
  /** What the parameters can be; none where the codec has no such parameter. */
  readonly bits: readonly number[];
  readonly groupSizes: readonly number[];
  readonly symmetric: boolean;
  /** Whether it can be written. */
  readonly encodes: boolean;
  /** Encoding tries many scales for each block, which takes some twenty times as long. */
  readonly searches: boolean;
  /** It encodes whole rows only. */
  readonly needsRows: boolean;
  /**
   * Groups run down the columns. It encodes blocks of `groupSize` rows, and its units lie in the order [block of rows][column];
   * decoded weights do, too: group after group.
   */
  readonly acrossRows: boolean;
  /** It needs the extent of the whole tensor with any parameters; without it, one group over everything does. */
  readonly needsRange: boolean;
  readonly usesImportance: boolean;
  /** Place in EFFORTS: less effort does not use importance. */
  readonly weighsFrom: number;
  /** With the least effort it cannot do without importance. */
  readonly needsImportance: boolean;
  /** It encodes whole rows only where importance is given, or to be better. */
  readonly needsRowsToWeigh: boolean;
  /** Only formats of other programs hold it: it is no type that callers choose, and no layout of ours has it. */
  readonly foreign: boolean;
  /** Place in EFFORTS: more effort than that changes nothing. */
  readonly mostEffort: number;
  /** Its number among ggml's types; null where it is none of them. */
  readonly ggmlType: number | null;
  /** What GGUF files are called and numbered most of whose matrices it holds (`general.file_type`). */
  readonly fileTypes: readonly { readonly name: string; readonly id: number }[];
}

const TRAITS: ReadonlyMap<string, CodecTraits> = new Map(CODECS.map((traits) => [traits.name, traits]));
const INDICES: ReadonlyMap<string, number> = new Map(CODECS.map(({ name }, index) => [name, index]));

export const findTraits = (name: string): CodecTraits | undefined => TRAITS.get(name);

/** Throws a RangeError where there is no codec of that name. */
export const traitsOf = ({ name }: Pick<Codec, 'name'>): CodecTraits => {
  const traits = TRAITS.get(name);
  if (traits === undefined) throw new RangeError(`there is no codec ${name}`);
  return traits;
};

/** Its place in the table, by which the module knows it; -1 where there is no codec of that name. */
export const codecIndex = ({ name }: Pick<Codec, 'name'>): number => INDICES.get(name) ?? -1;

const hasParameters = ({ bits, groupSizes }: CodecTraits): boolean => bits.length > 0 || groupSizes.length > 0;

/** A codec without parameters. Throws a RangeError where there is none of that name. */
export const codecNamed = (name: string): Codec => {
  if (hasParameters(traitsOf({ name }))) throw new RangeError(`the codec ${name} has parameters`);
  return { name, bits: 0, groupSize: 0, symmetric: false };
};

/** Groups of weights with a scale and a zero point each; a group size of 0 means one group over everything. */
export const affineCodec = (bits: number, groupSize: number, symmetric: boolean): Codec => {
  return { name: 'affine', bits, groupSize, symmetric };
};

/** Weights of a unit of a plane, which is one of the codec's; 0 is one unit over everything. */
export const unitWeightsOf = ({ groupSize }: Codec, { unitWeights }: Plane): number =>
  unitWeights === 'all' ? 0 : unitWeights === 0 ? groupSize : unitWeights;

/** Units of `size` weights, the last of which may be short; a size of 0 is one unit over everything. */
const unitsOf = (weights: number, size: number): number =>
  size === 0 ? Math.min(weights, 1) : Math.ceil(weights / size);

/** Bytes of the first `weights` weights in one of the planes. Exact for every number of weights that arrays can have. */
export const planeBytes = (codec: Codec, plane: number, weights: number): number => {
  const shape = traitsOf(codec).planes[plane];
  if (shape === undefined) throw new RangeError(`the codec ${codec.name} has no plane ${String(plane)}`);
  const units = unitsOf(weights, unitWeightsOf(codec, shape));
  const bits = shape.unitBits === 0 ? codec.bits : shape.unitBits;
  const last = units % 8;
  return ((units - last) / 8) * bits + Math.ceil((last * bits) / 8);
};

/** Bytes of the first `weights` weights in all of the planes. */
export const codecBytes = (codec: Codec, weights: number): number =>
  traitsOf(codec).planes.reduce((bytes, _, plane) => bytes + planeBytes(codec, plane, weights), 0);

export const sameCodec = (a: Codec, b: Codec): boolean =>
  a.name === b.name && a.bits === b.bits && a.groupSize === b.groupSize && a.symmetric === b.symmetric;

/** How reports call it: `Q4_K`, `F16`, `int4 g128`, `int8 tensor symmetric`; before others' parameters stands the name. */
export const codecLabel = (codec: Codec): string => {
  const { name, bits, groupSize, symmetric } = codec;
  const traits = traitsOf(codec);
  const parts = name === 'affine' ? [] : [name];
  if (traits.bits.length > 0) parts.push(`int${String(bits)}`);
  if (traits.groupSizes.length > 0) parts.push(groupSize === 0 ? 'tensor' : `g${String(groupSize)}`);
  if (symmetric) parts.push('symmetric');
  return parts.join(' ');
};

/** Whether the extent of a whole tensor must be known before any of it is encoded. */
export const needsRange = (codec: Codec): boolean => {
  const traits = traitsOf(codec);
  return traits.needsRange || (codec.groupSize === 0 && traits.groupSizes.length > 0);
};

/** Place in EFFORTS: more effort than that changes nothing. One group over everything is not searched for its scale. */
export const mostEffortOf = (codec: Codec): number => {
  const { mostEffort, groupSizes } = traitsOf(codec);
  return codec.groupSize === 0 && groupSizes.length > 0 ? 0 : mostEffort;
};

/** Whether it uses importance; `effort` is a place in EFFORTS. */
export const weighs = (codec: Codec, effort: number): boolean => {
  const { usesImportance, weighsFrom } = traitsOf(codec);
  return usesImportance && weighsFrom <= Math.min(effort, mostEffortOf(codec));
};

/** Whether its encoder is told of rows. */
export const knowsRows = (codec: Codec): boolean => {
  const { needsRows: whole, usesImportance, needsRowsToWeigh } = traitsOf(codec);
  return whole || usesImportance || needsRowsToWeigh;
};

/** Whether its encoder takes whole rows only; `effort` is a place in EFFORTS. */
export const needsRows = (
  codec: Codec,
  { importance, effort = 0 }: { readonly importance?: unknown; readonly effort?: number | undefined },
): boolean => {
  const { needsRows: whole, needsRowsToWeigh } = traitsOf(codec);
  return whole || (needsRowsToWeigh && (importance !== undefined || effort === BETTER));
};

/** Whether it is one plane of plain numbers. */
export const isFloat = (codec: Codec): boolean => {
  const { planes, blockWeights } = traitsOf(codec);
  return planes.length === 1 && blockWeights === 1 && planes[0]?.element !== 'U8';
};
