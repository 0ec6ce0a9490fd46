/** Small GGUF language models with seeded weights, written and read without the code under test. */
import { Random } from './block-weights.mjs';

const ALIGNMENT = 32;

/** Numbers in `enum gguf_type`. */
const KV_TYPES = { uint32: 4, int32: 5, float32: 6, string: 8, array: 9 };

/** Numbers in `enum ggml_type`, of the types that the models here and their quantized forms have. */
export const GGML_TYPE_NUMBERS = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  IQ2_XXS: 16,
  IQ2_XS: 17,
  IQ3_XXS: 18,
  IQ1_S: 19,
  IQ4_NL: 20,
  IQ3_S: 21,
  IQ2_S: 22,
  IQ4_XS: 23,
  I32: 26,
  IQ1_M: 29,
  BF16: 30,
  TQ1_0: 34,
  TQ2_0: 35,
  MXFP4: 39,
  NVFP4: 40,
  Q1_0: 41,
  Q2_0: 42,
};
const TYPE_NAMES = new Map(Object.entries(GGML_TYPE_NUMBERS).map(([name, number]) => [number, name]));

/** Weights and bytes of a block. */
const BLOCKS = {
  F32: [1, 4],
  I32: [1, 4],
  F16: [1, 2],
  BF16: [1, 2],
  Q4_0: [32, 18],
  Q4_1: [32, 20],
  Q5_0: [32, 22],
  Q5_1: [32, 24],
  Q8_0: [32, 34],
  Q2_K: [256, 84],
  Q3_K: [256, 110],
  Q4_K: [256, 144],
  Q5_K: [256, 176],
  Q6_K: [256, 210],
  IQ4_NL: [32, 18],
  IQ4_XS: [256, 136],
  IQ2_XXS: [256, 66],
  IQ2_XS: [256, 74],
  IQ2_S: [256, 82],
  IQ3_XXS: [256, 98],
  IQ3_S: [256, 110],
  IQ1_S: [256, 50],
  IQ1_M: [256, 56],
  TQ1_0: [256, 54],
  TQ2_0: [256, 66],
  MXFP4: [32, 17],
  NVFP4: [64, 36],
  Q1_0: [128, 18],
  Q2_0: [64, 18],
};

const padded = (bytes) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
const product = (shape) => shape.reduce((count, extent) => count * extent, 1);

/** Fixed-size little-endian pieces, joined at the end. */
class Pieces {
  parts = [];
  #number(bytes, write) {
    const part = Buffer.alloc(bytes);
    write(part);
    this.parts.push(part);
  }
  u32 = (value) => this.#number(4, (part) => part.writeUInt32LE(value));
  i32 = (value) => this.#number(4, (part) => part.writeInt32LE(value));
  f32 = (value) => this.#number(4, (part) => part.writeFloatLE(value));
  u64 = (value) => this.#number(8, (part) => part.writeBigUInt64LE(BigInt(value)));
  string(text) {
    const bytes = Buffer.from(text);
    this.u64(bytes.length);
    this.parts.push(bytes);
  }
  value(type, value) {
    this.i32(KV_TYPES[type]);
    this.#bare(type, value);
  }
  #bare(type, value) {
    if (type === 'string') this.string(value);
    else if (type === 'float32') this.f32(value);
    else if (type === 'int32') this.i32(value);
    else if (type === 'uint32') this.u32(value);
    else {
      this.i32(KV_TYPES[value.type]);
      this.u64(value.elements.length);
      for (const element of value.elements) this.#bare(value.type, element);
    }
  }
}

/** Whole numbers · 2^exponent are exact in F16 and BF16 when they are small: the same weights in each type. */
function weightBytes(type, count, random, name) {
  if (type === 'I32') return Buffer.from(Int32Array.from({ length: count }, () => random.below(8)).buffer);
  const [center, scale] = /norm\.weight$/u.test(name) ? [1, 2 ** -10] : [0, 2 ** -11];
  const floats = new Float32Array(count);
  for (let i = 0; i < count; ++i) floats[i] = center + (random.below(128) + random.below(128) - 127) * scale;
  if (type === 'F32') return Buffer.from(floats.buffer);
  const words = new Uint32Array(floats.buffer);
  const narrow = type === 'BF16' ? (word) => word >>> 16 : halfOf;
  const halves = new Uint16Array(count);
  for (let i = 0; i < count; ++i) halves[i] = narrow(words[i]);
  return Buffer.from(halves.buffer);
}

/** F16 bits of the F32 bits of a number that F16 holds exactly and not as a subnormal. */
function halfOf(word) {
  const sign = (word >>> 16) & 0x8000;
  return (word & 0x7fffffff) === 0 ? sign : sign | ((((word >>> 23) & 0xff) - 112) * 1024) | ((word >>> 13) & 0x3ff);
}

/**
 * Bytes of a GGUF file. `keyValues` are [key, type, value], an array's value being `{type, elements}`; `tensors` have a
 * name, a type, and a shape in torch order, and get weights that depend on `seed` and their place.
 */
export function ggufFile({ keyValues, tensors, seed = 1 }) {
  const head = new Pieces();
  head.parts.push(Buffer.from('GGUF'));
  head.u32(3);
  head.u64(tensors.length);
  head.u64(keyValues.length);
  for (const [key, type, value] of keyValues) {
    head.string(key);
    head.value(type, value);
  }
  let offset = 0;
  const data = tensors.map(({ name, type, shape }, i) => {
    const bytes = weightBytes(type, product(shape), new Random(seed * 1000 + i), name);
    head.string(name);
    head.u32(shape.length);
    for (const extent of shape.toReversed()) head.u64(extent);
    head.i32(GGML_TYPE_NUMBERS[type]);
    head.u64(offset);
    offset += padded(bytes.length);
    return Buffer.concat([bytes, Buffer.alloc(padded(bytes.length) - bytes.length)]);
  });
  const header = Buffer.concat(head.parts);
  return Buffer.concat([header, Buffer.alloc(padded(header.length) - header.length), ...data]);
}

/** A vocabulary of the kind `llama`: unknown, begin, end, and the bytes. */
function vocabulary(size) {
  const bytes = Array.from({ length: size - 3 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
  const tokens = ['<unk>', '<s>', '</s>', ...bytes];
  return [
    ['tokenizer.ggml.model', 'string', 'llama'],
    ['tokenizer.ggml.tokens', 'array', { type: 'string', elements: tokens }],
    ['tokenizer.ggml.scores', 'array', { type: 'float32', elements: tokens.map(() => 0) }],
    [
      'tokenizer.ggml.token_type',
      'array',
      { type: 'int32', elements: tokens.map((_, i) => (i === 0 ? 2 : i < 3 ? 3 : 6)) },
    ],
  ];
}

/** Every byte has a token. */
export const VOCABULARY = 259;

/** Tensors of block `layer`. */
function blockTensors(layer, { type, width, hidden, heads, kvHeads, experts, fused, biases }) {
  const kvWidth = (width / heads) * kvHeads;
  const weight = (name, shape) => ({ name: `blk.${layer}.${name}.weight`, type, shape });
  const vector = (name, extent) => ({ name: `blk.${layer}.${name}`, type: 'F32', shape: [extent] });
  const attention = fused
    ? [weight('attn_qkv', [width + 2 * kvWidth, width])]
    : [
        weight('attn_q', [width, width]),
        weight('attn_k', [kvWidth, width]),
        weight('attn_v', [kvWidth, width]),
        ...(biases
          ? [vector('attn_q.bias', width), vector('attn_k.bias', kvWidth), vector('attn_v.bias', kvWidth)]
          : []),
      ];
  const feedForward =
    experts > 0
      ? [
          { ...weight('ffn_gate_inp', [experts, width]), type: 'F32' },
          weight('ffn_gate_exps', [experts, hidden, width]),
          weight('ffn_down_exps', [experts, width, hidden]),
          weight('ffn_up_exps', [experts, hidden, width]),
        ]
      : [weight('ffn_gate', [hidden, width]), weight('ffn_down', [width, hidden]), weight('ffn_up', [hidden, width])];
  const norms = [vector('attn_norm.weight', width), vector('ffn_norm.weight', width)];
  return [...norms, ...attention, weight('attn_output', [width, width]), ...feedForward];
}

/** The parts of a small model that `ggufFile` makes a file of; `extra` tensors come last. */
export function tinyLlama(options = {}) {
  const {
    architecture = 'llama',
    type = 'F16',
    layers = 8,
    width = 256,
    hidden = 512,
    heads = 8,
    kvHeads = 2,
  } = options;
  const { experts = 0, tied = false, fused = false, biases = false, seed = 1, extra = [] } = options;
  const key = (name) => `${architecture}.${name}`;
  const counts = [
    ['block_count', layers],
    ['context_length', 64],
    ['embedding_length', width],
    ['feed_forward_length', hidden],
    ['attention.head_count', heads],
    ['attention.head_count_kv', kvHeads],
    ['rope.dimension_count', width / heads],
    ['vocab_size', VOCABULARY],
    ...(experts > 0
      ? [
          ['expert_count', experts],
          ['expert_used_count', 2],
        ]
      : []),
  ];
  const keyValues = [
    ['general.architecture', 'string', architecture],
    ['general.file_type', 'uint32', 1],
    ...counts.map(([name, value]) => [key(name), 'uint32', value]),
    [key('attention.layer_norm_rms_epsilon'), 'float32', 1e-5],
    [key('attention.layer_norm_epsilon'), 'float32', 1e-5],
    ...vocabulary(VOCABULARY),
  ];
  const block = { type, width, hidden, heads, kvHeads, experts, fused, biases };
  const tensors = [
    { name: 'token_embd.weight', type, shape: [VOCABULARY, width] },
    ...Array.from({ length: layers }, (_, layer) => blockTensors(layer, block)).flat(),
    { name: 'output_norm.weight', type: 'F32', shape: [width] },
    ...(tied ? [] : [{ name: 'output.weight', type, shape: [VOCABULARY, width] }]),
    ...extra,
  ];
  return { keyValues, tensors, seed };
}

/**
 * What a GGUF file holds; of tensors their type, shape in torch order, and bytes.
 *
 * @returns {{keyValues: Map<string, unknown>, tensors: {name: string, type: string, shape: number[], bytes: Buffer}[]}}
 */
export function readGguf(file) {
  let at = 8;
  const take = (bytes) => (at += bytes) - bytes;
  const u64 = () => Number(file.readBigUInt64LE(take(8)));
  const string = () => {
    const bytes = u64();
    return file.toString('utf8', take(bytes), at);
  };
  const readers = [
    () => file.readUInt8(take(1)),
    () => file.readInt8(take(1)),
    () => file.readUInt16LE(take(2)),
    () => file.readInt16LE(take(2)),
    () => file.readUInt32LE(take(4)),
    () => file.readInt32LE(take(4)),
    () => file.readFloatLE(take(4)),
    () => file.readUInt8(take(1)) !== 0,
    string,
    () => {
      const type = file.readInt32LE(take(4));
      return Array.from({ length: u64() }, () => readers[type]());
    },
    u64,
    () => Number(file.readBigInt64LE(take(8))),
    () => file.readDoubleLE(take(8)),
  ];
  const [tensorCount, keyValueCount] = [u64(), u64()];
  const keyValues = new Map();
  for (let i = 0; i < keyValueCount; ++i) {
    const key = string();
    keyValues.set(key, readers[file.readInt32LE(take(4))]());
  }
  const infos = Array.from({ length: tensorCount }, () => {
    const name = string();
    const shape = Array.from({ length: file.readUInt32LE(take(4)) }, u64).reverse();
    return { name, shape, type: TYPE_NAMES.get(file.readInt32LE(take(4))), offset: u64() };
  });
  const start = padded(at);
  const tensors = infos.map(({ name, shape, type, offset }) => {
    const [weights, blockBytes] = BLOCKS[type];
    const bytes = (product(shape) / weights) * blockBytes;
    return { name, type, shape, bytes: file.subarray(start + offset, start + offset + bytes) };
  });
  return { keyValues, tensors };
}

/** By name, a one for each column of each of a tensor's matrices. */
export const importanceOfOnes = (tensors) =>
  new Map(tensors.map(({ name, shape }) => [name, new Float32Array(shape.at(-1) * (shape.at(-3) ?? 1)).fill(1)]));
