/** Checkpoints of decoders in the layout of transformers, of any size, with seeded weights in BF16. */
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { Random } from './block-weights.mjs';

/** So many weights are drawn; tensors take theirs from them, each from another place on. */
const POOL_WEIGHTS = 2 ** 20;
const MATRIX_SCALE = 2 ** -22;
const NORM_SCALE = 2 ** -20;

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** Cut off to BF16. */
function bfloatOf(value) {
  scratch[0] = value;
  return scratchBits[0] >>> 16;
}

function poolOf(seed, center, scale, weights) {
  const random = new Random(seed);
  return Uint16Array.from({ length: weights }, () => bfloatOf(center + random.bell() * scale));
}

const poolsOf = (seed, weights) => ({
  matrices: poolOf(seed, 0, MATRIX_SCALE, weights),
  norms: poolOf(seed + 1, 1, NORM_SCALE, Math.min(weights, 2 ** 16)),
});

const feedForward = (prefix, hidden, width) => [
  [`${prefix}.down_proj.weight`, [hidden, width]],
  [`${prefix}.gate_proj.weight`, [width, hidden]],
  [`${prefix}.up_proj.weight`, [width, hidden]],
];

function layerTensors(layer, config) {
  const { hidden_size: hidden, num_attention_heads: heads, num_key_value_heads: kvHeads } = config;
  const { head_dim: headWidth = hidden / heads, num_experts: experts = 0 } = config;
  const at = `model.layers.${layer}`;
  const experted = Array.from({ length: experts }, (_, expert) =>
    feedForward(`${at}.mlp.experts.${expert}`, hidden, config.moe_intermediate_size),
  );
  return [
    [`${at}.input_layernorm.weight`, [hidden]],
    [`${at}.post_attention_layernorm.weight`, [hidden]],
    [`${at}.self_attn.q_proj.weight`, [heads * headWidth, hidden]],
    [`${at}.self_attn.k_proj.weight`, [kvHeads * headWidth, hidden]],
    [`${at}.self_attn.v_proj.weight`, [kvHeads * headWidth, hidden]],
    [`${at}.self_attn.o_proj.weight`, [hidden, heads * headWidth]],
    ...(config.model_type.startsWith('qwen3')
      ? ['q_norm', 'k_norm'].map((name) => [`${at}.self_attn.${name}.weight`, [headWidth]])
      : []),
    ...(experts > 0
      ? [[`${at}.mlp.gate.weight`, [experts, hidden]], ...experted.flat()]
      : feedForward(`${at}.mlp`, hidden, config.intermediate_size)),
  ];
}

/**
 * Names and shapes of what a model of this config.json has: `model_type` llama, qwen3 or qwen3_moe.
 *
 * @returns {[string, number[]][]}
 */
export function checkpointTensors(config) {
  const { hidden_size: hidden, vocab_size: vocabulary, num_hidden_layers: layers, tie_word_embeddings: tied } = config;
  return [
    ['model.embed_tokens.weight', [vocabulary, hidden]],
    ...Array.from({ length: layers }, (_, layer) => layerTensors(layer, config)).flat(),
    ['model.norm.weight', [hidden]],
    ...(tied ? [] : [['lm_head.weight', [vocabulary, hidden]]]),
  ];
}

const product = (shape) => shape.reduce((count, extent) => count * extent, 1);

const bytesOf = (tensors) => tensors.reduce((sum, [, shape]) => sum + 2 * product(shape), 0);

/** A safetensors header in the order of names, as their writer has it. */
function headerOf(tensors) {
  let at = 0;
  const entries = tensors.map(([name, shape]) => {
    at += 2 * product(shape);
    return [name, { dtype: 'BF16', shape, data_offsets: [at - 2 * product(shape), at] }];
  });
  const text = JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) });
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded]);
}

function writeAll(handle, bytes) {
  for (let at = 0; at < bytes.length;) at += writeSync(handle, bytes, at);
}

/** `count` of the pool's weights from `begin` on, and again from the first on when it ends. */
function writeWeights(handle, pool, begin, count) {
  for (let at = begin % pool.length, left = count; left > 0; at = 0) {
    const end = Math.min(pool.length, at + left);
    writeAll(handle, new Uint8Array(pool.buffer, 2 * at, 2 * (end - at)));
    left -= end - at;
  }
}

/** Without pools, all weights are zeros that take no room on the disk. */
function writeShard(file, tensors, pools) {
  const sorted = tensors.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const handle = openSync(file, 'w');
  try {
    const header = headerOf(sorted);
    writeAll(handle, header);
    if (pools === null) return ftruncateSync(handle, header.length + bytesOf(sorted));
    for (const [name, shape] of sorted) {
      const pool = name.endsWith('norm.weight') ? pools.norms : pools.matrices;
      writeWeights(handle, pool, Math.imul(name.length + product(shape), 40_503) >>> 0, product(shape));
    }
  } finally {
    closeSync(handle);
  }
}

/** Cuts a list into parts of about the same number. */
function partsOf(list, count) {
  const each = Math.ceil(list.length / count);
  return Array.from({ length: count }, (_, i) => list.slice(i * each, (i + 1) * each));
}

/**
 * Writes config.json and the weights, `shards` files of them; the tokenizer is the caller's to add. With `zeros` the weights are
 * zeros, and take no room on the disk.
 *
 * @param {string} folder Made where it is not there.
 */
export function writeCheckpoint(folder, config, options = {}) {
  const { shards = 1, seed = 1, poolWeights = POOL_WEIGHTS, zeros = false } = options;
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config, null, 2));
  const pools = zeros ? null : poolsOf(seed, poolWeights);
  const tensors = checkpointTensors(config);
  if (shards === 1) return writeShard(path.join(folder, 'model.safetensors'), tensors, pools);
  const number = (value) => String(value).padStart(5, '0');
  const files = partsOf(tensors, shards).map((part, i) => ({
    part,
    file: `model-${number(i + 1)}-of-${number(shards)}.safetensors`,
  }));
  for (const { file, part } of files) writeShard(path.join(folder, file), part, pools);
  const map = Object.fromEntries(files.flatMap(({ file, part }) => part.map(([name]) => [name, file])));
  const index = { metadata: { total_size: bytesOf(tensors) }, weight_map: map };
  writeFileSync(path.join(folder, 'model.safetensors.index.json'), JSON.stringify(index, null, 2));
}
