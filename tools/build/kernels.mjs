import { inProject } from '../lib/paths.mjs';
import { setUp } from '../setup.mjs';
import { cmakeBuild } from './cmake.mjs';
import { wasmEnvironment } from './wasm.mjs';

/** Builds the kernels' bench program as wasm; returns the script that runs it under Node. */
export async function buildKernels() {
  const emscripten = await setUp();
  await cmakeBuild('wasm-single', ['arrowquant_kernels'], wasmEnvironment(emscripten));
  return inProject('build', 'wasm-single', 'bench', 'arrowquant_kernels.cjs');
}
