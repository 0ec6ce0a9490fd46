import { inProject } from '../lib/paths.mjs';
import { setUp } from '../setup.mjs';
import { cmakeBuild } from './cmake.mjs';
import { wasmEnvironment } from './wasm.mjs';

/** Builds a bench program as wasm; returns the script that runs it, under Node where it ends with `.cjs`. */
async function buildProgram(preset, target, ending = '.cjs') {
  const emscripten = await setUp();
  await cmakeBuild(preset, [target], wasmEnvironment(emscripten));
  return inProject('build', preset, 'bench', `${target}${ending}`);
}

export const buildKernels = () => buildProgram('wasm-single', 'arrowquant_kernels');
export const buildWebKernels = () => buildProgram('wasm-single', 'arrowquant_kernels_web', '.mjs');
export const buildBandwidth = () => buildProgram('wasm-threads', 'arrowquant_bandwidth');
