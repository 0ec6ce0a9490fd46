/**
 * The matrices of one layer as quantized checkpoints in the layout of transformers have them, made of numbers that look random, with
 * the SHA-256 of the F32 that llama.cpp 0.5.0's converter makes of them, one after the other in its order.
 */
import { noise } from './quantized.mjs';

const kHidden = 160;
const kFeedForward = 224;

/** Rows and columns of each; a model of 4 heads of 32, with 2 of keys and values, and these sizes has them. */
const kShapes = {
  'self_attn.q_proj': [128, kHidden],
  'self_attn.k_proj': [64, kHidden],
  'self_attn.v_proj': [64, kHidden],
  'self_attn.o_proj': [kHidden, 128],
  'mlp.gate_proj': [kFeedForward, kHidden],
  'mlp.up_proj': [kFeedForward, kHidden],
  'mlp.down_proj': [kHidden, kFeedForward],
};

const ceil = (a, b) => Math.ceil(a / b);
const product = (shape) => shape.reduce((count, size) => count * size, 1);

let seed = 0;
const bytes = (count) => noise(count, 256, ++seed);

const tensor = (name, dtype, shape, content) => ({ name, dtype, shape, bytes: Buffer.from(content) });
const words = (name, shape) => tensor(name, 'I32', shape, bytes(product(shape) * 4));

/** Numbers from 0.001 to about 0.004, in each type that scales have. */
function scales(name, dtype, shape) {
  const values = Float32Array.from(noise(product(shape), 4096, ++seed), (one) => 2 ** -10 * (1 + one / 1365));
  const bits = new Uint32Array(values.buffer);
  if (dtype === 'F32') return tensor(name, dtype, shape, new Uint8Array(values.buffer));
  // None has a mantissa that F16 would have to round at its lowest bits: cut.
  const halves = Uint16Array.from(bits, (one) => (dtype === 'BF16' ? one >>> 16 : (one - 0x38000000) >>> 13));
  return tensor(name, dtype, shape, new Uint8Array(halves.buffer));
}

/** fp8 of every value but NaN and infinity. */
const fp8 = (name, dtype, shape) => {
  const isFinite = dtype === 'F8_E4M3' ? (one) => (one & 0x7f) !== 0x7f : (one) => (one & 0x7c) !== 0x7c;
  return tensor(
    name,
    dtype,
    shape,
    bytes(product(shape)).map((one) => (isFinite(one) ? one : 0x35)),
  );
};

const layer = (make) => {
  seed = 0;
  return Object.entries(kShapes).flatMap(([name, [rows, columns]]) => make(`model.layers.0.${name}`, rows, columns));
};

const compressed = (format, weights) => ({
  quant_method: 'compressed-tensors',
  format,
  config_groups: { group_0: { targets: ['Linear'], weights, input_activations: null } },
});

const packed = (bits, group, dtype, hasZeroPoints) => ({
  config: compressed('pack-quantized', { num_bits: bits, strategy: 'group', group_size: group, type: 'int' }),
  tensors: () =>
    layer((name, rows, columns) => {
      const per = 32 / bits;
      const shape = new BigInt64Array([BigInt(rows), BigInt(columns)]);
      const zeroPoints = words(`${name}.weight_zero_point`, [ceil(rows, per), columns / group]);
      return [
        words(`${name}.weight_packed`, [rows, ceil(columns, per)]),
        scales(`${name}.weight_scale`, dtype, [rows, columns / group]),
        tensor(`${name}.weight_shape`, 'I64', [2], new Uint8Array(shape.buffer)),
        ...(hasZeroPoints ? [zeroPoints] : []),
      ];
    }),
});

const gptq = (bits, config, order) => ({
  config: { quant_method: 'gptq', bits, group_size: 32, ...config },
  tensors: () =>
    layer((name, outputs, inputs) => {
      const per = 32 / bits;
      const groups = Int32Array.from({ length: inputs }, (_, input) => order(input, inputs / 32));
      return [
        words(`${name}.qweight`, [inputs / per, outputs]),
        words(`${name}.qzeros`, [inputs / 32, outputs / per]),
        scales(`${name}.scales`, 'F16', [inputs / 32, outputs]),
        tensor(`${name}.g_idx`, 'I32', [inputs], new Uint8Array(groups.buffer)),
      ];
    }),
});

const inOrder = (input) => Math.floor(input / 32);
const byActivation = (input, groups) => (input * 7 + Math.floor(input / 5)) % groups;

const scaled = (config, dtype, scaleType, suffix, scaleShape) => ({
  config,
  tensors: () =>
    layer((name, rows, columns) => [
      dtype === 'I8'
        ? tensor(`${name}.weight`, dtype, [rows, columns], bytes(rows * columns))
        : fp8(`${name}.weight`, dtype, [rows, columns]),
      scales(`${name}.weight${suffix}`, scaleType, scaleShape(rows, columns)),
      scales(`${name}.activation_scale`, 'F32', []),
    ]),
});

const tiles = (size) => (rows, columns) => [ceil(rows, size), ceil(columns, size)];
const perRow = (rows) => [rows, 1];
const single = () => [];

const kChannel = { num_bits: 8, strategy: 'channel', type: 'float', group_size: null };
const withoutActivations = ({ config, tensors }) => ({
  config,
  tensors: () => tensors().filter(({ name }) => !name.endsWith('activation_scale')),
});

export const kQuantizedCheckpoints = {
  'fp8 in tiles': scaled(
    { quant_method: 'fp8', weight_block_size: [128, 128] },
    ...['F8_E4M3', 'F32', '_scale_inv', tiles(128)],
  ),
  'fp8 of five exponent bits in tiles': scaled(
    { quant_method: 'fp8', weight_block_size: [128, 128] },
    ...['F8_E5M2', 'BF16', '_scale_inv', tiles(128)],
  ),
  'fp8 with one scale': scaled(
    { quant_method: 'fp8', weight_block_size: null },
    ...['F8_E4M3', 'BF16', '_scale_inv', single],
  ),
  'fp8 of ModelOpt': withoutActivations(
    scaled({ quant_method: 'modelopt', quant_algo: 'FP8' }, ...['F8_E4M3', 'F32', '_scale', single]),
  ),
  'fp8 by channel': withoutActivations(
    scaled(compressed('float-quantized', kChannel), ...['F8_E4M3', 'BF16', '_scale', perRow]),
  ),
  'fp8 by block': withoutActivations(
    scaled(
      compressed('float-quantized', { ...kChannel, strategy: 'block', block_structure: [64, 64] }),
      ...['F8_E4M3', 'BF16', '_scale', tiles(64)],
    ),
  ),
  'int8 by channel': withoutActivations(
    scaled(compressed('int-quantized', { ...kChannel, type: 'int' }), ...['I8', 'F32', '_scale', perRow]),
  ),
  'packed int4': packed(4, 32, 'BF16', false),
  'packed int4 with zero points': packed(4, 32, 'F16', true),
  'packed int8 with zero points': packed(8, 32, 'F32', true),
  'packed int2': packed(2, 32, 'BF16', true),
  'GPTQ of 4 bits by activation': gptq(4, { desc_act: true }, byActivation),
  'GPTQ of 4 bits, version 2': gptq(4, { checkpoint_format: 'gptq_v2' }, inOrder),
  'GPTQ of 8 bits': gptq(8, { checkpoint_format: 'gptq' }, inOrder),
  'GPTQ of 2 bits': gptq(2, {}, byActivation),
};
