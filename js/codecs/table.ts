/** The codecs, in the order of src/codecs/codecs.def. Written by the build: do not edit. */

import type { CodecTraits } from './codec.js';

/** What weights are stored as. */
export type CodecName =
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'F8_E4M3'
  | 'F8_E5M2'
  | 'Q4_0'
  | 'Q4_1'
  | 'Q5_0'
  | 'Q5_1'
  | 'Q8_0'
  | 'Q2_K'
  | 'Q3_K'
  | 'Q4_K'
  | 'Q5_K'
  | 'Q6_K'
  | 'IQ4_NL'
  | 'IQ4_XS'
  | 'TQ1_0'
  | 'TQ2_0'
  | 'MXFP4'
  | 'NVFP4'
  | 'Q1_0'
  | 'Q2_0'
  | 'IQ3_S'
  | 'IQ3_XXS'
  | 'IQ2_S'
  | 'IQ2_XS'
  | 'IQ2_XXS'
  | 'IQ1_S'
  | 'IQ1_M'
  | 'affine'
  | 'F8_E4M3_SCALED'
  | 'F8_E5M2_SCALED'
  | 'I8_SCALED'
  | 'I8_ROTATED'
  | 'I4_ROTATED'
  | 'E2M1_SCALED'
  | 'E2M1_HIGH_SCALED'
  | 'mlx_f32'
  | 'mlx_f16'
  | 'mlx_bf16'
  | 'mlx_mxfp4_f32'
  | 'mlx_mxfp4_f16'
  | 'mlx_mxfp4_bf16'
  | 'mlx_mxfp8_f32'
  | 'mlx_mxfp8_f16'
  | 'mlx_mxfp8_bf16'
  | 'mlx_nvfp4_f32'
  | 'mlx_nvfp4_f16'
  | 'mlx_nvfp4_bf16'
  | 'mlc_q4f16'
  | 'mlc_q4f32'
  | 'onnx_blocks'
  | 'onnx_blocks_halved'
  | 'onnx_blocks_f16'
  | 'bnb_nf4'
  | 'bnb_fp4'
  | 'bnb_absmax8'
  | 'ct_int_f32'
  | 'ct_int_f16'
  | 'ct_int_bf16'
  | 'ct_nvfp4_f32'
  | 'ct_nvfp4_f16'
  | 'ct_nvfp4_bf16'
  | 'ct_mxfp4_f32'
  | 'ct_mxfp4_f16'
  | 'ct_mxfp4_bf16'
  | 'ct_mxfp8_f32'
  | 'ct_mxfp8_f16'
  | 'ct_mxfp8_bf16'
  | 'onnx_qdq4'
  | 'onnx_gather4'
  | 'onnx_int8'
  | 'onnx_uint8'
  | 'onnx_uint8_f32'
  | 'onnx_f16'
  | 'onnx_bnb_nf4'
  | 'onnx_bnb_fp4';

/** What a rule can make of one tensor: a codec that has no parameters. */
export type TensorType =
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'Q4_0'
  | 'Q4_1'
  | 'Q5_0'
  | 'Q5_1'
  | 'Q8_0'
  | 'Q2_K'
  | 'Q3_K'
  | 'Q4_K'
  | 'Q5_K'
  | 'Q6_K'
  | 'IQ4_NL'
  | 'IQ4_XS'
  | 'TQ1_0'
  | 'TQ2_0'
  | 'MXFP4'
  | 'NVFP4'
  | 'Q1_0'
  | 'Q2_0'
  | 'IQ3_S'
  | 'IQ3_XXS'
  | 'IQ2_S'
  | 'IQ2_XS'
  | 'IQ2_XXS'
  | 'IQ1_S'
  | 'IQ1_M';

/** What each codec has where its own line does not say otherwise. */
const USUAL = {
  blockWeights: 1,
  bits: [],
  groupSizes: [],
  symmetric: false,
  encodes: true,
  searches: false,
  needsRows: false,
  acrossRows: false,
  needsRange: false,
  usesImportance: false,
  weighsFrom: 0,
  needsImportance: false,
  needsRowsToWeigh: false,
  foreign: true,
  mostEffort: 0,
  ggmlType: null,
  fileTypes: [],
} as const;

export const CODECS: readonly (CodecTraits & { readonly name: CodecName })[] = [
  {
    ...USUAL,
    name: 'F32',
    planes: [{ name: 'values', element: 'F32', unitWeights: 1, unitBits: 32 }],
    foreign: false,
    ggmlType: 0,
    fileTypes: [{ name: 'F32', id: 0 }],
  },
  {
    ...USUAL,
    name: 'F16',
    planes: [{ name: 'values', element: 'F16', unitWeights: 1, unitBits: 16 }],
    foreign: false,
    ggmlType: 1,
    fileTypes: [{ name: 'F16', id: 1 }],
  },
  {
    ...USUAL,
    name: 'BF16',
    planes: [{ name: 'values', element: 'BF16', unitWeights: 1, unitBits: 16 }],
    foreign: false,
    ggmlType: 30,
    fileTypes: [{ name: 'BF16', id: 32 }],
  },
  {
    ...USUAL,
    name: 'F8_E4M3',
    planes: [{ name: 'values', element: 'F8_E4M3', unitWeights: 1, unitBits: 8 }],
    encodes: false,
    foreign: false,
  },
  {
    ...USUAL,
    name: 'F8_E5M2',
    planes: [{ name: 'values', element: 'F8_E5M2', unitWeights: 1, unitBits: 8 }],
    encodes: false,
    foreign: false,
  },
  {
    ...USUAL,
    name: 'Q4_0',
    blockWeights: 32,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 32, unitBits: 144 }],
    usesImportance: true,
    needsRowsToWeigh: true,
    foreign: false,
    mostEffort: 2,
    ggmlType: 2,
    fileTypes: [{ name: 'Q4_0', id: 2 }],
  },
  {
    ...USUAL,
    name: 'Q4_1',
    blockWeights: 32,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 32, unitBits: 160 }],
    usesImportance: true,
    needsRowsToWeigh: true,
    foreign: false,
    mostEffort: 2,
    ggmlType: 3,
    fileTypes: [{ name: 'Q4_1', id: 3 }],
  },
  {
    ...USUAL,
    name: 'Q5_0',
    blockWeights: 32,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 32, unitBits: 176 }],
    usesImportance: true,
    needsRowsToWeigh: true,
    foreign: false,
    mostEffort: 2,
    ggmlType: 6,
    fileTypes: [{ name: 'Q5_0', id: 8 }],
  },
  {
    ...USUAL,
    name: 'Q5_1',
    blockWeights: 32,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 32, unitBits: 192 }],
    usesImportance: true,
    needsRowsToWeigh: true,
    foreign: false,
    mostEffort: 2,
    ggmlType: 7,
    fileTypes: [{ name: 'Q5_1', id: 9 }],
  },
  {
    ...USUAL,
    name: 'Q8_0',
    blockWeights: 32,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 32, unitBits: 272 }],
    usesImportance: true,
    weighsFrom: 2,
    foreign: false,
    mostEffort: 2,
    ggmlType: 8,
    fileTypes: [{ name: 'Q8_0', id: 7 }],
  },
  {
    ...USUAL,
    name: 'Q2_K',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 672 }],
    searches: true,
    usesImportance: true,
    foreign: false,
    mostEffort: 2,
    ggmlType: 10,
    fileTypes: [
      { name: 'Q2_K', id: 10 },
      { name: 'Q2_K_S', id: 21 },
    ],
  },
  {
    ...USUAL,
    name: 'Q3_K',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 880 }],
    searches: true,
    usesImportance: true,
    foreign: false,
    mostEffort: 2,
    ggmlType: 11,
    fileTypes: [
      { name: 'Q3_K_S', id: 11 },
      { name: 'Q3_K_M', id: 12 },
      { name: 'Q3_K_L', id: 13 },
    ],
  },
  {
    ...USUAL,
    name: 'Q4_K',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 1152 }],
    searches: true,
    usesImportance: true,
    foreign: false,
    mostEffort: 2,
    ggmlType: 12,
    fileTypes: [
      { name: 'Q4_K_S', id: 14 },
      { name: 'Q4_K_M', id: 15 },
    ],
  },
  {
    ...USUAL,
    name: 'Q5_K',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 1408 }],
    searches: true,
    usesImportance: true,
    foreign: false,
    mostEffort: 2,
    ggmlType: 13,
    fileTypes: [
      { name: 'Q5_K_S', id: 16 },
      { name: 'Q5_K_M', id: 17 },
    ],
  },
  {
    ...USUAL,
    name: 'Q6_K',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 1680 }],
    searches: true,
    usesImportance: true,
    foreign: false,
    mostEffort: 2,
    ggmlType: 14,
    fileTypes: [{ name: 'Q6_K', id: 18 }],
  },
  {
    ...USUAL,
    name: 'IQ4_NL',
    blockWeights: 32,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 32, unitBits: 144 }],
    searches: true,
    usesImportance: true,
    foreign: false,
    mostEffort: 2,
    ggmlType: 20,
    fileTypes: [{ name: 'IQ4_NL', id: 25 }],
  },
  {
    ...USUAL,
    name: 'IQ4_XS',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 1088 }],
    searches: true,
    usesImportance: true,
    foreign: false,
    mostEffort: 2,
    ggmlType: 23,
    fileTypes: [{ name: 'IQ4_XS', id: 30 }],
  },
  {
    ...USUAL,
    name: 'TQ1_0',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 432 }],
    usesImportance: true,
    weighsFrom: 2,
    foreign: false,
    mostEffort: 2,
    ggmlType: 34,
    fileTypes: [{ name: 'TQ1_0', id: 36 }],
  },
  {
    ...USUAL,
    name: 'TQ2_0',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 528 }],
    usesImportance: true,
    weighsFrom: 2,
    foreign: false,
    mostEffort: 2,
    ggmlType: 35,
    fileTypes: [{ name: 'TQ2_0', id: 37 }],
  },
  {
    ...USUAL,
    name: 'MXFP4',
    blockWeights: 32,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 32, unitBits: 136 }],
    usesImportance: true,
    weighsFrom: 2,
    foreign: false,
    mostEffort: 2,
    ggmlType: 39,
    fileTypes: [{ name: 'MXFP4_MOE', id: 38 }],
  },
  {
    ...USUAL,
    name: 'NVFP4',
    blockWeights: 64,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 64, unitBits: 288 }],
    usesImportance: true,
    weighsFrom: 2,
    foreign: false,
    mostEffort: 2,
    ggmlType: 40,
  },
  {
    ...USUAL,
    name: 'Q1_0',
    blockWeights: 128,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 128, unitBits: 144 }],
    usesImportance: true,
    weighsFrom: 2,
    foreign: false,
    mostEffort: 2,
    ggmlType: 41,
    fileTypes: [{ name: 'Q1_0', id: 40 }],
  },
  {
    ...USUAL,
    name: 'Q2_0',
    blockWeights: 64,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 64, unitBits: 144 }],
    usesImportance: true,
    weighsFrom: 2,
    foreign: false,
    mostEffort: 2,
    ggmlType: 42,
    fileTypes: [{ name: 'Q2_0', id: 41 }],
  },
  {
    ...USUAL,
    name: 'IQ3_S',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 880 }],
    searches: true,
    usesImportance: true,
    foreign: false,
    mostEffort: 1,
    ggmlType: 21,
    fileTypes: [
      { name: 'IQ3_XS', id: 22 },
      { name: 'IQ3_S', id: 26 },
      { name: 'IQ3_M', id: 27 },
    ],
  },
  {
    ...USUAL,
    name: 'IQ3_XXS',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 784 }],
    searches: true,
    usesImportance: true,
    foreign: false,
    mostEffort: 1,
    ggmlType: 18,
    fileTypes: [{ name: 'IQ3_XXS', id: 23 }],
  },
  {
    ...USUAL,
    name: 'IQ2_S',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 656 }],
    searches: true,
    usesImportance: true,
    foreign: false,
    mostEffort: 1,
    ggmlType: 22,
    fileTypes: [{ name: 'IQ2_M', id: 29 }],
  },
  {
    ...USUAL,
    name: 'IQ2_XS',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 592 }],
    searches: true,
    usesImportance: true,
    needsImportance: true,
    foreign: false,
    mostEffort: 1,
    ggmlType: 17,
    fileTypes: [
      { name: 'IQ2_XS', id: 20 },
      { name: 'IQ2_S', id: 28 },
    ],
  },
  {
    ...USUAL,
    name: 'IQ2_XXS',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 528 }],
    searches: true,
    usesImportance: true,
    needsImportance: true,
    foreign: false,
    mostEffort: 1,
    ggmlType: 16,
    fileTypes: [{ name: 'IQ2_XXS', id: 19 }],
  },
  {
    ...USUAL,
    name: 'IQ1_S',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 400 }],
    searches: true,
    usesImportance: true,
    needsImportance: true,
    foreign: false,
    mostEffort: 1,
    ggmlType: 19,
    fileTypes: [{ name: 'IQ1_S', id: 24 }],
  },
  {
    ...USUAL,
    name: 'IQ1_M',
    blockWeights: 256,
    planes: [{ name: 'blocks', element: 'U8', unitWeights: 256, unitBits: 448 }],
    searches: true,
    usesImportance: true,
    foreign: false,
    mostEffort: 1,
    ggmlType: 29,
    fileTypes: [{ name: 'IQ1_M', id: 31 }],
  },
  {
    ...USUAL,
    name: 'affine',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 0 },
      { name: 'scales', element: 'F32', unitWeights: 0, unitBits: 32 },
      { name: 'zero_points', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    bits: [2, 4, 8],
    groupSizes: [32, 64, 128, 256, 0],
    symmetric: true,
    usesImportance: true,
    weighsFrom: 2,
    foreign: false,
    mostEffort: 2,
  },
  {
    ...USUAL,
    name: 'F8_E4M3_SCALED',
    planes: [
      { name: 'elements', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'scales', element: 'F32', unitWeights: 0, unitBits: 32 },
    ],
    groupSizes: [2, 4, 8, 16, 32, 64, 128, 256],
    encodes: false,
    foreign: false,
  },
  {
    ...USUAL,
    name: 'F8_E5M2_SCALED',
    planes: [
      { name: 'elements', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'scales', element: 'F32', unitWeights: 0, unitBits: 32 },
    ],
    groupSizes: [2, 4, 8, 16, 32, 64, 128, 256],
    encodes: false,
    foreign: false,
  },
  {
    ...USUAL,
    name: 'I8_SCALED',
    planes: [
      { name: 'elements', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'scales', element: 'F32', unitWeights: 0, unitBits: 32 },
    ],
    groupSizes: [2, 4, 8, 16, 32, 64, 128, 256],
    encodes: false,
    foreign: false,
  },
  {
    ...USUAL,
    name: 'I8_ROTATED',
    planes: [
      { name: 'elements', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'scales', element: 'F32', unitWeights: 0, unitBits: 32 },
    ],
    groupSizes: [4, 16, 64, 256],
    encodes: false,
    foreign: false,
  },
  {
    ...USUAL,
    name: 'I4_ROTATED',
    planes: [
      { name: 'elements', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'F32', unitWeights: 0, unitBits: 32 },
    ],
    groupSizes: [4, 16, 64, 256],
    encodes: false,
    foreign: false,
  },
  {
    ...USUAL,
    name: 'E2M1_SCALED',
    planes: [
      { name: 'elements', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'F32', unitWeights: 0, unitBits: 32 },
    ],
    groupSizes: [2, 4, 8, 16, 32, 64, 128, 256],
    encodes: false,
    foreign: false,
  },
  {
    ...USUAL,
    name: 'E2M1_HIGH_SCALED',
    planes: [
      { name: 'elements', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'F32', unitWeights: 0, unitBits: 32 },
    ],
    groupSizes: [2, 4, 8, 16, 32, 64, 128, 256],
    encodes: false,
    foreign: false,
  },
  {
    ...USUAL,
    name: 'mlx_f32',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 0 },
      { name: 'scales', element: 'F32', unitWeights: 0, unitBits: 32 },
      { name: 'biases', element: 'F32', unitWeights: 0, unitBits: 32 },
    ],
    bits: [2, 3, 4, 5, 6, 8],
    groupSizes: [32, 64, 128],
    usesImportance: true,
    weighsFrom: 2,
    mostEffort: 2,
  },
  {
    ...USUAL,
    name: 'mlx_f16',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 0 },
      { name: 'scales', element: 'F16', unitWeights: 0, unitBits: 16 },
      { name: 'biases', element: 'F16', unitWeights: 0, unitBits: 16 },
    ],
    bits: [2, 3, 4, 5, 6, 8],
    groupSizes: [32, 64, 128],
    usesImportance: true,
    weighsFrom: 2,
    mostEffort: 2,
  },
  {
    ...USUAL,
    name: 'mlx_bf16',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 0 },
      { name: 'scales', element: 'BF16', unitWeights: 0, unitBits: 16 },
      { name: 'biases', element: 'BF16', unitWeights: 0, unitBits: 16 },
    ],
    bits: [2, 3, 4, 5, 6, 8],
    groupSizes: [32, 64, 128],
    usesImportance: true,
    weighsFrom: 2,
    mostEffort: 2,
  },
  {
    ...USUAL,
    name: 'mlx_mxfp4_f32',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    groupSizes: [32],
  },
  {
    ...USUAL,
    name: 'mlx_mxfp4_f16',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    groupSizes: [32],
  },
  {
    ...USUAL,
    name: 'mlx_mxfp4_bf16',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    groupSizes: [32],
  },
  {
    ...USUAL,
    name: 'mlx_mxfp8_f32',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'scales', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    groupSizes: [32],
  },
  {
    ...USUAL,
    name: 'mlx_mxfp8_f16',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'scales', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    groupSizes: [32],
  },
  {
    ...USUAL,
    name: 'mlx_mxfp8_bf16',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'scales', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    groupSizes: [32],
  },
  {
    ...USUAL,
    name: 'mlx_nvfp4_f32',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    groupSizes: [16],
  },
  {
    ...USUAL,
    name: 'mlx_nvfp4_f16',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    groupSizes: [16],
  },
  {
    ...USUAL,
    name: 'mlx_nvfp4_bf16',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    groupSizes: [16],
  },
  {
    ...USUAL,
    name: 'mlc_q4f16',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'F16', unitWeights: 0, unitBits: 16 },
    ],
    groupSizes: [32],
  },
  {
    ...USUAL,
    name: 'mlc_q4f32',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'F32', unitWeights: 0, unitBits: 32 },
    ],
    groupSizes: [32],
  },
  {
    ...USUAL,
    name: 'onnx_blocks',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 0 },
      { name: 'scales', element: 'F32', unitWeights: 0, unitBits: 32 },
      { name: 'zero_points', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    bits: [2, 4, 8],
    groupSizes: [16, 32, 64, 128, 256],
    symmetric: true,
    acrossRows: true,
    usesImportance: true,
    weighsFrom: 2,
    mostEffort: 2,
  },
  {
    ...USUAL,
    name: 'onnx_blocks_halved',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 0 },
      { name: 'scales', element: 'F16', unitWeights: 0, unitBits: 16 },
      { name: 'zero_points', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    bits: [2, 4, 8],
    groupSizes: [16, 32, 64, 128, 256],
    symmetric: true,
    acrossRows: true,
    usesImportance: true,
    weighsFrom: 2,
    mostEffort: 2,
  },
  {
    ...USUAL,
    name: 'onnx_blocks_f16',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 0 },
      { name: 'scales', element: 'F16', unitWeights: 0, unitBits: 16 },
      { name: 'zero_points', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    bits: [2, 4, 8],
    groupSizes: [16, 32, 64, 128, 256],
    symmetric: true,
    acrossRows: true,
    usesImportance: true,
    weighsFrom: 2,
    mostEffort: 2,
  },
  {
    ...USUAL,
    name: 'bnb_nf4',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'absmax', element: 'F32', unitWeights: 0, unitBits: 32 },
    ],
    groupSizes: [32, 64, 128, 256],
  },
  {
    ...USUAL,
    name: 'bnb_fp4',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'absmax', element: 'F32', unitWeights: 0, unitBits: 32 },
    ],
    groupSizes: [32, 64, 128, 256],
  },
  {
    ...USUAL,
    name: 'bnb_absmax8',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'absmax', element: 'F32', unitWeights: 256, unitBits: 32 },
    ],
  },
  {
    ...USUAL,
    name: 'ct_int_f32',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 0 },
      { name: 'scales', element: 'F32', unitWeights: 0, unitBits: 32 },
      { name: 'zero_points', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    bits: [2, 3, 4, 5, 6, 7, 8],
    groupSizes: [32, 64, 128, 256],
    symmetric: true,
  },
  {
    ...USUAL,
    name: 'ct_int_f16',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 0 },
      { name: 'scales', element: 'F16', unitWeights: 0, unitBits: 16 },
      { name: 'zero_points', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    bits: [2, 3, 4, 5, 6, 7, 8],
    groupSizes: [32, 64, 128, 256],
    symmetric: true,
  },
  {
    ...USUAL,
    name: 'ct_int_bf16',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 0 },
      { name: 'scales', element: 'BF16', unitWeights: 0, unitBits: 16 },
      { name: 'zero_points', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    bits: [2, 3, 4, 5, 6, 7, 8],
    groupSizes: [32, 64, 128, 256],
    symmetric: true,
  },
  {
    ...USUAL,
    name: 'ct_nvfp4_f32',
    planes: [
      { name: 'packed', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'F8_E4M3', unitWeights: 16, unitBits: 8 },
      { name: 'global_scale', element: 'F32', unitWeights: 'all', unitBits: 32 },
    ],
    needsRange: true,
  },
  {
    ...USUAL,
    name: 'ct_nvfp4_f16',
    planes: [
      { name: 'packed', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'F8_E4M3', unitWeights: 16, unitBits: 8 },
      { name: 'global_scale', element: 'F32', unitWeights: 'all', unitBits: 32 },
    ],
    needsRange: true,
  },
  {
    ...USUAL,
    name: 'ct_nvfp4_bf16',
    planes: [
      { name: 'packed', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'F8_E4M3', unitWeights: 16, unitBits: 8 },
      { name: 'global_scale', element: 'F32', unitWeights: 'all', unitBits: 32 },
    ],
    needsRange: true,
  },
  {
    ...USUAL,
    name: 'ct_mxfp4_f32',
    planes: [
      { name: 'packed', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'U8', unitWeights: 32, unitBits: 8 },
    ],
  },
  {
    ...USUAL,
    name: 'ct_mxfp4_f16',
    planes: [
      { name: 'packed', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'U8', unitWeights: 32, unitBits: 8 },
    ],
  },
  {
    ...USUAL,
    name: 'ct_mxfp4_bf16',
    planes: [
      { name: 'packed', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'U8', unitWeights: 32, unitBits: 8 },
    ],
  },
  {
    ...USUAL,
    name: 'ct_mxfp8_f32',
    planes: [
      { name: 'packed', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'scales', element: 'U8', unitWeights: 32, unitBits: 8 },
    ],
  },
  {
    ...USUAL,
    name: 'ct_mxfp8_f16',
    planes: [
      { name: 'packed', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'scales', element: 'U8', unitWeights: 32, unitBits: 8 },
    ],
  },
  {
    ...USUAL,
    name: 'ct_mxfp8_bf16',
    planes: [
      { name: 'packed', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'scales', element: 'U8', unitWeights: 32, unitBits: 8 },
    ],
  },
  {
    ...USUAL,
    name: 'onnx_qdq4',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'scales', element: 'F32', unitWeights: 0, unitBits: 32 },
      { name: 'zero_points', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    groupSizes: [16, 32, 64, 128, 256],
    symmetric: true,
    acrossRows: true,
  },
  {
    ...USUAL,
    name: 'onnx_gather4',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'scales', element: 'F32', unitWeights: 0, unitBits: 32 },
      { name: 'zero_points', element: 'U8', unitWeights: 0, unitBits: 8 },
    ],
    groupSizes: [16, 32, 64, 128, 256],
    symmetric: true,
  },
  {
    ...USUAL,
    name: 'onnx_int8',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'scales', element: 'F32', unitWeights: 'all', unitBits: 32 },
      { name: 'zero_points', element: 'U8', unitWeights: 'all', unitBits: 8 },
    ],
    needsRange: true,
  },
  {
    ...USUAL,
    name: 'onnx_uint8',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'scales', element: 'F32', unitWeights: 'all', unitBits: 32 },
      { name: 'zero_points', element: 'U8', unitWeights: 'all', unitBits: 8 },
    ],
    needsRange: true,
  },
  {
    ...USUAL,
    name: 'onnx_uint8_f32',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 8 },
      { name: 'scales', element: 'F32', unitWeights: 'all', unitBits: 32 },
      { name: 'zero_points', element: 'U8', unitWeights: 'all', unitBits: 8 },
    ],
    needsRange: true,
  },
  { ...USUAL, name: 'onnx_f16', planes: [{ name: 'values', element: 'F16', unitWeights: 1, unitBits: 16 }] },
  {
    ...USUAL,
    name: 'onnx_bnb_nf4',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'absmax', element: 'F32', unitWeights: 0, unitBits: 32 },
    ],
    groupSizes: [16, 32, 64, 128, 256],
  },
  {
    ...USUAL,
    name: 'onnx_bnb_fp4',
    planes: [
      { name: 'levels', element: 'U8', unitWeights: 1, unitBits: 4 },
      { name: 'absmax', element: 'F32', unitWeights: 0, unitBits: 32 },
    ],
    groupSizes: [16, 32, 64, 128, 256],
  },
];

/** Names of ggml's block codecs. */
export const BLOCK_TYPES = [
  'Q4_0',
  'Q4_1',
  'Q5_0',
  'Q5_1',
  'Q8_0',
  'Q2_K',
  'Q3_K',
  'Q4_K',
  'Q5_K',
  'Q6_K',
  'IQ4_NL',
  'IQ4_XS',
  'TQ1_0',
  'TQ2_0',
  'MXFP4',
  'NVFP4',
  'Q1_0',
  'Q2_0',
  'IQ3_S',
  'IQ3_XXS',
  'IQ2_S',
  'IQ2_XS',
  'IQ2_XXS',
  'IQ1_S',
  'IQ1_M',
] as const;

export type BlockType = (typeof BLOCK_TYPES)[number];

/** What a whole GGUF file can be, as llama.cpp names it. */
export const FILE_TYPES = [
  'F32',
  'F16',
  'BF16',
  'Q4_0',
  'Q4_1',
  'Q5_0',
  'Q5_1',
  'Q8_0',
  'Q2_K',
  'Q2_K_S',
  'Q3_K_S',
  'Q3_K_M',
  'Q3_K_L',
  'Q4_K_S',
  'Q4_K_M',
  'Q5_K_S',
  'Q5_K_M',
  'Q6_K',
  'IQ4_NL',
  'IQ4_XS',
  'TQ1_0',
  'TQ2_0',
  'MXFP4_MOE',
  'Q1_0',
  'Q2_0',
  'IQ3_XS',
  'IQ3_S',
  'IQ3_M',
  'IQ3_XXS',
  'IQ2_M',
  'IQ2_XS',
  'IQ2_S',
  'IQ2_XXS',
  'IQ1_S',
  'IQ1_M',
] as const;

/** What a status of src/base/status.h is called, by its number. */
export const STATUSES = [
  'ok',
  'not_finite',
  'scale_overflow',
  'invalid_option',
  'detached_buffer',
  'aborted',
  'out_of_memory',
  'float_overflow',
  'invalid_planes',
] as const;
