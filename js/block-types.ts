/** Names of the block formats, in the order of src/formats/formats.def. Written by the build: do not edit. */
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
] as const;

export type BlockType = (typeof BLOCK_TYPES)[number];
