/** A model to try things with: real structure, made up weights, the same in every browser. */

import { ELEMENT_BYTES, elementsOf, sampleStructure, type SampleTensor } from './structure';
import { sampleBytes } from './weights';

const NAME = 'sample-model.safetensors';
const SEED = 20240117;

/** Piece by piece, so that the worker answers other requests meanwhile. */
export async function makeSample(): Promise<File> {
  const tensors = sampleStructure();
  const parts: Blob[] = [new Blob([safetensorsHeader(tensors)])];
  for (const tensor of tensors) {
    parts.push(new Blob([sampleBytes(tensor, SEED)]));
    await new Promise((resolve) => setTimeout(resolve));
  }
  return new File(parts, NAME);
}

/** Eight bytes with the length of the JSON, then the JSON, padded to a multiple of eight. */
function safetensorsHeader(tensors: readonly SampleTensor[]): Uint8Array<ArrayBuffer> {
  let end = 0;
  const entries = tensors.map((tensor) => {
    const begin = end;
    end += elementsOf(tensor) * ELEMENT_BYTES[tensor.dtype];
    return [tensor.name, { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [begin, end] }] as const;
  });
  const json = JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) });
  const text = new TextEncoder().encode(json.padEnd(Math.ceil(json.length / 8) * 8));
  const bytes = new Uint8Array(8 + text.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}
