import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { URLSearchParams } from 'node:url';
import { startHub } from '../js/support/hub.mjs';
import { halfTensor, modelFile } from '../js/support/models/safetensors.mjs';
import { within } from '../browser/support/time-limit.mjs';
import { kEnvironment, makeApplication, makeProject, outcomeInNode, runCommands, tool } from './support/projects.mjs';
import { recipe } from './support/recipes.mjs';

const kLimit = 30_000;
const kModel = modelFile([halfTensor('layer.weight', [256, 256])]);

const kWorker = `import { ArrowQuant } from 'arrowquant';
  import { outcomeOf } from './work.js';
  export default {
    async fetch(request) {
      const { source, ...options } = Object.fromEntries(new URL(request.url).searchParams);
      if (source !== undefined) return Response.json(await inspectionOf(source, options));
      return Response.json(await outcomeOf(ArrowQuant, options));
    },
  };
  async function inspectionOf(source, { team, ...options }) {
    const quantizer = await ArrowQuant.create();
    const headers = team === undefined ? {} : { 'X-Team': team };
    const inspecting = quantizer.inspectFile(source, { ...options, headers });
    return inspecting.then(({ tensors }) => tensors.map(({ name }) => name), ({ code, message }) => ({ code, message }));
  }`;
/** What wrangler would tell the runtime. */
const kConfiguration = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
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
let hub;

beforeAll(async () => {
  project = await makeProject();
  hub = await startHub({ 'team/model': { files: { 'm.safetensors': kModel }, isPrivate: true } });
  const files = { 'worker.js': kWorker, 'config.capnp': kConfiguration };
  const folder = makeApplication(project, 'workerd', { files });
  await runCommands(folder, recipe('Cloudflare Workers').commands);
  const parameters = ['serve', 'config.capnp', '--control-fd=3'];
  const options = { cwd: folder, env: kEnvironment, stdio: ['ignore', 'inherit', 'pipe', 'pipe'] };
  workerd = spawn(tool('@cloudflare/workerd-linux-64/bin/workerd'), parameters, options);
  workerd.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  address = await within(kLimit, 'workerd did not listen', addressOf(workerd));
}, 60_000);
afterAll(async () => {
  workerd?.kill();
  await hub?.close();
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

test.each([
  ['by its name, with a token', () => 'hf:team/model', () => ({ accessToken: 'hf_valid' })],
  ['with a header of its own', () => 'hf:team/model', () => ({ accessToken: 'hf_valid', team: 's3cret' })],
  ['by a URL', () => `${hub.url}/team/model/resolve/main/m.safetensors`, () => ({ accessToken: 'hf_valid' })],
])('a model on a hub is read %s, which no other server gets to see', async (_title, source, options) => {
  const before = { hub: hub.requests.length, files: hub.fetched.length };
  const query = new URLSearchParams({ source: source(), hubUrl: hub.url, ...options() });
  expect(await answerTo(`?${query}`)).toEqual(['layer.weight']);
  const asked = hub.requests.slice(before.hub);
  expect(asked.map(({ headers }) => headers.authorization)).toEqual(asked.map(() => 'Bearer hf_valid'));
  expect(hub.fetched.length).toBeGreaterThan(before.files);
  expect(JSON.stringify(hub.fetched)).not.toMatch(/hf_valid|s3cret/);
});

test('what is no address is refused in words', async () => {
  const message = expect.stringMatching(/it is no URL; pass a URL/);
  expect(await answerTo('?source=model.gguf')).toEqual({ code: 'unreadable_input', message });
});
