/**
 * `node bench/checkpoint.mjs --python PROGRAM --llama-cpp FOLDER [--input FOLDER] [--type Q4_K_M] [--rounds 3] [--json FILE]`:
 * from a checkpoint in the layout of transformers to a GGUF, beside llama.cpp's `convert_hf_to_gguf.py` and quantizer; see
 * README.md beside this file.
 */
import { createHash } from 'node:crypto';
import { createReadStream, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { writeLanguageCheckpoint } from './lib/language-checkpoint.mjs';
import { describeMachine } from './lib/machine.mjs';
import { median } from './lib/measure.mjs';
import { inTemporaryFolder } from './lib/temporary.mjs';
import { officialRoute, ownRoute } from './lib/two-routes.mjs';

const { values } = parseArgs({
  options: {
    /** One that has what the converter imports. */
    python: { type: 'string', default: process.env.PYTHON ?? 'python3' },
    /** llama.cpp's sources, of the version that tests/peers has the library of. */
    'llama-cpp': { type: 'string', default: process.env.LLAMA_CPP },
    /** A checkpoint; without it one is made. */
    input: { type: 'string' },
    type: { type: 'string', default: 'Q4_K_M' },
    threads: { type: 'string', default: String(os.availableParallelism()) },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
});

async function sha256(file) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

const ROUTES = { own: ownRoute, official: officialRoute };

/** One run of each route that does not count, then `rounds` of both in turns, every other round the other way round. */
async function measureRoutes(asked, folder, rounds) {
  const outputs = { own: path.join(folder, 'own.gguf'), official: path.join(folder, 'official.gguf') };
  const runs = { own: [], official: [] };
  for (let round = -1; round < rounds; ++round) {
    for (const name of round % 2 === 0 ? ['own', 'official'] : ['official', 'own']) {
      const run = ROUTES[name]({ ...asked, output: outputs[name] });
      if (round >= 0) runs[name].push(run);
    }
  }
  const [own, official] = await Promise.all([sha256(outputs.own), sha256(outputs.official)]);
  return { runs, outputBytes: statSync(outputs.own).size, sameBytes: own === official };
}

const middle = (runs, of) => median(runs.map(of));

function summary({ own, official }) {
  const row = (runs, of = (run) => run) => ({
    milliseconds: middle(runs, (run) => of(run).milliseconds),
    peakBytes: middle(runs, (run) => of(run).peakBytes),
  });
  return {
    own: row(own),
    official: row(official),
    converter: row(official, ({ converter }) => converter),
    quantizer: row(official, ({ quantizer }) => quantizer),
  };
}

const LABELS = {
  own: 'arrowquant quantize',
  official: "llama.cpp's converter and quantizer",
  converter: '  convert_hf_to_gguf.py',
  quantizer: '  llama_model_quantize',
};

function print({ type, threads, rounds, sameBytes, outputBytes, medians }) {
  console.log(`To ${type} (${(outputBytes / 1e6).toFixed(0)} MB), ${threads} threads, medians of ${rounds} rounds`);
  for (const [name, { milliseconds, peakBytes }] of Object.entries(medians)) {
    const [seconds, megabytes] = [(milliseconds / 1000).toFixed(1), (peakBytes / 1e6).toFixed(0)];
    console.log(`${LABELS[name].padEnd(38)}${seconds.padStart(8)} s${megabytes.padStart(8)} MB`);
  }
  console.log(`${(medians.official.milliseconds / medians.own.milliseconds).toFixed(2)} times as fast`);
  console.log(sameBytes ? 'The files are the same, byte for byte.' : 'THE FILES DIFFER.');
}

if (values['llama-cpp'] === undefined) {
  console.error("Say where llama.cpp's sources are: --llama-cpp FOLDER.");
  process.exit(2);
}

await inTemporaryFolder(async (folder) => {
  const input = values.input ?? path.join(folder, 'Random-0.6B');
  if (values.input === undefined) writeLanguageCheckpoint(input);
  const { type, threads, python } = values;
  const rounds = Number(values.rounds);
  const measured = await measureRoutes({ input, type, threads, python, llamaCpp: values['llama-cpp'] }, folder, rounds);
  const report = { type, threads, rounds, ...measured, medians: summary(measured.runs) };
  const machine = describeMachine();
  console.log(`${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.runtime}`);
  print(report);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, ...report }, null, 2)}\n`);
  if (!measured.sameBytes) process.exitCode = 1;
});
