import { codecNamed, planeBytes, type Codec } from '../../codecs/codec.js';
import type { PlannedEntry } from '../../containers/container.js';
import type { FinishingTools, OutputLayout, TensorParts } from '../../layouts/layout.js';
import { plain } from '../../layouts/plain.js';
import type { PlannedTensor } from '../../layouts/tensor.js';

const WEIGHT = '.weight';
const WORD_WEIGHTS = 8;
/** Weights of a row that share a scale. */
export const GROUP_SIZE = 32;
const HALF_BYTES = 2;

/** Weights by 8 in a word, with scales of F16, or of F32, which files have as BF16. */
export const Q4F16 = 'mlc_q4f16';
export const Q4F32 = 'mlc_q4f32';

const isOwn = ({ name }: Codec): boolean => name === Q4F16 || name === Q4F32;

/**
 * The entries of MLC-LLM for a tensor `x.weight`: `x.q_weight` and `x.q_scale`. What is not quantized lies under its name; of
 * norms that Gemma has, `plusOne` finds those that have one added to each weight.
 */
export const mlcLayout = (plusOne: RegExp | undefined, floats: 'F16' | 'BF16'): OutputLayout => ({
  name: 'mlc',
  admits: (codec) => (isOwn(codec) ? null : plain.admits(codec)),
  entriesOf: (tensor) => {
    if (tensor.target.kind === 'codec' && isOwn(tensor.target.codec)) return packedEntries(tensor, tensor.target.codec);
    return isRaised(tensor, plusOne) ? [raisedEntry(tensor, floats)] : plain.entriesOf(tensor);
  },
  partsOf: (tensor) => {
    if (tensor.target.kind === 'codec' && tensor.target.codec.name === Q4F32) return narrowedScales;
    return isRaised(tensor, plusOne) ? raised(floats) : null;
  },
  textsOf: () => new Map(),
});

function packedEntries({ name, shape, elements }: PlannedTensor, codec: Codec): readonly PlannedEntry[] {
  const module = name.endsWith(WEIGHT) ? name.slice(0, -WEIGHT.length) : name;
  const rows = shape.slice(0, -1);
  const columns = shape.at(-1) ?? 0;
  const [levels, scales] = [planeBytes(codec, 0, elements), (elements / GROUP_SIZE) * HALF_BYTES];
  return [
    { name: `${module}.q_weight`, type: { name: 'U32' }, shape: [...rows, columns / WORD_WEIGHTS], bytes: levels },
    {
      name: `${module}.q_scale`,
      type: { name: codec.name === Q4F16 ? 'F16' : 'BF16' },
      shape: [...rows, columns / GROUP_SIZE],
      bytes: scales,
    },
  ];
}

/** Scales of F32 are written as BF16. */
const narrowedScales: TensorParts = {
  contents: [0, 'made'],
  kept: [1],
  make: async ([scales = new Uint8Array()], tools) => [await encoded(floatsOf(scales), 'BF16', tools)],
};

/** Whether a tensor gets one added: then it is F32 on its way. */
const isRaised = ({ name, target }: PlannedTensor, plusOne: RegExp | undefined): boolean =>
  plusOne?.test(name) === true && target.kind === 'codec' && target.codec.name === 'F32';

const raisedEntry = ({ name, shape, elements }: PlannedTensor, floats: string): PlannedEntry => ({
  name,
  type: { name: floats },
  shape,
  bytes: elements * HALF_BYTES,
});

const raised = (floats: string): TensorParts => ({
  contents: ['made'],
  kept: [0],
  make: async ([values = new Uint8Array()], tools) => [
    await encoded(
      floatsOf(values).map((value) => value + 1),
      floats,
      tools,
    ),
  ],
});

const floatsOf = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.slice().buffer);

async function encoded(values: Float32Array, type: string, tools: FinishingTools): Promise<Uint8Array> {
  const [plane = new Uint8Array()] = await tools.encode(values, codecNamed(type));
  return plane;
}
