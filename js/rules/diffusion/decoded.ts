import type { TensorType } from '../../types.js';

/**
 * What programs that run diffusion models decode as fast as it takes: ComfyUI-GGUF has code for these, and hands all others to a
 * library that computes them with numpy, too slowly to be used. What stable-diffusion.cpp makes of others nobody has tried.
 */
export const DECODED_TYPES: readonly TensorType[] = [
  ...(['F32', 'F16', 'BF16', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0'] as const),
  ...(['Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K', 'IQ4_NL', 'IQ4_XS'] as const),
];
