import type { DiffusersLayout } from './layout.js';

const BLOCKS = ['layers.*', 'context_refiner.*', 'noise_refiner.*'];

/** Z-Image, most of whose tensors have the same names in both layouts. */
export const Z_IMAGE: DiffusersLayout = {
  keepsOthers: true,
  modules: [
    { name: 'x_embedder', from: ['all_x_embedder.2-1'] },
    { name: 'final_layer.linear', from: ['all_final_layer.2-1.linear'] },
    { name: 'final_layer.adaLN_modulation.1', from: ['all_final_layer.2-1.adaLN_modulation.1'] },
    ...BLOCKS.flatMap((block) => [
      { name: `${block}.attention.qkv`, from: ['to_q', 'to_k', 'to_v'].map((one) => `${block}.attention.${one}`) },
      { name: `${block}.attention.out`, from: [`${block}.attention.to_out.0`] },
      { name: `${block}.attention.q_norm`, from: [`${block}.attention.norm_q`] },
      { name: `${block}.attention.k_norm`, from: [`${block}.attention.norm_k`] },
    ]),
  ],
  parameters: [],
};
