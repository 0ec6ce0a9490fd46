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
    outcome: { backend: kNotIsolatedBackend },
  },
  lostGlue: {
    fault: 'the script of the workers is missing',
    missing: isThreadsGlue,
    headers: kIsolated,
    outcome: { backend: kNotIsolatedBackend },
  },
  lostWorkers: {
    fault: 'the script of the workers is missing, and the page is not isolated',
    shares: false,
    missing: (file) => file.endsWith('worker-browser.js'),
    headers: kStrictPolicy,
    outcome: { backend: 'single' },
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
    outcome: { code: 'startup_failed' },
  },
};

/**
 * How `create` takes what servers get wrong. The setting's server has to have `kFaultySites`.
 *
 * @param {readonly boolean[]} [shares] whether sites are meant whose pages share memory with workers
 */
export function describeStartUp(setting, scope, shares = [true, false]) {
  const sites = Object.entries(kFaultySites).filter(([, { shares: does = true }]) => shares.includes(does));
  const faults = sites.map(([site, { fault }]) => [fault, site]);
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
