import { copyFileSync, openSync, closeSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';

/** Rows that are joined to fill a block are at most so many. */
const MOST_JOINED = 8;

/**
 * A model as a GGUF of F32, and the same one with weights as they come back from a type: what is measured is what the
 * type's rounding costs, whatever kernels a program has for it.
 *
 * @param {import('arrowquant').ArrowQuant} quantizer
 * @param {string} source a model in the layout of transformers, or a GGUF
 * @param {string} folder for files that are made
 */
export async function openModel(quantizer, source, folder) {
  const original = path.join(folder, 'f32.gguf');
  const changed = path.join(folder, 'changed.gguf');
  await quantizer.quantizeFile(source, original, { type: 'F32' });
  copyFileSync(original, changed);
  const plan = await quantizer.plan(original, { type: 'Q8_0', pure: true });
  const matrices = plan.tensors.filter(({ to, from }) => from === 'F32' && to !== 'F32');
  const bytes = readFileSync(original);
  const held = [];
  for (const { name, shape } of matrices) {
    const data = await quantizer.readTensor(original, name);
    held.push({ name, shape, data, at: placeOf(bytes, data, name) });
  }
  return {
    name: path.basename(path.resolve(source)),
    architecture: plan.architecture,
    file: original,
    matrices,
    weights: held.reduce((sum, { data }) => sum + data.length, 0),
    /** The model with matrices that have been through a type; null where none has whole blocks of it. */
    async withWeights(type, effort) {
      const encoded = await Promise.all(held.map((one) => throughType(quantizer, one, type, effort)));
      if (encoded.every((one) => one === null)) return null;
      const file = openSync(changed, 'r+');
      encoded.forEach((one, i) => {
        const data = one?.restored ?? held[i].data;
        writeSync(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 0, data.byteLength, held[i].at);
      });
      closeSync(file);
      return { file: changed, ...totals(held, encoded) };
    },
  };
}

/** Where a tensor's weights lie in the file: nobody else has the same bytes. */
function placeOf(file, data, name) {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const at = file.indexOf(bytes);
  if (at < 0 || file.indexOf(bytes, at + 1) >= 0) throw new Error(`the weights of ${name} are not found once`);
  return at;
}

/** Rows that are no whole blocks are joined, as many as it takes; null where that gives none. */
async function throughType(quantizer, { shape, data }, type, effort) {
  const rows = data.length / shape.at(-1);
  for (let joined = 1; joined <= MOST_JOINED && rows % joined === 0; joined *= 2) {
    try {
      const weights = { data, shape: [rows / joined, shape.at(-1) * joined] };
      const blocks = await quantizer.encode(weights, type, { effort });
      return { bytes: blocks.length, restored: await quantizer.decode(blocks, type) };
    } catch (error) {
      // Of types that need to know how much columns count, there is no reference.
      if (error.code === 'invalid_option') return null;
      if (error.code !== 'row_not_whole_blocks') throw error;
    }
  }
  return null;
}

function totals(held, encoded) {
  let [bytes, weights, error, squares] = [0, 0, 0, 0];
  encoded.forEach((one, i) => {
    if (one === null) return;
    const { data } = held[i];
    bytes += one.bytes;
    weights += data.length;
    for (let k = 0; k < data.length; ++k) {
      error += (data[k] - one.restored[k]) ** 2;
      squares += data[k] ** 2;
    }
  });
  return { bitsPerWeight: (bytes * 8) / weights, squaredError: error / squares };
}
