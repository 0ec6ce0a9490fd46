import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { inProject } from '../../tools/lib/paths.mjs';
import { run, runOrThrow, SetupError, which } from '../../tools/lib/run.mjs';

const require = createRequire(import.meta.url);

/** The smallest npm package that has the sources of ggml's quantizers; they are MIT's, and all names begin with `wsp_`. */
const SOURCES = {
  package: 'whisper.rn@0.7.4',
  tarball: 'whisper.rn-0.7.4.tgz',
  sha512: '9MyWFoRmUWHDHLhjm4dZgZzxG2fFNuClOPE/Ne5KXlm0vSi4It5oS2xZi9WfPEfUGHcgPMiVviv9t18zC4BSNw==',
};

/** Contraction to FMA is left as the compiler has it, so that these may be other bytes than the reference's. */
const FLAGS = ['-O3', '-march=native', '-fPIC', '-D_GNU_SOURCE', '-w'];

/**
 * ggml's quantizers as the compiler of this machine builds them for its processor, in build/peers; null, and a line that
 * says why, where it cannot be had.
 *
 * @returns {Promise<null | {encode: (type: number, weights: Float32Array, blocks: Uint8Array, importance: Float32Array | null) => void}>}
 *   `type` is ggml's number of it; some types cannot do without importance, a number for each weight of a row
 */
export async function openNativeLlama(say = console.error) {
  try {
    const koffi = require('koffi');
    // What it calls of ggml's backends is not there, and is never called.
    const library = koffi.load(await buildLibrary(), { lazy: true });
    const quantize = library.func(
      'size_t wsp_ggml_wsp_quantize_chunk(int type, const float *from, void *to, int64_t start, int64_t rows, int64_t row, const float *importance)',
    );
    return {
      encode: (type, weights, blocks, importance) => {
        const row = importance?.length ?? weights.length;
        quantize(type, weights, blocks, 0, weights.length / row, row, importance);
      },
    };
  } catch (error) {
    say(`llama.cpp built for this processor is left out: ${error.message.split('\n')[0]}`);
    return null;
  }
}

async function buildLibrary() {
  if (which('cc') === null || which('c++') === null) throw new SetupError('there is no compiler (cc, c++)');
  const { stdout: compiler } = await run('cc', ['--version']);
  const made = [SOURCES.package, ...FLAGS, compiler, os.cpus()[0]?.model].join('\n');
  const folder = inProject('build/peers');
  const library = path.join(folder, `ggml-${createHash('sha256').update(made).digest('hex').slice(0, 16)}.so`);
  if (!existsSync(library)) await compile(await unpackSources(folder), library);
  return library;
}

async function unpackSources(folder) {
  const sources = path.join(folder, 'package/cpp');
  if (existsSync(sources)) return sources;
  mkdirSync(folder, { recursive: true });
  await runOrThrow(`npm pack ${SOURCES.package}`, 'npm', ['pack', SOURCES.package, '--ignore-scripts'], {
    cwd: folder,
  });
  const tarball = path.join(folder, SOURCES.tarball);
  const sha512 = createHash('sha512').update(readFileSync(tarball)).digest('base64');
  if (sha512 !== SOURCES.sha512) throw new SetupError(`${SOURCES.tarball} is not the file that it was`);
  await runOrThrow('Unpacking it', 'tar', ['-xzf', SOURCES.tarball, 'package/cpp', 'package/LICENSE'], { cwd: folder });
  rmSync(tarball);
  return sources;
}

async function compile(sources, library) {
  const parts = { 'ggml-quants.c': 'cc', 'ggml.c': 'cc', 'ggml-threading.cpp': 'c++' };
  const objects = Object.keys(parts).map((name) => path.join(path.dirname(library), `${name}.o`));
  for (const [i, [name, compiler]] of Object.entries(parts).entries()) {
    const parameters = [...FLAGS, '-I.', '-Iggml-cpu', '-c', name, '-o', objects[i]];
    await runOrThrow(`Compiling ggml's ${name}`, compiler, parameters, { cwd: sources });
  }
  const unfinished = `${library}.new`;
  await runOrThrow('Linking it', 'c++', ['-shared', '-Wl,-z,lazy', '-o', unfinished, ...objects, '-lm', '-lpthread']);
  renameSync(unfinished, library);
  for (const object of objects) rmSync(object);
}
