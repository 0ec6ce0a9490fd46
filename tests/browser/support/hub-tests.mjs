import { createServer } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startHub } from '../../js/support/hub.mjs';
import { halfTensor, modelFile } from '../../js/support/models/safetensors.mjs';
import { openPlace } from './places.mjs';

const kShards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
const kTensors = [1, 2].map((seed) => halfTensor(`layer.${String(seed)}.weight`, [256, 256], seed));
const kNames = kTensors.map(({ name }) => name);
const kIndex = { weight_map: Object.fromEntries(kNames.map((name, index) => [name, kShards[index]])) };
const kFiles = {
  'model.safetensors.index.json': Buffer.from(JSON.stringify(kIndex)),
  [kShards[0]]: modelFile(kTensors.slice(0, 1)),
  [kShards[1]]: modelFile(kTensors.slice(1)),
};

/**
 * The tests of models on a hub, which is of another origin, in one kind of place.
 *
 * @param {{scope: 'page' | 'worker', entry?: string}} where `entry` is a file of dist/, another one than `browser.js`
 */
export function describeHub(setting, { scope, entry = 'browser.js' }) {
  describe(`a hub, read in ${scope === 'page' ? 'a page' : 'a Worker'} by ${entry}`, () => {
    const address = `../../../dist/${entry}`;
    let hub;
    let place;
    let options;

    beforeAll(async () => {
      const { browser, server } = setting();
      place = await openPlace(browser, server, { site: 'connected', scope, package: address });
    });
    beforeEach(async () => {
      hub = await startHub({ 'team/model': { files: kFiles, isPrivate: true } });
      options = { hubUrl: hub.url, accessToken: 'hf_valid' };
    });
    afterEach(() => hub.close());
    afterAll(() => place?.close());

    const inspect = (source, given = options) => place.run('inspectSource', { source, options: given });

    if (entry === 'browser.js') {
      test('loads what reads from servers when there is one to read from', async () => {
        await expect(inspect(null)).resolves.toMatch(/^invalid_file/);
        await expect(place.run('scriptsForServers')).resolves.toEqual([]);
        await inspect('hf:team/model');
        await expect(place.run('scriptsForServers')).resolves.toEqual(['remote', 'hub.js']);
      });
    }

    test('gives a model to who has a token, which nobody else gets to see', async () => {
      await expect(inspect('hf:team/model')).resolves.toEqual(kNames);
      const asked = hub.requests.filter(({ method }) => method === 'GET');
      expect(asked.filter(({ headers }) => headers.authorization !== 'Bearer hf_valid')).toEqual([]);
      expect(hub.fetched.filter(({ method }) => method === 'GET').length).toBeGreaterThanOrEqual(2);
      expect(JSON.stringify(hub.fetched)).not.toContain('hf_valid');
    });

    test('refuses others in words', async () => {
      const said = inspect('hf:team/model', { hubUrl: hub.url });
      await expect(said).resolves.toMatch(/^unreadable_input: .*the server answers 401.*needs an access token/);
    });

    test('is not sent headers that a redirect would hand on', async () => {
      const said = inspect('hf:team/model', { ...options, headers: { 'X-Team': 's3cret' } });
      await expect(said).resolves.toMatch(/browsers would send x-team there, too/);
      expect(hub.fetched).toEqual([]);
    });
  });
}

/** What pages are told of what browsers do not tell: that nobody lets them read. */
export function describeForeignServers(setting) {
  describe('says what is in the way:', () => {
    const inspectIn = async (site, source, options = {}) => {
      const { browser, server } = setting();
      const place = await openPlace(browser, server, { site, scope: 'page' });
      try {
        return await place.run('inspectSource', { source, options });
      } finally {
        await place.close();
      }
    };

    test('the policy of the page', async () => {
      const hub = await startHub({ 'team/model': { files: kFiles } });
      try {
        const said = inspectIn('isolated', 'hf:team/model', { hubUrl: hub.url });
        await expect(said).resolves.toMatch(/^unreadable_input: .*connect-src/);
        expect(hub.requests).toEqual([]);
      } finally {
        await hub.close();
      }
    });

    test('a server that lets no other page read', async () => {
      const other = createServer((_request, response) => response.end('secret'));
      await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
      try {
        const said = inspectIn('connected', `http://127.0.0.1:${other.address().port}/m.gguf`);
        await expect(said).resolves.toMatch(/^unreadable_input: .*Access-Control-Allow-Origin/);
      } finally {
        other.closeAllConnections();
        await new Promise((resolve) => other.close(resolve));
      }
    });
  });
}
