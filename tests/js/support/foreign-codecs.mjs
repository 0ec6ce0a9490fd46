/** Encodes and decodes single tensors with codecs that only other programs' formats hold. */
import createModule from 'arrowquant/wasm';
import { codecNamed, createWindowPool } from './internals.mjs';

/** What transcodes tensors of up to a million weights in a module's heap. */
export async function openTranscoder(backend = 'threads') {
  const module = await createModule({ backend, threads: 2 });
  const pool = createWindowPool(module, 1);
  /** Copies of the target's planes. */
  const transcode = (weights, source, planes, target, options = {}) =>
    pool.lease(async (window) => {
      window.input(weights, source).forEach((view, index) => view.set(planes[index]));
      const result = await window.transcode(weights, { codec: source }, target, options);
      return result.planes.map((plane) => Buffer.from(plane.slice()));
    });
  return {
    /** The planes that a codec makes of a tensor `{ dtype, bytes }` of plain floats, by name. */
    encode({ dtype, bytes }, target, options) {
      const source = codecNamed(dtype);
      return transcode(weightsOf({ dtype, bytes }), source, [bytes], target, options);
    },
    /** The bytes of the weights that planes stand for, as a plain float type. */
    decode: async (weights, source, planes, dtype) =>
      (await transcode(weights, source, planes, codecNamed(dtype), { checked: true }))[0],
    dispose: () => module.dispose(),
  };
}

/** How many weights a tensor of plain floats has. */
export const weightsOf = ({ dtype, bytes }) => bytes.length / (dtype === 'F32' ? 4 : 2);
