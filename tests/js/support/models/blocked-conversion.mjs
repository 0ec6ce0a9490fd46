/**
 * Converts a file with the options that are given as JSON, says each tensor that is done, and after `most` of them stops
 * for ever, to be killed.
 */
import { ArrowQuant } from '../../../../dist/index.js';

const [source, sink, options, most] = process.argv.slice(2);
const quantizer = await ArrowQuant.create({ threads: 2 });
let done = 0;
await quantizer.quantizeFile(source, sink, {
  ...JSON.parse(options),
  onTensor: ({ name }) => {
    process.stdout.write(`${name}\n`);
    if (++done < Number(most)) return;
    process.stdout.write('stopped\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
});
