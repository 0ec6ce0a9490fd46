/** Tensors that are of no use by themselves: what quantized weights are split into, by the names that their formats have for it. */

/** Ends of names of scales, zero points, indices and the like. */
const ENDING =
  /[._](?:scales?|scale_inv|scale_2|global_scale|zeros|zero_points?|[qg]_?(?:zeros|idx|weight)|packed|shape|blocks|codes|codebooks?|biases|(?:nested_)?(?:absmax|quant_map)|quant_state\.\w+|SCB|weight_format|q?scale_weight|comfy_quant)$/u;

/** Factors that runtimes quantize activations or their caches with: the weights are the same without. */
const FOR_ACTIVATIONS =
  /[._](?:(?:input|output|act|activation|kv?|q|v)_(?:global_)?(?:scale|zero_point)s?|scale_input|qscale_act)$/u;

/** Whether a tensor is of no use without another one. */
export const isCompanion = (name: string): boolean => ENDING.test(name) && !FOR_ACTIVATIONS.test(name);

/** What names of all parts of the same weights have in common. */
const stemOf = (name: string): string =>
  (isCompanion(name) ? name.replace(ENDING, '') : name).replace(/\.weight$/u, '');

interface Named {
  readonly name: string;
}

/** Tensors that are quantized weights together. */
export type Split<Part extends Named> = readonly Part[];

/** Those of the tensors that are parts of quantized weights, in their order. */
export function splitWeights<Part extends Named>(parts: Iterable<Part>): readonly Split<Part>[] {
  const byStem = new Map<string, Part[]>();
  for (const part of parts) {
    const stem = stemOf(part.name);
    const others = byStem.get(stem);
    if (others === undefined) byStem.set(stem, [part]);
    else others.push(part);
  }
  return [...byStem.values()].filter((split) => split.length > 1 && split.some(({ name }) => isCompanion(name)));
}

/** What names say of the format, the first that fits. */
const FORMATS: readonly (readonly [format: string, ending: RegExp])[] = [
  ['MLX', /\.biases$/u],
  ['NVFP4', /\.weight_(?:scale_2|global_scale)$/u],
  ['bitsandbytes', /\.(?:absmax|quant_map|SCB|quant_state\.\w+)$/u],
  ['ComfyUI', /\.(?:scale_weight|comfy_quant)$/u],
  ['compressed-tensors (in the order of activations)', /\.weight_g_idx$/u],
  ['GPTQ or AWQ', /\.(?:qweight|qzeros)$/u],
  ['MXFP4', /_blocks$/u],
  ['fp8', /_scale_inv$/u],
];

/** The format that quantized weights have by their parts' names; undefined where those do not tell. */
export const formatOf = (parts: Split<Named>): string | undefined =>
  FORMATS.find(([, ending]) => parts.some(({ name }) => ending.test(name)))?.[0];
