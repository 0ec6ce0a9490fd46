import { execFileSync, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const COMMAND = here('../../dist/cli/main.js');
const PEAK_OF_COMMAND = ['--import', new URL('../../tests/js/fixtures/print-peak-memory.mjs', import.meta.url).href];
/** The converter's bar of progress is long. */
const MOST_SAID = 2 ** 26;
const CONVERT_ONCE = here('convert-once.mjs');

/** Runs a script, and has the process say its peak memory in kilobytes in the last line of stderr. */
const PEAK_OF_PYTHON = `
import atexit, os, re, runpy, sys
def say_peak():
    print("peak", re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
atexit.register(say_peak)
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
`;

function runMeasured(program, parameters) {
  const begin = performance.now();
  const options = { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'], maxBuffer: MOST_SAID };
  const { status, error, stderr } = spawnSync(program, parameters, options);
  const milliseconds = performance.now() - begin;
  if (status !== 0) throw error ?? new Error(`${program} ended with ${status}: ${stderr.slice(-2000)}`);
  const [, kilobytes] = /peak (\d+)\s*$/u.exec(stderr);
  return { milliseconds, peakBytes: Number(kilobytes) * 1024 };
}

/** From the folder to the file in one go: the package's command, as a user runs it, until the file is on the disk. */
export function ownRoute({ input, output, type, threads }) {
  rmSync(output, { force: true });
  const options = ['--type', type, '--threads', String(threads), '--no-metrics', '--quiet'];
  return runMeasured(process.execPath, [...PEAK_OF_COMMAND, COMMAND, 'quantize', input, output, ...options]);
}

/**
 * llama.cpp's: its converter writes a file of the checkpoint's own type, and its quantizer (the library's function that
 * llama-quantize calls) another one. The quantizer's process does not count, only the call.
 */
export function officialRoute({ input, output, type, threads, python, llamaCpp }) {
  const between = `${output}.between.gguf`;
  try {
    const script = path.join(llamaCpp, 'convert_hf_to_gguf.py');
    const asked = [input, '--outtype', 'auto', '--outfile', between];
    const converter = runMeasured(python, ['-c', PEAK_OF_PYTHON, script, ...asked]);
    const parameters = [CONVERT_ONCE, 'llama', between, output, type, String(threads), 'keep'];
    const quantizer = JSON.parse(execFileSync(process.execPath, parameters, { encoding: 'utf8' }));
    return { converter, quantizer, ...together(converter, quantizer) };
  } finally {
    rmSync(between, { force: true });
  }
}

const together = (...steps) => ({
  milliseconds: steps.reduce((sum, { milliseconds }) => sum + milliseconds, 0),
  peakBytes: Math.max(...steps.map(({ peakBytes }) => peakBytes)),
});
