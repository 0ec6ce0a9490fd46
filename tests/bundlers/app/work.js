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
  // Pages that are not secure have no crypto.
  const sum = quantizedData.reduce((total, byte, i) => (total * 31 + byte * (i + 1)) % 4_294_967_291, 7);
  await quantizer.dispose();
  return { backend, fallback, sum, groups: scales.length, progress };
}

/** `work`, or what it has failed with. */
export const outcomeOf = (ArrowQuant, options) =>
  work(ArrowQuant, options).catch(({ code, message }) => ({ code, message }));
