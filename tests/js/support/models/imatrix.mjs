/** Importance matrices as llama-imatrix writes them, in both forms, sharing nothing with the package. */
import { Random } from '../../../peers/block-weights.mjs';
import { ggufFile } from './gguf.mjs';

const floatBytes = (floats) => Buffer.from(Float32Array.from(floats).buffer);

/**
 * Seeded entries for the matrices of a model as `tinyLlama` describes them: as llama-imatrix collects them, all in blocks but
 * those that stay F32. `[name, { sums, counts }]`, the counts one for each expert; one expert of each tensor has seen nothing.
 */
export function seededEntries({ tensors, seed = 1 }) {
  const inBlocks = tensors.filter(
    ({ name, shape }) => /^blk\..*\.weight$/u.test(name) && !/ffn_gate_inp/u.test(name) && shape.length > 1,
  );
  return inBlocks.map(({ name, shape }, place) => {
    const random = new Random(seed * 77_777 + place);
    const matrices = shape.length > 2 ? shape[0] : 1;
    const counts = Array.from({ length: matrices }, (_, matrix) => (matrix === 1 ? 0 : 512 + random.below(512)));
    const sums = counts.flatMap((count) =>
      Array.from({ length: shape.at(-1) }, () => (count === 0 ? 0 : (random.below(2 ** 20) ** 2 * count) / 2 ** 34)),
    );
    return [name, { sums, counts }];
  });
}

/** A GGUF of entries `[name, { sums, counts }]`; `pairs` replace those that it has by default. */
export function imatrixGguf(entries, { pairs = [], datasets = ['wiki.train.raw'], chunks = 4 } = {}) {
  const usual = [
    ['general.type', 'string', 'imatrix'],
    ['imatrix.datasets', 'array', { of: 'string', values: datasets }],
    ['imatrix.chunk_count', 'u32', chunks],
    ['imatrix.chunk_size', 'u32', 512],
  ];
  const replaced = new Map([...usual, ...pairs].map((pair) => [pair[0], pair]));
  const tensors = entries.flatMap(([name, { sums, counts }]) => [
    tensor(`${name}.in_sum2`, [sums.length / counts.length, counts.length], sums),
    tensor(`${name}.counts`, [1, counts.length], counts),
  ]);
  return ggufFile({ pairs: [...replaced.values()].filter(([, type]) => type !== null), tensors });
}

export const tensor = (name, ne, floats, type = 0) => ({ name, ne, type, bytes: floatBytes(floats) });

const i32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
};
const sized = (text) => Buffer.concat([i32(Buffer.byteLength(text)), Buffer.from(text)]);

/** The same in the older form; `[name, { sums, chunks }]`. Without `chunks` and `dataset` the file ends before them. */
export function imatrixDat(entries, { count = entries.length, chunks, dataset } = {}) {
  return Buffer.concat([
    i32(count),
    ...entries.flatMap(([name, { sums, chunks: own }]) => [
      ...[sized(name), i32(own), i32(sums.length), floatBytes(sums)],
    ]),
    ...(chunks === undefined ? [] : [i32(chunks)]),
    ...(dataset === undefined ? [] : [sized(dataset)]),
  ]);
}

/** What llama.cpp makes of the entries of a GGUF: [name, values]. */
export const valuesOf = (entries) =>
  new Map(
    entries.map(([name, { sums, counts }]) => {
      const columns = sums.length / counts.length;
      const value = (sum, at) => {
        const count = counts[Math.floor(at / columns)];
        return count > 0 ? Math.fround(Math.fround(sum) / count) : 1;
      };
      return [name, Float32Array.from(sums, value)];
    }),
  );
