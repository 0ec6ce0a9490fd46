import { planeBytes, traitsOf, type Codec } from '../../codecs/codec.js';
import type { CodedTensor, StoredPlane } from '../../layouts/tensor.js';
import { decodeRange } from '../../models/read-tensor.js';
import { heldBytes } from '../../models/scaled/spread.js';
import type { PipelineTools } from '../../pipeline/pipeline.js';
import type { ByteSource } from '../../io/byte-io.js';

/** The values of all codes of a codec, the lowest one first: what they are restored to where the scale is one. */
export async function valuesOfCodes(
  codec: Codec,
  bits: 4 | 8,
  anchor: ByteSource,
  tools: PipelineTools,
): Promise<Float32Array> {
  const count = 2 ** bits;
  // The first one of two codes in a byte is in the high bits.
  const codes = Uint8Array.from({ length: (count * bits) / 8 }, (_, at) => (bits === 8 ? at : 34 * at + 1));
  const scales = new Float32Array(planeBytes(codec, 1, count) / 4).fill(1);
  const planes = [codes, new Uint8Array(scales.buffer)].map((bytes): StoredPlane => [heldBytes(anchor, bytes)]);
  if (traitsOf(codec).planes.length !== planes.length) throw new RangeError(`${codec.name} has other planes`);
  const tensor: CodedTensor = { name: codec.name, shape: [count], elements: count, dtype: 'F32', planes, codec };
  return decodeRange(tensor, 0, count, tools);
}
