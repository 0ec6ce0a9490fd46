import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { normalHost } from '../../../tools/demo.mjs';
import { importBundled } from './support/bundled.mjs';

const globals = { location: globalThis.location, document: globalThis.document };
beforeAll(() => {
  Object.assign(globalThis, {
    location: new URL('https://demo.example/'),
    document: { baseURI: 'https://demo.example/' },
  });
});
afterAll(() => {
  Object.assign(globalThis, globals);
});

const builtFor = (...hosts) =>
  importBundled('hosts.ts', {
    __HOSTS__: JSON.stringify(hosts.map(normalHost)),
    __HUB__: JSON.stringify('https://huggingface.co'),
  });

test.each([
  ['https://HuggingFace.co', 'https://huggingface.co'],
  ['HTTPS://huggingface.co:443', 'https://huggingface.co'],
  ['http://a.example:80', 'http://a.example'],
  ['http://a.example:443', 'http://a.example:443'],
  ['https://*.HF.co:0443', 'https://*.hf.co'],
  ['http://127.0.0.1:08080', 'http://127.0.0.1:8080'],
  ['http://127.0.0.1:*', 'http://127.0.0.1:*'],
])('the host %s is %s to policy and page', (given, host) => {
  expect(normalHost(given)).toBe(host);
});

test.each(['https://a.example:65536', 'https://a.example:99999', 'ftp://a.example', 'https://a.example;'])(
  '%s is no host',
  (given) => {
    expect(() => normalHost(given)).toThrow(/is no host such as https:\/\/huggingface\.co/);
  },
);

describe('an address is read', () => {
  test.each([
    ['https://HuggingFace.co', 'hf:team/model', true],
    ['https://huggingface.co:443', 'https://huggingface.co/team/model/resolve/main/m.gguf', true],
    ['https://huggingface.co', 'https://HUGGINGFACE.CO/m.gguf', true],
    ['https://*.hf.co', 'https://cdn.hf.co/m.gguf', true],
    ['https://*.hf.co', 'https://hf.co/m.gguf', false],
    ['https://*.hf.co', 'https://evilhf.co/m.gguf', false],
    ['https://a.example', 'https://a.example:8443/m.gguf', false],
    ['https://a.example', 'https://a.example.evil.example/m.gguf', false],
    ['http://a.example', 'https://a.example/m.gguf', true],
    ['https://a.example', 'http://a.example/m.gguf', false],
    ['http://a.example:*', 'http://a.example:8080/m.gguf', true],
    ['https://a.example', '/m.gguf', true],
    ['https://a.example', 'ftp://a.example/m.gguf', false],
  ])('where %s is named: %s, %p', async (host, address, isRead) => {
    const { obstacleTo } = await builtFor(host);
    if (isRead) expect(obstacleTo(address)).toBe(null);
    else expect(obstacleTo(address)).toMatch(/may not read from|is no address/);
  });
});

test.each([
  ['https://a.example/m%20x.gguf?sig=s1gned', 'm x.gguf'],
  ['https://a.example/?sig=s1gned', 'a.example/'],
  ['https://a.example/folder/?sig=s1gned', 'a.example/folder/'],
  ['https://a.example/a%2Fb.gguf', 'a%2Fb.gguf'],
  ['https://a.example/%E0%A4', '%E0%A4'],
  ['hf:team/model@v1/sub/m.gguf', 'm.gguf'],
  ['hf:team/model', 'model'],
])('the model at %s is called %s', async (address, name) => {
  const { nameOf } = await builtFor();
  expect(nameOf(address)).toBe(name);
});

test.each([
  ['https://huggingface.co/team/model', 'hf:team/model'],
  ['https://HuggingFace.co/team/model/?library=transformers#files', 'hf:team/model'],
  ['https://huggingface.co/team/model/tree/main', 'hf:team/model'],
  ['https://www.huggingface.co/team/model/tree/v1/sub', 'hf:team/model@v1/sub'],
  ['http://hf.co/team/model/blob/refs%2Fpr%2F1/a%20b.gguf', 'hf:team/model@refs%2Fpr%2F1/a b.gguf'],
  ['https://huggingface.co/datasets/team/data', 'hf:datasets/team/data'],
  ['hf:team/model', 'hf:team/model'],
  // As the hub's own button copies a name, and as browsers show an address.
  ['Team/Model-0.6B', 'hf:Team/Model-0.6B'],
  ['huggingface.co/Team/Model-0.6B', 'hf:Team/Model-0.6B'],
  ['hf.co/team/model/tree/main', 'hf:team/model'],
  ...[
    'models/m.gguf',
    'models/deep/model',
    'huggingface.co/team',
    'https://huggingface.co/team/model/resolve/main/m.gguf?download=true',
    'https://huggingface.co/team',
    'https://user:password@huggingface.co/team/model',
    'https://huggingface.co.example/team/model',
    'https://models.example/team/model/tree/main',
    '/team/model',
    'ftp://huggingface.co/team/model',
  ].map((address) => [address, address]),
])('%s is read as %s', async (address, name) => {
  const { named } = await builtFor();
  expect(named(address)).toBe(name);
});
