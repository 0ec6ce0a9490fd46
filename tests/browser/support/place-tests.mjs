import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as arrowquant from '../../../dist/index.js';
import * as cases from '../pages/cases.mjs';
import { openPlace } from './places.mjs';

/** What a page without cross-origin isolation gets. */
export const kNotIsolatedBackend = 'workers';

/** What Node makes of a case: the bytes that every place has to make. */
export const inNode = (name, options) => cases[name](arrowquant, options);

const kBatches = [
  { bits: 2, groupSize: 64 },
  { bits: 4 },
  { bits: 4, groupSize: 32, symmetric: true },
  { bits: 8, groupSize: 'tensor' },
];

/**
 * The tests of one kind of place. `setting()` gives the browser and the server once they are there.
 *
 * @param {() => {browser: import('./places.mjs').PlaceBrowser, server: object}} setting
 * @param {{site: string, scope: 'page' | 'worker', backend: string, isolated: boolean}} where
 */
export function describePlace(setting, { site, scope, backend, isolated }) {
  describe(`${scope === 'page' ? 'a page' : 'a Worker'} of the site "${site}"`, () => {
    let place;

    beforeAll(async () => {
      const { browser, server } = setting();
      place = await openPlace(browser, server, { site, scope });
    });
    afterAll(() => place?.close());

    test('is the place that it is meant to be', async () => {
      expect(await place.run('facts')).toEqual({ isolated, worker: scope === 'worker' });
    });

    test(`creates a quantizer with the backend ${backend}`, async () => {
      const expected = await inNode('create', { backend: 'single' });
      const created = await place.run('create', {});
      expect(created).toMatchObject({ backend, digests: expected.digests });
      if (backend === 'threads') expect(created.threads).toBeGreaterThan(0);
    });

    test.each(kBatches)("gives Node's bytes and progress in order: %j", async (options) => {
      const expected = await inNode('batch', options);
      const { digests, progress } = await place.run('batch', options);
      expect(digests).toEqual(expected.digests);
      const layers = Object.keys(expected.digests).filter((name) => name !== 'restored');
      expect(progress).toEqual(layers.sort().map((layer, i) => [layer, (i + 1) / layers.length]));
      expect(progress.at(-1)[1]).toBe(1);
    });

    test("encodes and decodes every block format to Node's bytes", async () => {
      expect(await place.run('blocks')).toEqual(await inNode('blocks'));
    });

    test('logs and ignores what callbacks throw', async () => {
      const { calls, logged, digests } = await place.run('badCallback');
      expect(calls).toBe(4);
      expect(logged).toHaveLength(4);
      for (const line of logged) expect(line).toMatch(/ignored.*the callback (throws|rejects)/);
      expect(digests).toEqual((await inNode('badCallback')).digests);
    });

    test('tells bad input by code, layer and index', async () => {
      const { afterwards } = await inNode('badInput');
      expect(await place.run('badInput')).toEqual({
        notFinite: { code: 'not_finite', layer: 'layer.1.weight', index: 150_003 },
        bitWidth: { code: 'invalid_bit_width' },
        row: { code: 'row_not_whole_blocks' },
        afterwards,
      });
    });

    test('stops at an abort and works on afterwards', async () => {
      const { afterwards } = await inNode('abort');
      const aborted = { code: 'aborted' };
      expect(await place.run('abort')).toEqual({ during: aborted, calls: 1, before: aborted, afterwards });
    });

    test('rejects what is pending when it is disposed of', async () => {
      expect(await place.run('dispose')).toEqual({ pending: { code: 'disposed' }, later: { code: 'disposed' } });
    });

    if (isolated) {
      test('takes weights in shared memory', async () => {
        const expected = await inNode('batch', { bits: 4 });
        delete expected.digests.restored;
        expect(await place.run('sharedInput', { bits: 4 })).toEqual(expected.digests);
      });
    } else {
      test('says why threads cannot be had', async () => {
        expect(await place.run('create', { backend: 'threads' })).toMatchObject({ code: 'backend_unavailable' });
      });
    }

    test('leaves no error and no breach of the strict policy behind', async () => {
      expect(await place.run('complaints')).toEqual([]);
    });
  });
}
