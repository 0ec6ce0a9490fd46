/**
 * Emscripten's glue, made fit for bundlers and for several runtimes. Every change is a replacement of an exact piece of
 * text: where Emscripten writes something else one day, the build stops here instead of shipping a glue that hangs.
 */
import { SetupError } from '../lib/run.mjs';

/** @param {string} name of the flavour's files, without an end */
export function adaptWebGlue(glue, name, threads) {
  let text = useSharedWasm(glue, `${name}.web`, name);
  if (threads) {
    text = reportThreadFailures(text);
    // Bundlers find workers by reading this expression, and Vite wants its options literal.
    text = replaceOnce(text, 'var workerOptions={type:"module",name:"em-pthread"};', '');
    text = replaceOnce(
      text,
      `new Worker(new URL("${name}.web.mjs",import.meta.url),workerOptions)`,
      `new Worker(new URL("${name}.web.mjs",import.meta.url),{type:"module",name:"em-pthread"})`,
    );
  }
  return threads ? text : tellCompiled(text);
}

export function adaptNodeGlue(glue, name, threads) {
  let text = useSharedWasm(glue, `${name}.node`, name);
  if (threads) {
    text = reportThreadFailures(text);
    // require() of a module with a top-level await fails, so who we are has to be known without one.
    text = replaceOnce(
      text,
      `var isNode = typeof globalThis.process?.versions?.node == 'string';\n` +
        `if (isNode) isPthread = (await import('worker_threads')).workerData === 'em-pthread';\n`,
      '',
    );
    text = replaceOnce(
      text,
      `var isPthread = globalThis.self?.name?.startsWith('em-pthread');`,
      `var isPthread = workerData === 'em-pthread';`,
    );
    text = `import { Worker, workerData } from 'node:worker_threads';\n${text}`;
    // A browser-like global Worker would make the caller's other libraries believe that they are in a browser.
    text = replaceOnce(text, 'global.Worker=worker_threads.Worker;', '');
  }
  return threads ? text : tellCompiled(text);
}

/** The workers of js/workers instantiate what the page has compiled. */
function tellCompiled(text) {
  const receive = 'receiveInstance(result["instance"])';
  return replaceOnce(text, receive, `Module["onCompiled"]?.(result["module"]);${receive}`);
}

/** A worker's error goes to who started the module; thrown, it would end a Node process and be lost in a browser. */
function reportThreadFailures(text) {
  const report = 'err(`${message} ${e.filename}:${e.lineno}: ${e.message}`);throw e';
  return replaceOnce(text, report, 'if(!Module["onThreadFailure"])throw e;Module["onThreadFailure"](e)');
}

/** Both glues load the flavour's one wasm file. */
function useSharedWasm(text, linkedName, name) {
  return text.replaceAll(`${linkedName}.wasm`, `${name}.wasm`);
}

function replaceOnce(text, from, to) {
  const pieces = text.split(from);
  if (pieces.length === 2) return pieces.join(to);
  throw new SetupError(
    `Emscripten's glue has ${String(pieces.length - 1)} times, not once:\n  ${from.trim()}\nAdapt tools/build/glue.mjs.`,
  );
}

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
  const workers = code.match(/new \w+\(new URL\("[^"]+",import\.meta\.url\)[^)]*\)/g) ?? [];
  if (file.includes('.web.') && workers.some((worker) => !worker.endsWith(',{type:"module",name:"em-pthread"})'))) {
    throw new SetupError(`${file} starts workers in a way that bundlers cannot follow. Adapt tools/build/glue.mjs.`);
  }
  return code;
}

const kFaults = [
  [/\beval\(|new Function\b/, 'evaluates code, which Content-Security-Policies forbid'],
  [/global\.Worker=/, 'sets a global Worker'],
];
