// What an application does with the package, the same under every bundler.
import { ArrowQuant } from 'arrowquant';

async function main() {
  const quantizer = await ArrowQuant.create();
  const weights = new Map([
    ['layer', Float32Array.from({ length: 300_000 }, (_, i) => ((i * 7919) % 2003) / 1001 - 1)],
  ]);
  const progress = [];
  const result = await quantizer.quantizeBatchWithProgress(weights, 4, (layer, done) => progress.push([layer, done]));
  const { quantizedData, scales } = result.get('layer');
  const hash = await crypto.subtle.digest('SHA-256', quantizedData);
  await quantizer.dispose();
  return { backend: quantizer.backend, hash: [...new Uint8Array(hash)], groups: scales.length, progress };
}

main()
  .catch((error) => ({ error: String(error?.stack ?? error) }))
  .then((outcome) => (document.querySelector('output').textContent = JSON.stringify(outcome)));
