/** Makes a safetensors file to try things with: the linear layers of a small transformer, of random weights. */
import { open, rename, stat } from 'node:fs/promises';

const WIDTH = 1024;

/** Writes the model to `file` unless there is one; resolves to `file`. */
export async function makeSampleModel(file, { layers = 12, width = WIDTH } = {}) {
  if (await stat(file).catch(() => null)) return file;
  const tensors = Array.from({ length: layers }, (_, layer) => [
    { name: `layers.${layer}.attention.weight`, shape: [width, width] },
    { name: `layers.${layer}.norm.weight`, shape: [width] },
  ]).flat();
  const temporary = `${file}.${process.pid}.partial`;
  const handle = await open(temporary, 'w');
  try {
    await handle.writeFile(headerOf(tensors));
    for (const tensor of tensors) await handle.writeFile(weightsOf(tensor));
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  return file;
}

const bytesOf = ({ shape }) => shape.reduce((count, extent) => count * extent, 4);

/** The length of the JSON as a u64, and the JSON, padded so that the weights are aligned. */
function headerOf(tensors) {
  const entries = {};
  let reached = 0;
  for (const tensor of tensors) {
    const end = reached + bytesOf(tensor);
    entries[tensor.name] = { dtype: 'F32', shape: tensor.shape, data_offsets: [reached, end] };
    reached = end;
  }
  const text = JSON.stringify(entries);
  const padded = text.padEnd(Math.ceil(text.length / 8) * 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, Buffer.from(padded)]);
}

/** Sums of uniform numbers, which are about normal. */
function weightsOf(tensor) {
  const weights = new Float32Array(bytesOf(tensor) / 4);
  for (let index = 0; index < weights.length; ++index) {
    weights[index] = 0.05 * (Math.random() + Math.random() + Math.random() - 1.5);
  }
  return new Uint8Array(weights.buffer);
}
