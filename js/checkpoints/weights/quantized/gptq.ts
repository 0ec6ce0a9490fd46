import { TransposedSource } from '../../../io/transposed-source.js';
import type { Tensor } from '../../../layouts/tensor.js';
import type { Weight } from '../weight.js';
import { besides, damaged, decodedWeight, floatsAt, planeIn, shapeText, wordsAt, type Block } from './rows.js';

const WORD_BITS = 32;
/** What is held of a layer while it is decoded, besides its weights: far more than the scales of any layer take. */
const MOST_HELD = 2 ** 24;

/** How integers are packed, as the model's config says. */
export interface GptqPacking {
  readonly bits: 2 | 4 | 8;
  /** What is added to zero points as they are stored: one but in newer files. */
  readonly zeroOffset: 0 | 1;
}

/** A layer as it is stored. */
interface Layer {
  /** [inputs / integers of a word, outputs] */
  readonly words: Tensor;
  /** [groups, outputs / integers of a word] */
  readonly zeros: Tensor;
  /** [groups, outputs] */
  readonly scales: Tensor;
  /** The group of each input. */
  readonly groups: Tensor;
}

/** What all rows need. */
interface Shared {
  readonly groups: Int32Array;
  readonly scales: Float32Array;
  readonly zeros: Int32Array;
}

/**
 * Integers of GPTQ, under the name `base`: words of 32 bits that run down the inputs, with scales and zero points for groups of
 * inputs, which `g_idx` names. Weight = f32(integer − zero point) · f32(scale), rounded to F32, and has an output in each row.
 * Throws `invalid_file` where shapes contradict each other; reads reject with it where a group is named that there is not.
 */
export function gptqWeight(base: string, packing: GptqPacking, tensors: ReadonlyMap<string, Tensor>): Weight {
  const words = tensors.get(`${base}.qweight`);
  if (words === undefined) throw new RangeError(`there is no ${base}.qweight`);
  const layer: Layer = {
    words,
    zeros: besides(words, `${base}.qzeros`, tensors),
    scales: besides(words, `${base}.scales`, tensors),
    groups: besides(words, `${base}.g_idx`, tensors),
  };
  const [down = 0, outputs = 0] = words.shape;
  const inputs = (down * WORD_BITS) / packing.bits;
  checkShapes(layer, packing, inputs, outputs);
  // An output is a column of words: read so that it is a row.
  const source = new TransposedSource(planeIn(words), { rows: down, columns: outputs, width: 4 });
  const turned = { ...words, shape: [outputs, down], planes: [[{ source, begin: 0, bytes: source.size }]] };
  let held: Promise<Shared> | null = null;
  return decodedWeight({
    ...{
      name: `${base}.weight`,
      shape: [outputs, inputs],
      parts: Object.values(layer),
      format: `gptq int${packing.bits}`,
    },
    decode: async (block, into) => {
      const reading = (held ??= sharedOf(layer));
      try {
        await decode({ turned, shared: await reading, packing }, block, into);
      } finally {
        // Nobody is likely to ask for more behind the end: other layers need the room.
        if (block.row + block.rows === outputs && block.column + block.columns === inputs) held = null;
      }
    },
  });
}

function checkShapes({ words, zeros, scales, groups }: Layer, { bits }: GptqPacking, inputs: number, outputs: number) {
  const [count = 0] = scales.shape;
  const isWhole =
    words.shape.length === 2 && words.dtype === 'I32' && words.elements > 0 && Number.isSafeInteger(inputs * outputs);
  if (!isWhole || (outputs * bits) % WORD_BITS !== 0) {
    throw damaged(words, `is ${shapeText(words)}, which is no matrix of words with integers of ${bits} bits`);
  }
  const isFloat = ['F32', 'F16', 'BF16'].includes(scales.dtype);
  const isMeant = count > 0 && count <= inputs && count * outputs <= MOST_HELD;
  if (!isFloat || !isMeant || String(scales.shape) !== String([count, outputs])) {
    throw damaged(
      words,
      `needs scales for groups of its ${inputs} inputs and ${outputs} outputs, and has ${shapeText(scales)}`,
    );
  }
  const across = (outputs * bits) / WORD_BITS;
  if (zeros.dtype !== 'I32' || String(zeros.shape) !== String([count, across])) {
    throw damaged(words, `needs [${count}, ${across}] I32 of zero points, and has ${shapeText(zeros)}`);
  }
  if (groups.dtype !== 'I32' || groups.shape.length !== 1 || groups.elements !== inputs) {
    throw damaged(words, `needs the group of each of its ${inputs} inputs, and has ${shapeText(groups)}`);
  }
}

async function sharedOf({ groups: names, scales, zeros }: Layer): Promise<Shared> {
  const groups = await wordsAt(names, 0, names.elements);
  const [count = 0] = scales.shape;
  const wrong = groups.findIndex((group) => group < 0 || group >= count);
  if (wrong >= 0) throw damaged(names, `names group ${groups[wrong] ?? 0} of ${count}`);
  return { groups, scales: await floatsAt(scales, 0, scales.elements), zeros: await wordsAt(zeros, 0, zeros.elements) };
}

/** A layer that has been looked into. */
interface Opened {
  /** Its words, a row for each output. */
  readonly turned: Tensor;
  readonly shared: Shared;
  readonly packing: GptqPacking;
}

async function decode({ turned, shared, packing }: Opened, block: Block, values: Float32Array): Promise<void> {
  const { row: first, rows, column, columns } = block;
  const [outputs = 0, across = 0] = turned.shape;
  const { bits, zeroOffset } = packing;
  const [per, mask] = [WORD_BITS / bits, 2 ** bits - 1];
  const begin = Math.floor(column / per);
  const stored = rows === 1 ? Math.ceil((column + columns) / per) - begin : across;
  const words = await wordsAt(turned, first * across + begin, rows * stored);
  const count = shared.scales.length / outputs;
  const zeros = new Int32Array(count);
  const scales = new Float32Array(count);
  for (let row = 0, at = 0; row < rows; ++row) {
    const output = first + row;
    for (let group = 0; group < count; ++group) {
      scales[group] = shared.scales[group * outputs + output] ?? 0;
      const word = shared.zeros[(group * outputs) / per + Math.floor(output / per)] ?? 0;
      zeros[group] = ((word >>> ((output % per) * bits)) & mask) + zeroOffset;
    }
    for (let input = column; input < column + columns; ++input, ++at) {
      const word = words[row * stored + Math.floor(input / per) - begin] ?? 0;
      const group = shared.groups[input] ?? 0;
      values[at] = (((word >>> ((input % per) * bits)) & mask) - (zeros[group] ?? 0)) * (scales[group] ?? 0);
    }
  }
}
