/** `npm run bench -- [--only batch,kernels,…] [--rounds N] [--json FILE] [--against DIST]`; see README.md beside this file. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { bandwidth } from './cases/bandwidth.mjs';
import { batch } from './cases/batch.mjs';
import { demo } from './cases/demo.mjs';
import { files } from './cases/files.mjs';
import { kernels } from './cases/kernels.mjs';
import { compare } from './cases/model-files/compare.mjs';
import { earlyPieces } from './cases/model-files/early-pieces.mjs';
import { resume } from './cases/model-files/resume.mjs';
import { scaledFp8 } from './cases/model-files/scaled-fp8.mjs';
import { tinyTensors } from './cases/model-files/tiny-tensors.mjs';
import { wholeTensor } from './cases/model-files/whole-tensor.mjs';
import { peers } from './cases/peers.mjs';
import { progress } from './cases/progress.mjs';
import { describeMachine } from './lib/machine.mjs';
import { printGroup } from './lib/print.mjs';

const GROUPS = {
  ...{ batch, progress, peers, kernels, bandwidth, files, demo },
  ...{ tiny: tinyTensors, compare, fp8: scaledFp8, whole: wholeTensor, stream: earlyPieces, resume },
};
/** Wants Chromium: only when asked for. */
const USUAL = Object.keys(GROUPS).filter((name) => name !== 'demo');

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: USUAL.join(',') },
    rounds: { type: 'string', default: '9' },
    json: { type: 'string' },
    /** The dist folder of an older build: groups that know it measure that one in turns with this one. */
    against: { type: 'string' },
  },
});

const wanted = values.only.split(',');
const unknown = wanted.filter((name) => !(name in GROUPS));
if (unknown.length > 0) {
  console.error(`No such group: ${unknown.join(', ')}. There are ${Object.keys(GROUPS).join(', ')}.`);
  process.exit(2);
}

const machine = describeMachine();
const log = values.json === '-' ? () => {} : console.log;
log(`${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.runtime}`);
const groups = [];
for (const name of wanted) {
  const group = await GROUPS[name]({ rounds: Number(values.rounds), against: values.against });
  groups.push(group);
  if (values.json !== '-') printGroup(group);
}
const report = `${JSON.stringify({ machine, rounds: Number(values.rounds), groups }, null, 2)}\n`;
if (values.json === '-') process.stdout.write(report);
else if (values.json !== undefined) writeFileSync(values.json, report);
