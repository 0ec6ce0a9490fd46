/**
 * `npm run bench -- [--in chromium|firefox] [--only batch,kernels,…] [--rounds N] [--json FILE] [--against DIST]`; see
 * README.md beside this file.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BROWSERS, measureInPages, PAGE_GROUPS } from './browser/main.mjs';
import { arrow } from './cases/arrow.mjs';
import { bandwidth } from './cases/bandwidth.mjs';
import { batch } from './cases/batch.mjs';
import { demo } from './cases/demo.mjs';
import { files } from './cases/files.mjs';
import { formats } from './cases/formats.mjs';
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
  ...{ batch, arrow, progress, peers, kernels, formats, bandwidth, files, demo },
  ...{ tiny: tinyTensors, compare, fp8: scaledFp8, whole: wholeTensor, stream: earlyPieces, resume },
};
/** Wants Chromium: only when asked for. */
const USUAL = Object.keys(GROUPS).filter((name) => name !== 'demo');

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '9' },
    json: { type: 'string' },
    /** The dist folder of an older build: groups that know it measure that one in turns with this one. */
    against: { type: 'string' },
    /** Measures in pages of this browser. */
    in: { type: 'string' },
  },
});

function refuseUnless(known, what, given) {
  const unknown = given.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  console.error(`No such ${what}: ${unknown.join(', ')}. There are ${known.join(', ')}.`);
  process.exit(2);
}

const inPages = values.in !== undefined;
if (inPages) refuseUnless(BROWSERS, 'browser', [values.in]);
const known = Object.keys(inPages ? PAGE_GROUPS : GROUPS);
const wanted = values.only?.split(',') ?? (inPages ? known : USUAL);
refuseUnless(known, 'group', wanted);

const rounds = Number(values.rounds);
const machine = describeMachine();
const quiet = values.json === '-';
if (!quiet) console.log(`${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.runtime}`);
const groups = [];
const onGroup = (group) => {
  groups.push(group);
  if (!quiet) printGroup(group);
};
let browser;
if (inPages) browser = await measureInPages(values.in, wanted, rounds, onGroup);
else for (const name of wanted) onGroup(await GROUPS[name]({ rounds, against: values.against }));

const report = `${JSON.stringify({ machine, ...(browser && { browser }), rounds, groups }, null, 2)}\n`;
if (quiet) process.stdout.write(report);
else if (values.json !== undefined) writeFileSync(values.json, report);
