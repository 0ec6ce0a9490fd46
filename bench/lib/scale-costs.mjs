import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from './measure.mjs';
import { writeHalfModel } from './models.mjs';
import { inTemporaryFolder } from './temporary.mjs';

const ONCE = fileURLToPath(new URL('scale-once.mjs', import.meta.url));
const SERVER = fileURLToPath(new URL('scale-server.mjs', import.meta.url));
/** What is written as it was read: F16 to F16. */
const COPY = 'F16';

/**
 * Measures what a gigabyte of F16 costs one core, in seconds of the processor: to read it from a file or from a server, to encode
 * it as each of `types`, and to write it. Each number is a median of `rounds` runs in processes of their own, which take turns.
 */
export async function measureCosts({ types, rounds, bytes }) {
  return inTemporaryFolder(async (folder) => {
    const input = path.join(folder, 'model.safetensors');
    writeHalfModel(input, bytes);
    const server = await startServer(input);
    try {
      const size = statSync(input).size;
      const memory = `memory:${input}`;
      const runs = [
        { name: 'memory', source: memory, type: COPY },
        { name: 'file', source: input, type: COPY },
        // Windows of what is encoded are read otherwise than what is copied.
        { name: 'http', source: server.url, type: types[0] },
        ...types.map((type) => ({ name: type, source: memory, type })),
      ];
      const told = await takeTurns(runs, rounds, folder);
      return costsOf(told, types, size / 1e9, await server.end());
    } finally {
      await server.end();
    }
  });
}

async function takeTurns(runs, rounds, folder) {
  const told = new Map(runs.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; ++round) {
    for (const { name, source, type } of runs) {
      const once_ = JSON.parse(await runNode([ONCE, source, type, path.join(folder, 'out', 'model.gguf')]));
      if (round >= 0) told.get(name).push(once_);
    }
  }
  return told;
}

function costsOf(told, types, gigabytes, requests) {
  const of = (name, what) => median(told.get(name).map((one) => one[what]));
  const perGigabyte = (name) => of(name, 'coreSeconds') / gigabytes;
  const write = perGigabyte('memory');
  const above = (seconds) => Math.max(0, seconds);
  const outputRatio = (type) => of(type, 'bytes') / 1e9 / gigabytes;
  return {
    read: { file: above(perGigabyte('file') - write), http: above(perGigabyte('http') - perGigabyte(types[0])) },
    write,
    encode: Object.fromEntries(types.map((type) => [type, above(perGigabyte(type) - write * outputRatio(type))])),
    mainThread: of('http', 'mainSeconds') / gigabytes,
    outputRatio: Object.fromEntries(types.map((type) => [type, outputRatio(type)])),
    requests,
  };
}

/** A server in a process of its own, whose time is not that of the conversion. It says what was asked of it when it ends. */
async function startServer(file) {
  const child = spawn(process.execPath, [SERVER, file], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdout.setEncoding('utf8');
  const [url] = await once(child.stdout, 'data');
  let ended;
  const end = async () => {
    const closed = once(child, 'close');
    child.stdin.end();
    const [told] = await once(child.stdout, 'data');
    await closed;
    return JSON.parse(told);
  };
  return { url: url.trim(), end: () => (ended ??= end()) };
}

async function runNode(parameters) {
  const child = spawn(process.execPath, parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (printed += text));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${parameters.join(' ')} ended with exit code ${code}`);
  return printed;
}
