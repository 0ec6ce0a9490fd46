import path from 'node:path';
import { measure } from '../../lib/measure.mjs';
import { writeTinyModel } from '../../lib/models.mjs';
import { besideBefore, withQuantizers } from '../../lib/packages.mjs';
import { inTemporaryFolder } from '../../lib/temporary.mjs';

const TENSORS = 500;
const WEIGHTS = 65_536;

/** What it costs to note each tensor, so that a conversion can go on where another one ended. */
export function resume({ rounds, against }) {
  return inTemporaryFolder((folder) =>
    withQuantizers(against, async (quantizers) => {
      const input = path.join(folder, 'in.safetensors');
      writeTinyModel(input, TENSORS, WEIGHTS);
      const timed = async (quantizer, resumable) => {
        const options = { type: 'Q8_0', metrics: false, resume: resumable };
        const start = performance.now();
        await quantizer.quantizeFile(input, path.join(folder, 'out.gguf'), options);
        return ((performance.now() - start) / TENSORS) * 1000;
      };
      const cases = quantizers.flatMap(({ label, quantizer }) =>
        ['without resume', 'with resume'].map((name) => ({
          name: `${label}${name}`,
          bytes: 0,
          unit: 'µs',
          run: () => timed(quantizer, name === 'with resume'),
        })),
      );
      return {
        id: 'resume',
        title: `${TENSORS} tensors of ${WEIGHTS} weights to Q8_0: time for each of them, 2 threads`,
        note: '  with the disk that holds the temporary folder',
        reference: 'before',
        results: besideBefore(await measure(cases, rounds)),
      };
    }),
  );
}
