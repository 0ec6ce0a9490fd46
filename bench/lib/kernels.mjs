import { buildKernels } from '../../tools/build/kernels.mjs';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Builds bench/kernels.cc as wasm; gives a function that runs it once and returns GB/s of input by kernel. */
export async function openKernels() {
  const program = await buildKernels();
  return async (weights, rounds, part = '') => {
    const { stdout } = await promisify(execFile)(process.execPath, [program, String(weights), String(rounds), part]);
    return new Map(JSON.parse(stdout).kernels.map(({ name, gigabytesPerSecond }) => [name, gigabytesPerSecond]));
  };
}
