import { expect, test } from '@jest/globals';
import { kNotIsolatedBackend, inNode } from './place-tests.mjs';
import { openPlace } from './places.mjs';
import { kIsolation, kStrictPolicy } from './server.mjs';

const kIsolated = { ...kIsolation, ...kStrictPolicy };
const isThreadsGlue = (file) => file.endsWith('arrowquant-threads.js');

/** What servers get wrong, and what a page is to get then. */
export const kFaultySites = {
  deafWorkers: {
    fault: 'the headers are missing on the script of the workers',
    headers: (file) => (isThreadsGlue(file) ? kStrictPolicy : kIsolated),
    outcome: { backend: kNotIsolatedBackend, fallback: expect.stringMatching(/^threads: .*COEP/) },
  },
  lostGlue: {
    fault: 'the script of the workers is missing',
    missing: isThreadsGlue,
    headers: kIsolated,
    outcome: {
      backend: kNotIsolatedBackend,
      fallback: expect.stringMatching(/^threads: .*\/wasm\/arrowquant-threads\.js was answered with 404/),
    },
  },
  noWorkers: {
    fault: 'the policy forbids workers, and the page is not isolated',
    shares: false,
    // A page under it could not start the Worker that tests would be run in.
    scopes: ['page'],
    headers: { 'Content-Security-Policy': `${kStrictPolicy['Content-Security-Policy']}; worker-src 'none'` },
    outcome: { backend: 'single', fallback: expect.stringMatching(/^threads: .*workers: .*worker-src/) },
  },
  noThreads: {
    fault: 'the policy forbids workers, and the page is isolated',
    scopes: ['page'],
    headers: {
      ...kIsolation,
      'Content-Security-Policy': `${kStrictPolicy['Content-Security-Policy']}; worker-src 'none'`,
    },
    outcome: { backend: 'single', fallback: expect.stringMatching(/^threads: .*worker-src.*; workers: .*worker-src/) },
  },
  bytes: {
    fault: 'wasm files are sent as application/octet-stream',
    headers: (file) => ({
      ...kIsolated,
      ...(file.endsWith('.wasm') && { 'Content-Type': 'application/octet-stream' }),
    }),
    outcome: { backend: 'threads' },
  },
  noWasm: {
    fault: 'the policy forbids WebAssembly',
    headers: { ...kIsolation, 'Content-Security-Policy': "default-src 'self'" },
    outcome: { code: 'startup_failed', message: expect.stringContaining("add 'wasm-unsafe-eval' to its script-src") },
  },
  lostWasm: {
    fault: 'the wasm is missing',
    missing: (file) => file.endsWith('.wasm'),
    headers: kIsolated,
    outcome: {
      code: 'startup_failed',
      message: expect.stringMatching(
        /arrowquant-single\.wasm was answered with 404 .*; serve .* there, or pass its address as wasmUrl, or use arrowquant\/standalone/,
      ),
    },
  },
  pageForWasm: {
    fault: 'a page is sent in place of the wasm',
    headers: (file) => ({ ...kIsolated, ...(file.endsWith('.wasm') && { 'Content-Type': 'text/html' }) }),
    outcome: { code: 'startup_failed', message: expect.stringContaining('was answered with an HTML page') },
  },
};

/**
 * How `create` takes what servers get wrong. The setting's server has to have `kFaultySites`.
 *
 * @param {readonly boolean[]} [shares] whether sites are meant whose pages share memory with workers
 */
export function describeStartUp(setting, scope, shares = [true, false]) {
  const sites = Object.entries(kFaultySites).filter(
    ([, { shares: does = true, scopes = [scope] }]) => shares.includes(does) && scopes.includes(scope),
  );
  const faults = sites.map(([site, { fault }]) => [fault, site]);
  if (faults.length === 0) return;
  test.each(faults)(`${scope}: starting up settles where %s`, async (_, site) => {
    const { browser, server } = setting();
    const place = await openPlace(browser, server, { site, scope });
    const created = await place.run('create', {});
    const { outcome } = kFaultySites[site];
    expect(created).toMatchObject(outcome);
    if (outcome.backend !== undefined) {
      expect(created.digests).toEqual((await inNode('create', { backend: 'single' })).digests);
    }
    await place.close();
  });
}
