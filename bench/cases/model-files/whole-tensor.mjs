import path from 'node:path';
import { measure } from '../../lib/measure.mjs';
import { writeHalfModel } from '../../lib/models.mjs';
import { withQuantizers } from '../../lib/packages.mjs';
import { inTemporaryFolder } from '../../lib/temporary.mjs';

const BYTES = 5e8;
const GROUPS = { 'groups of 128': 128, 'one group a tensor': 'tensor' };

/** One scale for a whole tensor takes a look at all of it first. Beside groups of 128 of the same build. */
export function wholeTensor({ rounds, against }) {
  return inTemporaryFolder((folder) =>
    withQuantizers(against, async (quantizers) => {
      const input = path.join(folder, 'in.safetensors');
      writeHalfModel(input, BYTES);
      const output = path.join(folder, 'out.safetensors');
      const cases = quantizers.flatMap(({ label, quantizer }) =>
        Object.entries(GROUPS).map(([name, groupSize]) => ({
          name: `${label}${name}`,
          bytes: BYTES * 2,
          run: async () => void (await quantizer.quantizeFile(input, output, { bits: 4, groupSize, metrics: false })),
        })),
      );
      const results = await measure(cases, rounds);
      const timeOf = (wanted) => results.find(({ name }) => name === wanted).median;
      const [first] = Object.keys(GROUPS);
      const labelOf = ({ name }) => quantizers.find(({ label }) => name.startsWith(label)).label;
      return {
        id: 'whole',
        title: `${BYTES / 1e9} GB of F16 safetensors to int4: one group a tensor, 2 threads`,
        note: '  the speed relative to groups of 128 with the same build',
        reference: first,
        results: results.map((result) => ({ ...result, ratio: timeOf(`${labelOf(result)}${first}`) / result.median })),
      };
    }),
  );
}
