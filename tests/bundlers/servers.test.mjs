import { afterAll, beforeAll, expect, test } from '@jest/globals';
import path from 'node:path';
import { runProgram } from '../places/installed.mjs';
import { kEnvironment, makeApplication, makeProject, outcomeInNode, runCommands, tool } from './support/projects.mjs';
import { recipe } from './support/recipes.mjs';

const kMain = `import { ArrowQuant } from 'arrowquant';
  import { outcomeOf } from './work.js';
  outcomeOf(ArrowQuant).then((outcome) => console.log(JSON.stringify(outcome)));`;
/** As Next does it: scripts for require(), and addresses of files that are paths of a site. */
const kWebpack = `import webpack from ${JSON.stringify(tool('webpack/lib/index.js'))};
  const output = { filename: 'main.cjs', publicPath: '/_next/' };
  const module = { parser: { javascript: { url: 'relative' } } };
  const options = { mode: 'none', entry: './main.js', target: 'node20', output, module, context: process.cwd() };
  webpack(options, (error, stats) => {
    const problem = error ?? (stats.hasErrors() ? stats.toString() : null);
    if (problem !== null) throw new Error(problem);
  });`;
/** What to do, by bundler. */
const kAdvice = /serverExternalPackages: \["arrowquant"\].*--packages=external.*externals/;

let project;
let folder;

beforeAll(async () => {
  project = await makeProject();
  folder = makeApplication(project, 'server', { files: { 'main.js': kMain } });
}, 60_000);
afterAll(() => project?.remove());

/** What a bundle says that Node runs. */
async function outcomeOfBundle(file) {
  const { stdout } = await runProgram(process.execPath, [path.join('dist', file)], { cwd: folder, env: kEnvironment });
  return JSON.parse(stdout);
}

test('a bundle of esbuild for Node that leaves the package out has threads', async () => {
  await runCommands(folder, recipe('Node, Deno, Bun, Electron').commands);
  expect(await outcomeOfBundle('main.js')).toEqual({
    ...(await outcomeInNode(project)),
    backend: 'threads',
    fallback: null,
  });
});

test('a bundle of esbuild for Node with the package in it says what to do', async () => {
  await runCommands(folder, 'esbuild main.js --bundle --platform=node --format=esm --outfile=dist/whole.mjs');
  const message = expect.stringMatching(kAdvice);
  expect(await outcomeOfBundle('whole.mjs')).toEqual({ code: 'startup_failed', message });
});

test('a bundle of webpack for Node with the package in it says what to do', async () => {
  const flags = ['--input-type=module', '--eval', kWebpack];
  await runProgram(process.execPath, flags, { cwd: folder, env: kEnvironment });
  expect(await outcomeOfBundle('main.cjs')).toEqual({
    code: 'startup_failed',
    message: expect.stringMatching(kAdvice),
  });
});
