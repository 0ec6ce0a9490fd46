/** Small GGUF language models whose conversions are compared with llama.cpp's own, whole file by whole file. */
import { createHash } from 'node:crypto';
import { ggufFile, tinyLlama } from '../../../peers/tiny-llama.mjs';

const matrix = (name, shape) => ({ name, type: 'F16', shape });

/** llama.cpp takes seconds for these, so that not every model becomes all of them. */
const kSlowTypes = ['IQ1_S', 'IQ1_M', 'IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'IQ2_M', 'IQ3_XXS', 'IQ3_XS', 'IQ3_S', 'IQ3_M'];

/** By name, options of `tinyLlama`; `types` of those that take long; `without` those of no use, or at whose rows llama.cpp stops. */
const kModels = {
  'F16, four query heads a key head': { layers: 2 },
  'BF16, tied, two key heads of eight': { type: 'BF16', layers: 1, tied: true, seed: 2, without: kSlowTypes },
  'F32, as many key heads as query heads': { type: 'F32', layers: 1, kvHeads: 8, seed: 3, without: kSlowTypes },
  'four experts': { layers: 1, experts: 4, hidden: 256, seed: 4 },
  'rows of blocks of 32': { layers: 1, width: 288, hidden: 352, heads: 9, kvHeads: 3, seed: 5, without: ['Q1_0'] },
  'odd rows': {
    ...{ layers: 1, seed: 6, without: ['Q1_0', ...kSlowTypes] },
    extra: [matrix('blk.0.odd.weight', [7, 33]), matrix('blk.0.one.weight', [5, 1])],
  },
  'a tensor longer than a window': { layers: 1, hidden: 4160, seed: 7, types: ['Q8_0', 'Q2_K', 'Q4_K_M', 'IQ4_XS'] },
};

/** By name: the bytes of the model's file, and which types it is converted to. */
export const ggufModels = (allTypes) =>
  Object.entries(kModels).map(([name, { types = allTypes, without = [], ...options }]) => {
    const model = tinyLlama(options);
    const { tensors } = model;
    return { name, types: types.filter((type) => !without.includes(type)), tensors, file: ggufFile(model) };
  });

/** The model that is quantized twice. */
export const requantizedModel = () => tinyLlama({ layers: 1, seed: 8 });
export const kRequantizedTypes = ['F16', 'Q8_0', 'Q4_K_M', 'Q2_K', 'IQ4_NL'];

const kFileTypes = { Q3_K: 'Q3_K_S', Q4_K: 'Q4_K_S', Q5_K: 'Q5_K_S', IQ2_S: 'IQ2_M', MXFP4: 'MXFP4_MOE' };

/** The type of a file that has blocks of this format. */
export const fileTypeOf = (block) => kFileTypes[block] ?? block;

/** The first half of the SHA-256: who reads it looks for accidents. */
export const digestOf = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 32);
