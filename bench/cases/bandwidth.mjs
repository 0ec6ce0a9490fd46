import { execFileSync } from 'node:child_process';
import { buildBandwidth } from '../../tools/build/kernels.mjs';

const MEBIBYTES = 128;
const READ = 'read, 2 threads';

/** The affine kernels from arrays that no cache holds, on one thread and on two at once, beside reading the arrays. */
export async function bandwidth({ rounds }) {
  const program = await buildBandwidth();
  const output = execFileSync(process.execPath, [program, String(MEBIBYTES), String(rounds)], { encoding: 'utf8' });
  const speeds = JSON.parse(output).map(({ name, threads, gigabytesPerSecond }) => ({
    name: `${name}, ${threads} thread${threads > 1 ? 's' : ''}`,
    unit: 'ms',
    median: (threads * MEBIBYTES * 2 ** 20) / 1e6 / gigabytesPerSecond,
    gigabytesPerSecond,
  }));
  const reading = speeds.find(({ name }) => name === READ).gigabytesPerSecond;
  return {
    id: 'bandwidth',
    title: `Affine kernels on ${MEBIBYTES} MiB a thread, in groups of 128`,
    reference: READ,
    results: speeds.map((speed) => ({ ...speed, ratio: speed.gigabytesPerSecond / reading })),
  };
}
