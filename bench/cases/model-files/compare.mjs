import path from 'node:path';
import { measure } from '../../lib/measure.mjs';
import { writeHalfModel } from '../../lib/models.mjs';
import { besideBefore, withQuantizers } from '../../lib/packages.mjs';
import { inTemporaryFolder } from '../../lib/temporary.mjs';

const BYTES = 1e9;
const MOST_ROUNDS = 3;

/** Two models of F16 that differ everywhere, in the page cache. */
export function compare({ rounds, against }) {
  return inTemporaryFolder((folder) =>
    withQuantizers(against, async (quantizers) => {
      const [one, other] = ['one', 'other'].map((name) => path.join(folder, `${name}.safetensors`));
      writeHalfModel(one, BYTES);
      writeHalfModel(other, BYTES, 54321);
      const cases = quantizers.map(({ label, quantizer }) => ({
        name: `${label}compareFiles`,
        bytes: 0,
        run: async () => void (await quantizer.compareFiles(one, other)),
      }));
      return {
        id: 'compare',
        title: `Comparing two files of ${BYTES / 1e9} GB of F16, 2 threads`,
        reference: 'before',
        results: besideBefore(await measure(cases, Math.min(rounds, MOST_ROUNDS))),
      };
    }),
  );
}
