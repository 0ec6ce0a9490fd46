import { afterEach, expect, test } from '@jest/globals';
import { startHub } from '../../support/hub.mjs';
import { HTTP_SETTINGS, openRemote } from '../../support/internals.mjs';

const kQuick = { ...HTTP_SETTINGS, firstDelay: 1, longestDelay: 1 };
const kJson = { 'content-type': 'application/json' };

let hub;
afterEach(() => hub?.close());

/** What is said of a model whose hub answers questions of that kind with `body`. */
async function refusalAfter(verb, answer, { text = 'hf:team/model', base = '', options = {} } = {}) {
  hub = await startHub({ 'team/model': { files: { 'README.md': Buffer.from('# A model') } } });
  hub.before.hub = (request, response, count) =>
    request.url.includes(`/${verb}/`) && (answer(response, request, count), true);
  const opening = openRemote(text, { settings: kQuick, options: { hubUrl: `${hub.url}${base}`, ...options } });
  return opening.then(
    () => 'nothing is wrong',
    ({ message }) => message,
  );
}

test.each([
  ['a web page', 'revision', '<!doctype html><title>Sign in</title>', ' (a web page came)'],
  ['null', 'revision', 'null', ''],
  ['nothing', 'revision', '', ''],
  ['a web page for the list', 'tree', '<html>', ' (a web page came)'],
  ['an object for the list', 'tree', '{"error":"no"}', ''],
  ['null in the list', 'tree', '[null]', ''],
])('who answers with %s is no hub', async (_title, verb, body, came) => {
  const said = await refusalAfter(verb, (response) => response.writeHead(200, kJson).end(body));
  const detail = `${hub.url} does not answer as a hub does${came}; is hubUrl (HF_ENDPOINT) right?`;
  expect(said).toBe(`Cannot read hf:team/model: ${detail}`);
});

test('a list that never ends is given up', async () => {
  const said = await refusalAfter('tree', (response, { url }, count) => {
    const link = `<${hub.url}${url.replace(/\?.*/, '')}?cursor=${count}>; rel="next"`;
    response.writeHead(200, { ...kJson, link }).end('[]');
  });
  expect(said).toBe("Cannot read hf:team/model: the hub's list of its files goes on after 200 pages");
  expect(hub.requests.length).toBe(201);
});

test.each([
  ['without a model', 'hf:team/model', 0, /there is no model among its first 20000 files; write behind it which/],
  ['with one', 'hf:team/model', 1, /there are models among its first 20000 files, write which one behind it: 0\.gguf$/],
  ['without the folder', 'hf:team/model/xyzzy', 1, /there is 0\.gguf among its first 20000 files$/],
])('a list that is cut is not taken for all files: %s', async (_title, text, models, message) => {
  const entries = Array.from({ length: 20_001 }, (_, at) => ({
    ...{ type: 'file', oid: '0', size: 1 },
    path: `${at}.${at < models ? 'gguf' : 'txt'}`,
  }));
  const answer = (response) => response.writeHead(200, kJson).end(JSON.stringify(entries));
  await expect(refusalAfter('tree', answer, { text })).resolves.toMatch(message);
});

test('the page of a gated model is below the path of its hub', async () => {
  const refuse = (response) => response.writeHead(401, { 'x-error-code': 'GatedRepo' }).end();
  const said = await refusalAfter('revision', refuse, { base: '/hf' });
  expect(said).toContain(`accept its terms at ${hub.url}/hf/team/model, and give`);
});
