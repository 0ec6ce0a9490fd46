import { buildKernels } from '../../tools/build/kernels.mjs';
import { execFileSync } from 'node:child_process';

/** Builds bench/kernels.cc as wasm; gives a function that runs it once and returns GB/s of input by kernel. */
export async function openKernels() {
  const program = await buildKernels();
  return (weights, rounds, part = '') => {
    const output = execFileSync(process.execPath, [program, String(weights), String(rounds), part], {
      encoding: 'utf8',
    });
    return new Map(JSON.parse(output).kernels.map(({ name, gigabytesPerSecond }) => [name, gigabytesPerSecond]));
  };
}
