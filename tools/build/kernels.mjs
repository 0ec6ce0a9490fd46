import { inProject } from '../lib/paths.mjs';
import { setUp } from '../setup.mjs';
import { cmakeBuild } from './cmake.mjs';
import { wasmEnvironment } from './wasm.mjs';

/** Builds a bench program as wasm; returns the script that runs it under Node. */
async function buildProgram(preset, target) {
  const emscripten = await setUp();
  await cmakeBuild(preset, [target], wasmEnvironment(emscripten));
  return inProject('build', preset, 'bench', `${target}.cjs`);
}

export const buildKernels = () => buildProgram('wasm-single', 'arrowquant_kernels');
export const buildBandwidth = () => buildProgram('wasm-threads', 'arrowquant_bandwidth');
