import { codecBytes, codecLabel, type Codec } from '../codecs/codec.js';
import type { EntryType } from '../containers/container.js';
import type { QuantizeError } from '../errors.js';
import type { ByteRange, ByteSource } from '../io/byte-io.js';

/** Where the bytes of one of a codec's planes lie: one range, or several that follow each other. */
export type StoredPlane = readonly ByteRange[];

interface AnyTensor {
  readonly name: string;
  /** The names of the tensors in the input that it is made of, where it is not in there itself. */
  readonly partNames?: readonly string[] | undefined;
  /** Sizes by dimension, the contiguous one last. */
  readonly shape: readonly number[];
  /** The shape before rows were joined to fill blocks; absent where nobody did. */
  readonly originalShape?: readonly number[] | undefined;
  readonly elements: number;
  /** Element type of the values; for a quantized tensor what it was before, or F32 where nobody says. */
  readonly dtype: string;
  readonly planes: readonly StoredPlane[];
  /** Why nothing can be made of it, though it has a type: it is quantized in a way that cannot be decoded. */
  readonly refusal?: QuantizeError | undefined;
  /** The bytes that it takes in its files, where planes are made of fewer while they are read. */
  readonly fileBytes?: number | undefined;
}

/** A tensor whose weights the kernels can read. */
export interface CodedTensor extends AnyTensor {
  readonly codec: Codec;
  /** What each weight is to be multiplied with, in f32 (scaled fp8). */
  readonly scale?: number | undefined;
  /** How reports call what it is stored as, where its codec alone does not tell. */
  readonly format?: string | undefined;
}

/** A tensor that can be copied, but not decoded: elements or blocks that no kernel reads, in one plane. */
export interface UndecodedTensor extends AnyTensor {
  readonly codec: null;
  readonly type: EntryType;
  /** Name of the container that it comes from: others may call other bytes by the same name. */
  readonly container: string;
}

/** A tensor of a model. */
export type Tensor = CodedTensor | UndecodedTensor;

/** What a tensor is to be in an output: encoded weights, or the bytes that it has. */
export type Target =
  | { readonly kind: 'codec'; readonly codec: Codec }
  | { readonly kind: 'copied'; readonly type: EntryType; readonly container: string; readonly bytes: number };

/** A tensor of an output, under its name and with its shape there. */
export interface PlannedTensor {
  readonly name: string;
  /** As in Tensor. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly target: Target;
}

/** All bytes of a tensor's planes. */
export const storedBytes = ({ planes }: Pick<Tensor, 'planes'>): number =>
  planes.reduce((sum, plane) => plane.reduce((bytes, range) => bytes + range.bytes, sum), 0);

/** All bytes that a tensor takes in its files. */
export const fileBytes = (tensor: Pick<Tensor, 'planes' | 'fileBytes'>): number =>
  tensor.fileBytes ?? storedBytes(tensor);

/** All bytes that `elements` elements take as `target`; whole blocks where it has blocks. */
export const targetBytes = (elements: number, target: Target): number =>
  target.kind === 'codec' ? codecBytes(target.codec, elements) : target.bytes;

/** How reports call what a tensor is stored as. */
export const storageLabel = (tensor: Tensor): string => {
  if (tensor.codec === null) return tensor.type.name;
  if (tensor.format !== undefined) return tensor.format;
  return `${codecLabel(tensor.codec)}${tensor.scale === undefined ? '' : ' scaled'}`;
};

/** How reports call what a tensor becomes. */
export const targetLabel = (target: Target): string =>
  target.kind === 'codec' ? codecLabel(target.codec) : target.type.name;

/** The file that a tensor begins in. Every tensor has at least one range, an empty one too. */
export const sourceOf = ({ name, planes }: Pick<Tensor, 'name' | 'planes'>): ByteSource => {
  const source = planes[0]?.[0]?.source;
  if (source === undefined) throw new RangeError(`the tensor ${name} lies nowhere`);
  return source;
};

/** By UTF-16 code units, as the batch functions sort. */
export const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : Number(a.name > b.name);
