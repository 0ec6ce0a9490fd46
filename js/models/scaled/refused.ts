import { quoted } from '../../errors.js';
import { isFp8 } from '../factors.js';
import { isForActivations, undecodable, type Format, type Layer } from './layer.js';

/** Formats that are known by name only: what tells them, in the name of the tensor of the weights. */
const BY_NAME: readonly (readonly [name: RegExp, format: string])[] = [
  [/\.weight\._/u, 'quanto'],
  [/weight[_:]q?data$/u, 'torchao'],
  [/\.W_q$/u, 'HQQ'],
];

/** The same as tensors beside the weights. */
const BY_COMPANIONS: readonly (readonly [suffix: string, format: string])[] = [
  ['.wscales', 'svdquant (nunchaku)'],
  ['.smooth_factor', 'svdquant (nunchaku)'],
  ['.g_idx', 'GPTQ'],
  ['.qzeros', 'GPTQ or AWQ'],
  ['.weight_s_rel', 'w4a8 (asym_w4a8_int8)'],
  ['.weight_shape', 'pack-quantized (compressed-tensors)'],
  ['.SCB', 'int8 of bitsandbytes (LLM.int8)'],
];

export const INTEGERS: readonly string[] = ['I8', 'U8', 'I32', 'U32', 'I16'];

/** Formats that cannot be decoded, called by their names. */
export const refused: Format = {
  fits: (layer) => nameOf(layer) !== undefined,
  open: (layer) => {
    throw undecodable(layer, nameOf(layer) ?? 'an unknown format');
  },
};

function nameOf(layer: Layer): string | undefined {
  const { weight, config, beside, scales } = layer;
  if (config !== undefined) return `${quoted(String(config['format']))} (comfy_quant)`;
  const called = BY_NAME.find(([name]) => name.test(weight.name));
  if (called !== undefined) return called[1];
  const isInteger = INTEGERS.includes(weight.dtype);
  if (!isInteger && !isFp8(weight)) return undefined;
  const named = BY_COMPANIONS.find(([suffix]) => beside(suffix) !== undefined);
  if (named !== undefined) return named[1];
  if (beside('.weight_scale_2') !== undefined) return 'nvfp4 (ModelOpt) without comfy_quant';
  // Runtimes quantize activations for fp8 that has no factor, too.
  const scale = scales.find((name) => isInteger || !isForActivations(name));
  return scale === undefined ? undefined : `${weight.dtype} with ${quoted(scale)} in a format that nothing tells`;
}
