import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { within } from '../browser/support/time-limit.mjs';
import { kEnvironment, makeApplication, makeProject, outcomeInNode, runCommands, tool } from './support/projects.mjs';
import { recipe } from './support/recipes.mjs';

const kLimit = 30_000;

const kWorker = `import { ArrowQuant } from 'arrowquant';
  import { outcomeOf } from './work.js';
  export default {
    async fetch(request) {
      return Response.json(await outcomeOf(ArrowQuant, Object.fromEntries(new URL(request.url).searchParams)));
    },
  };`;
/** What wrangler would tell the runtime. */
const kConfiguration = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "dist/worker.js"),
    (name = "arrowquant-single.wasm", wasm = embed "dist/arrowquant-single.wasm"),
  ],
  compatibilityDate = "2025-01-01",
);
`;

let project;
let workerd;
let address;
let errors = '';

beforeAll(async () => {
  project = await makeProject();
  const files = { 'worker.js': kWorker, 'config.capnp': kConfiguration };
  const folder = makeApplication(project, 'workerd', { files });
  await runCommands(folder, recipe('Cloudflare Workers').commands);
  const parameters = ['serve', 'config.capnp', '--control-fd=3'];
  const options = { cwd: folder, env: kEnvironment, stdio: ['ignore', 'inherit', 'pipe', 'pipe'] };
  workerd = spawn(tool('@cloudflare/workerd-linux-64/bin/workerd'), parameters, options);
  workerd.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  address = await within(kLimit, 'workerd did not listen', addressOf(workerd));
}, 60_000);
afterAll(() => {
  workerd?.kill();
  project?.remove();
});

async function addressOf({ stdio: [, , , control] }) {
  for await (const line of createInterface({ input: control })) {
    const { event, port } = JSON.parse(line);
    if (event === 'listen') return `http://127.0.0.1:${port}/`;
  }
  throw new Error(`workerd has ended: ${errors}`);
}

const answerTo = async (query) => (await fetch(`${address}${query}`, { signal: AbortSignal.timeout(kLimit) })).json();

test('a request is answered with quantized weights', async () => {
  const fallback = expect.stringMatching(/^threads: .*; workers: /);
  expect(await answerTo('')).toEqual({ ...(await outcomeInNode(project)), backend: 'single', fallback });
  expect(errors).toBe('');
});

test('threads are refused with a reason', async () => {
  expect(await answerTo('?backend=threads')).toEqual({ code: 'backend_unavailable', message: expect.any(String) });
});
