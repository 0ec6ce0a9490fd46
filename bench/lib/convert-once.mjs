/**
 * `node convert-once.mjs HOW INPUT OUTPUT TYPE THREADS [keep]`: converts a file once in a process of its own, and prints the
 * milliseconds that it took and the most memory that the process ever had, as JSON. HOW is `arrowquant`, which waits until
 * the output is on the disk, `arrowquant-none`, which does not (`durability: 'none'`), `llama`, `cp`, or `cp-sync`, which
 * waits as well. The output is removed unless it is to be kept.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { peakBytes } from './peak-memory.mjs';

const [how, input, output, type, threads, afterwards] = process.argv.slice(2);

async function prepareArrowQuant(durability) {
  const { ArrowQuant } = await import('arrowquant');
  const quantizer = await ArrowQuant.create({ threads: Number(threads) });
  await quantizer.plan(input, { type });
  return () => quantizer.quantizeFile(input, output, { type, metrics: false, ...durability });
}

function runProgram(program, ...parameters) {
  const { status } = spawnSync(program, parameters);
  if (status !== 0) throw new Error(`${[program, ...parameters].join(' ')} failed`);
}

/** Each gives what to time: what is done once in a program's life does not count, for any of them. */
const PREPARE = {
  arrowquant: () => prepareArrowQuant({}),
  'arrowquant-none': () => prepareArrowQuant({ durability: 'none' }),
  async llama() {
    const { openLlamaModels } = await import('../../tests/peers/llama-model.mjs');
    const llama = openLlamaModels();
    return () => llama.quantize(input, output, { type, threads: Number(threads) });
  },
  cp: async () => () => runProgram('cp', input, output),
  'cp-sync': async () => () => {
    runProgram('cp', input, output);
    runProgram('sync', output);
  },
};

rmSync(output, { force: true });
const run = await PREPARE[how]();
const begin = performance.now();
await run();
const milliseconds = performance.now() - begin;
if (afterwards !== 'keep') rmSync(output, { force: true });
process.stdout.write(JSON.stringify({ milliseconds, peakBytes: peakBytes() }));
