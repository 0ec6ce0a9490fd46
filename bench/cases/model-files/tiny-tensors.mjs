import path from 'node:path';
import { measure } from '../../lib/measure.mjs';
import { writeTinyModel } from '../../lib/models.mjs';
import { besideBefore, withQuantizers } from '../../lib/packages.mjs';
import { inTemporaryFolder } from '../../lib/temporary.mjs';

const TENSORS = 50_000;
/** Tens of thousands of tensors take seconds. */
const MOST_ROUNDS = 3;

/** Below 1024 weights a tensor stays as it is, but for what the rules of its family are about. */
const CASES = [
  { name: '256 weights, copied', weights: 256, ending: 'safetensors', options: { bits: 4 } },
  { name: '256 weights to Q8_0', weights: 256, ending: 'gguf', options: { type: 'Q8_0' } },
  { name: '1024 weights to int4', weights: 1024, ending: 'safetensors', options: { bits: 4 } },
];

/** What a tensor costs beside its weights: files of many tiny ones, from F16. */
export function tinyTensors({ rounds, against }) {
  return inTemporaryFolder((folder) =>
    withQuantizers(against, async (quantizers) => {
      const inputOf = (weights) => path.join(folder, `of-${weights}.safetensors`);
      for (const weights of new Set(CASES.map((item) => item.weights))) {
        writeTinyModel(inputOf(weights), TENSORS, weights);
      }
      const cases = CASES.flatMap(({ name, weights, ending, options }) =>
        quantizers.map(({ label, quantizer }) => ({
          name: `${label}${name}`,
          bytes: 0,
          unit: 'µs',
          async run() {
            const output = path.join(folder, `out.${ending}`);
            const start = performance.now();
            await quantizer.quantizeFile(inputOf(weights), output, { ...options, metrics: false });
            return ((performance.now() - start) / TENSORS) * 1000;
          },
        })),
      );
      return {
        id: 'tiny',
        title: `Files of ${TENSORS} tiny tensors: time for each of them, 2 threads`,
        reference: 'before',
        results: besideBefore(await measure(cases, Math.min(rounds, MOST_ROUNDS))),
      };
    }),
  );
}
