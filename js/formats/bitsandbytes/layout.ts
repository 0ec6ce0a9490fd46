import { codecNamed, planeBytes, type Codec } from '../../codecs/codec.js';
import type { PlannedEntry } from '../../containers/container.js';
import type { EntryContent, FinishingTools, OutputLayout, TensorParts } from '../../layouts/layout.js';
import { plain } from '../../layouts/plain.js';
import type { PlannedTensor } from '../../layouts/tensor.js';
import { torchMean } from './mean.js';
import { quantStateBytes } from './quant-state.js';

/** Weights that share a scale. */
export const BLOCK_SIZE = 64;
/** Scales that share one, where they are quantized. */
const NESTED_BLOCK_SIZE = 256;
const SCALE_BYTES = 4;
const PREFIX = 'bnb_';

/** What a model's tensors have in common, and what is known of each. */
export interface BitsandbytesModel {
  readonly type: 'nf4' | 'fp4';
  /** The values of the codes. */
  readonly map: Float32Array;
  /** Those of the scales' codes, and the mean of the scales of each tensor, by its name; null where scales stay floats. */
  readonly nested: { readonly map: Float32Array; readonly means: ReadonlyMap<string, number> } | null;
}

/** The codec of the weights. */
export const codecOf = ({ type }: Pick<BitsandbytesModel, 'type'>): Codec => ({
  ...{ name: PREFIX + type, bits: 0, groupSize: BLOCK_SIZE, symmetric: false },
});

const isOwn = ({ name }: Codec): boolean => name.startsWith(PREFIX);

const isQuantized = ({ target }: PlannedTensor): boolean => target.kind === 'codec' && isOwn(target.codec);

/** An entry, and what it is made of. */
interface Described {
  readonly entry: PlannedEntry;
  readonly content: EntryContent;
}

/**
 * The entries of bitsandbytes for a tensor `x.weight`: under its name two codes in a byte, as one column; `.absmax`, the scales;
 * `.quant_map`, the values of the codes; `.quant_state.bitsandbytes__TYPE`, a text with the rest. Scales that are quantized have
 * `.nested_absmax` and `.nested_quant_map` besides. What is not quantized lies as it is.
 */
export const bitsandbytes = (model: BitsandbytesModel): OutputLayout => ({
  name: 'bitsandbytes',
  admits: (codec) => (isOwn(codec) ? null : plain.admits(codec)),
  entriesOf: (tensor) =>
    isQuantized(tensor) ? describe(tensor, model).map(({ entry }) => entry) : plain.entriesOf(tensor),
  partsOf: (tensor) => (isQuantized(tensor) ? partsOf(tensor, model) : null),
  textsOf: () => new Map(),
});

function partsOf(tensor: PlannedTensor, model: BitsandbytesModel): TensorParts {
  const contents = describe(tensor, model).map(({ content }) => content);
  return model.nested === null ? { contents, kept: [] } : { contents, kept: [1], make: nestedScales };
}

/** Scales as codes, and what those are to be multiplied with; their mean is subtracted first. */
async function nestedScales(
  [plane = new Uint8Array()]: readonly Uint8Array[],
  tools: FinishingTools,
): Promise<readonly Uint8Array[]> {
  const scales = new Float32Array(plane.slice().buffer);
  const mean = torchMean(scales);
  return tools.encode(
    scales.map((scale) => scale - mean),
    codecNamed('bnb_absmax8'),
  );
}

function describe(tensor: PlannedTensor, { type, map, nested }: BitsandbytesModel): readonly Described[] {
  const { name, elements, dtype, shape } = tensor;
  const codec = codecOf({ type });
  const blocks = planeBytes(codec, 1, elements) / SCALE_BYTES;
  const bytes = planeBytes(codec, 0, elements);
  const entry = (suffix: string, element: string, sizes: readonly number[], content: EntryContent): Described => {
    const length = sizes.reduce((product, size) => product * size, element === 'U8' ? 1 : SCALE_BYTES);
    return { entry: { name: name + suffix, type: { name: element }, shape: sizes, bytes: length }, content };
  };
  const state = quantStateBytes({
    ...{ type, blockSize: BLOCK_SIZE, dtype, shape },
    ...(nested !== null && { nested: { blockSize: NESTED_BLOCK_SIZE, offset: nested.means.get(name) ?? 0 } }),
  });
  const all = [
    entry('', 'U8', [bytes, 1], 0),
    entry('.quant_map', 'F32', [map.length], bytesOf(map)),
    entry(`.quant_state.bitsandbytes__${type}`, 'U8', [state.length], state),
  ];
  if (nested === null) return [...all, entry('.absmax', 'F32', [blocks], 1)];
  return [
    ...all,
    entry('.absmax', 'U8', [blocks], 'made'),
    entry('.nested_absmax', 'F32', [Math.ceil(blocks / NESTED_BLOCK_SIZE)], 'made'),
    entry('.nested_quant_map', 'F32', [nested.map.length], bytesOf(nested.map)),
  ];
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
