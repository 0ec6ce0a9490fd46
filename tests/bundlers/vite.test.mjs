import { expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { kIsolation } from '../browser/support/server.mjs';
import { within } from '../browser/support/time-limit.mjs';
import { describeApplications, withApplications } from './support/application-tests.mjs';
import { kViteApplications } from './support/applications.mjs';
import { visit } from './support/pages.mjs';
import { kEnvironment, tool } from './support/projects.mjs';

const kServerLimit = 30_000;

const setting = withApplications(kViteApplications);

describeApplications(setting, kViteApplications);

/** What an application says in a development server of Vite. */
async function outcomeInDevelopment(version, application) {
  const script = `import { createServer } from ${JSON.stringify(tool(`${version}/dist/node/index.js`))};
    const headers = ${JSON.stringify(kIsolation)};
    const server = await createServer({ server: { headers, host: '127.0.0.1', port: 0, hmr: false } });
    await server.listen();
    process.send(server.resolvedUrls.local[0]);`;
  const cwd = path.join(setting.project.folder, application);
  const options = { cwd, env: kEnvironment, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] };
  const vite = spawn(process.execPath, ['--input-type=module', '--eval', script], options);
  try {
    const [url] = await within(kServerLimit, 'Vite did not listen', once(vite, 'message'));
    return (await visit(setting.browser, url)).outcome;
  } finally {
    vite.kill();
  }
}

test.each([
  ['vite', 'vite'],
  ['vite', 'vite-worker'],
  ['vite5', 'vite5-worker'],
])('has threads in the development server of %s: %s', async (version, application) => {
  const outcome = await outcomeInDevelopment(version, application);
  expect(outcome).toEqual({ ...setting.expected, backend: 'threads', fallback: null });
});

test('names the setting that the development server of an older Vite lacks', async () => {
  expect(await outcomeInDevelopment('vite5', 'vite5')).toEqual({
    code: 'startup_failed',
    message: expect.stringMatching(
      /arrowquant-single\.wasm was answered with .*optimizeDeps: \{ exclude: \['arrowquant'\] \}/,
    ),
  });
});
