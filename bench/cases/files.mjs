import { execFileSync } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArrowQuant } from 'arrowquant';
import { measure, median, withRatios } from '../lib/measure.mjs';
import { writeHalfModel, writeLanguageModel } from '../lib/models.mjs';
import { inTemporaryFolder } from '../lib/temporary.mjs';

const CONVERT = fileURLToPath(new URL('../lib/convert-once.mjs', import.meta.url));
const THREADS = 2;
const COPIED_BYTES = 2e9;
const COPIED_TYPES = ['Q8_0', 'Q4_0'];
const TYPES = [
  ...['F16', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q2_K', 'Q3_K_M', 'Q4_K_M', 'Q5_K_M', 'Q6_K', 'IQ4_NL', 'IQ4_XS'],
];
/** Whole files take seconds. */
const MOST_ROUNDS = 5;
/** llama.cpp takes up to a minute for the slow types. */
const MOST_MODEL_ROUNDS = 3;

/** A case whose runs are processes of their own; `peaks` collects what they say of their memory. */
function inProcess(name, how, input, output, type, peaks) {
  const bytes = statSync(input).size;
  const run = () => {
    const parameters = [CONVERT, how, input, output, type, String(THREADS)];
    const { milliseconds, peakBytes } = JSON.parse(execFileSync(process.execPath, parameters, { encoding: 'utf8' }));
    peaks.set(name, [...(peaks.get(name) ?? []), peakBytes]);
    return milliseconds;
  };
  return { name, bytes, run };
}

/** Whether this build can leave its output to the system without waiting for the disk. */
async function knowsDurability(input) {
  const quantizer = await ArrowQuant.create({ backend: 'single' });
  try {
    await quantizer.plan(input, { type: 'Q8_0', durability: 'none' });
    return true;
  } catch (error) {
    if (error.code === 'invalid_option') return false;
    throw error;
  } finally {
    await quantizer.dispose();
  }
}

/**
 * 2 GB of F16 safetensors, which are in the page cache, beside two copies of the same file: `cp`, which does not wait for
 * the disk, and `cp` with `sync` of the copy, which does, as a conversion does unless it is told not to.
 */
async function besideCopy(folder, rounds, peaks) {
  const input = path.join(folder, 'copied.safetensors');
  writeHalfModel(input, COPIED_BYTES);
  const output = (ending) => path.join(folder, `copied-out.${ending}`);
  const copies = [
    inProcess('cp', 'cp', input, output('cp'), '', peaks),
    inProcess('cp and sync', 'cp-sync', input, output('cp'), '', peaks),
  ];
  const ways = { arrowquant: '', ...((await knowsDurability(input)) && { 'arrowquant-none': ', not waiting' }) };
  const conversions = Object.entries(ways).flatMap(([how, suffix]) =>
    COPIED_TYPES.map((type) => inProcess(`safetensors to ${type}${suffix}`, how, input, output('gguf'), type, peaks)),
  );
  const results = withRatios(await measure([...copies, ...conversions], rounds), 'cp');
  rmSync(input);
  return results;
}

/** The same F16 GGUF, quantized by ArrowQuant and by llama.cpp's own `llama_model_quantize`. */
async function besideLlama(folder, rounds, peaks) {
  const input = path.join(folder, 'language-f16.gguf');
  writeLanguageModel(input);
  const output = path.join(folder, 'language-out.gguf');
  const rows = [];
  for (const type of TYPES) {
    const ours = inProcess(`ArrowQuant ${type}`, 'arrowquant', input, output, type, peaks);
    const theirs = inProcess(`llama.cpp ${type}`, 'llama', input, output, type, peaks);
    const [own, native] = await measure([ours, theirs], rounds);
    rows.push({
      name: type,
      own: own.median,
      native: native.median,
      ratio: native.median / own.median,
      ownPeakBytes: median(peaks.get(ours.name)),
      nativePeakBytes: median(peaks.get(theirs.name)),
    });
  }
  return rows;
}

export function files({ rounds }) {
  const peaks = new Map();
  return inTemporaryFolder(async (folder) => {
    const results = await besideCopy(folder, Math.min(rounds, MOST_ROUNDS), peaks);
    const models = await besideLlama(folder, Math.min(rounds, MOST_MODEL_ROUNDS), peaks);
    return {
      id: 'files',
      title: `Files: ${COPIED_BYTES / 1e9} GB of F16 safetensors to GGUF, ${THREADS} threads, beside cp`,
      note: '  GB/s of input; without metrics; `cp` does not wait for the disk, a conversion does',
      reference: 'cp',
      results: results.map((result) => ({ ...result, peakBytes: median(peaks.get(result.name)) })),
      models,
    };
  });
}
