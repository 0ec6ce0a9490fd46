// What an application does with the package, the same under every bundler.

/** @param {object} [options] of `ArrowQuant.create` */
export async function work(ArrowQuant, options) {
  const quantizer = await ArrowQuant.create(options);
  const { backend, fallback } = quantizer;
  const weights = new Map([
    ['layer', Float32Array.from({ length: 300_000 }, (_, i) => ((i * 7919) % 2003) / 1001 - 1)],
  ]);
  const progress = [];
  const result = await quantizer.quantizeBatchWithProgress(weights, 4, (layer, done) => progress.push([layer, done]));
  const { quantizedData, scales } = result.get('layer');
  const file = sumOf(await converted(quantizer));
  await quantizer.dispose();
  return { backend, fallback, sum: sumOf(quantizedData), file, groups: scales.length, progress };
}

/** Pages that are not secure have no crypto. */
const sumOf = (bytes) => bytes.reduce((total, byte, i) => (total * 31 + byte * (i + 1)) % 4_294_967_291, 7);

/** A GGUF of a small model: the parts of the package that work on files, and those with the rules for types of files. */
async function converted(quantizer) {
  const header = new TextEncoder().encode('{"a.weight":{"dtype":"F32","shape":[32,64],"data_offsets":[0,8192]}}');
  const weights = Float32Array.from({ length: 2048 }, (_, i) => ((i * 7919) % 2003) / 1001 - 1);
  const length = new Uint8Array(new BigUint64Array([BigInt(header.length)]).buffer);
  const model = new Uint8Array([...length, ...header, ...new Uint8Array(weights.buffer)]);
  const pieces = [];
  const sink = new WritableStream({ write: (piece) => void pieces.push(...piece) });
  await quantizer.quantizeFile(model, sink, { type: 'Q4_0', container: 'gguf', architecture: 'none' });
  return pieces;
}

/** `work`, or what it has failed with. */
export const outcomeOf = (ArrowQuant, options) =>
  work(ArrowQuant, options).catch(({ code, message }) => ({ code, message }));
