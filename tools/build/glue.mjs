/**
 * Emscripten's glue, made one for every runtime and bundler: the package compiles the wasm and starts the threads
 * (js/runtime), so that the glue names no file, no address and no Worker. Every change is a replacement of an exact piece
 * of text: where Emscripten writes something else one day, the build stops here instead of shipping a glue that hangs.
 */
import { SetupError } from '../lib/run.mjs';

const kIsThread = `(globalThis.self?.name==="arrowquant-pool-thread"&&typeof document=="undefined")`;

/** @param {boolean} threads whether it is the flavour with threads */
export function adaptGlue(glue, threads) {
  let text = replaceOnce(glue, /var _scriptName ?= ?import\.meta\.url;/, '');
  // How the glue would find and fetch its wasm.
  text = cut(text, 'var scriptDirectory="";', 'var out=Module["print"]');
  text = cut(text, 'var dataURIPrefix=', 'function getWasmImports()');
  text = cut(text, 'wasmBinaryFile??=findWasmBinary();', 'return{}}');
  if (threads) {
    // Emscripten's own name is that of the threads of every program made with it. A page may have any name.
    text = replaceOnce(text, 'self.name?.startsWith("em-pthread")', kIsThread);
    text = replaceOnce(text, `globalThis.self?.name?.startsWith('em-pthread')`, kIsThread);
    text = cut(text, 'var workerOptions=', 'PThread.unusedWorkers.push(worker)');
    text = replaceOnce(text, 'var worker;PThread.unusedWorkers', 'var worker=Module["startThread"]();PThread.unusedWorkers');
    text = cut(text, 'worker.onerror=', 'var handlers=[]');
  }
  return text;
}

/** Without what stands from `from` on, up to `to`. */
function cut(text, from, to) {
  const begin = text.indexOf(from);
  const end = text.indexOf(to, begin);
  if (begin < 0 || end < 0 || text.includes(from, begin + 1)) throw changed(`${from} … ${to}`);
  return text.slice(0, begin) + text.slice(end);
}

function replaceOnce(text, from, to) {
  const pieces = text.split(from);
  if (pieces.length === 2) return pieces.join(to);
  throw changed(String(from));
}

const changed = (piece) => new SetupError(`Emscripten's glue has not just once:\n  ${piece}\nAdapt tools/build/glue.mjs.`);

/** Every thread loads the glue: a quarter less of it. Checks what bundlers, runtimes and page policies ask of it. */
export async function minifyGlue(glue, file) {
  const { transform } = await import('esbuild');
  const { code } = await transform(glue, { format: 'esm', minify: true, target: 'es2022', legalComments: 'none' });
  for (const [pattern, fault] of kFaults) {
    if (pattern.test(code)) throw new SetupError(`${file} ${fault}. Adapt tools/build/glue.mjs.`);
  }
  // esbuild refuses this format to a module that waits while it is loaded, as require() does.
  await transform(code, { format: 'cjs', logLevel: 'silent' }).catch((error) => {
    throw new SetupError(`${file} cannot be required: ${error.message}\nAdapt tools/build/glue.mjs.`);
  });
  return code;
}

const kFaults = [
  [/\beval\(|new Function\b/, 'evaluates code, which Content-Security-Policies forbid'],
  [/\bimport\b|\brequire\(/, 'names other modules, or its own address'],
  [/new Worker\b|\bfetch\(|XMLHttpRequest/, 'starts workers or fetches files itself'],
  [/\.wasm\b/, 'names a wasm file'],
];
