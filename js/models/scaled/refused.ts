import { quoted } from '../../errors.js';
import { undecodable, type Format, type Layer } from './layer.js';

/** Formats that are known by name only: what tells them, as tensors beside the weights. */
const BY_COMPANIONS: readonly (readonly [suffix: string, format: string])[] = [
  ['.wscales', 'svdquant (nunchaku)'],
  ['.smooth_factor', 'svdquant (nunchaku)'],
  ['.g_idx', 'GPTQ'],
  ['.qzeros', 'GPTQ or AWQ'],
  ['.weight_s_rel', 'w4a8 (asym_w4a8_int8)'],
  ['.weight_shape', 'pack-quantized (compressed-tensors)'],
  ['.SCB', 'int8 of bitsandbytes (LLM.int8)'],
];

const INTEGERS: readonly string[] = ['I8', 'U8', 'I32', 'U32', 'I16'];

/** Formats that cannot be decoded, called by their names. */
export const refused: Format = {
  fits: (layer) => nameOf(layer) !== undefined,
  open: (layer) => {
    throw undecodable(layer, nameOf(layer) ?? 'an unknown format');
  },
};

function nameOf(layer: Layer): string | undefined {
  const { weight, config, beside, scale } = layer;
  if (config !== undefined) return `${quoted(String(config['format']))} (comfy_quant)`;
  if (!INTEGERS.includes(weight.dtype)) return undefined;
  const named = BY_COMPANIONS.find(([suffix]) => beside(suffix) !== undefined);
  if (named !== undefined) return named[1];
  if (beside('.weight_scale_2') !== undefined) return 'nvfp4 (ModelOpt) without comfy_quant';
  return scale === undefined ? undefined : `${weight.dtype} with ${quoted(scale)} in a format that nothing tells`;
}
