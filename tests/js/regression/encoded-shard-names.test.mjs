import { mkdirSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { HTTP_SETTINGS, inspectFile, nodeFiles, openHttp, siblingName } from '../support/internals.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { filesOf, layout } from '../support/models/gguf-layout.mjs';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';
import { answerFrom, useServers } from '../runtime/support/server.mjs';

const folder = useFolder();
const servers = useServers();
const serve = () => servers.serve((request, response) => answerFrom(folder.at, request, response));

/** What would be something else in a URL. */
const kStems = ['my model', 'a#b', 'is it?', '100%', '%20', '50%zz', 'Größe 重み', 'a+b&c=d;e,f', "it's [v1] (x)~!"];

const writeGguf = (stem) => {
  const files = filesOf(layout({ splitBytes: 1024, file: `${stem}.gguf` }));
  return Object.entries(files).map(([name, bytes]) => (folder.write(name, bytes), name));
};
const writeShards = (stem) =>
  [1, 2].map((number) => {
    const name = `${stem}-0000${number}-of-00002.safetensors`;
    folder.write(name, modelFile([float32Tensor(`t${number}.weight`, [4, 8])]));
    return name;
  });
const addressOf = (server, name) => server.url(`/${encodeURIComponent(name)}`);

describe.each(kStems)('over HTTP, of a model called %j', (stem) => {
  test('all shards of a GGUF are found, whichever is given', async () => {
    const server = await serve();
    for (const name of writeGguf(stem)) {
      const { tensors, files } = await inspectFile(nodeFiles, addressOf(server, name));
      expect([tensors.length, files.length]).toEqual([6, 3]);
    }
  });

  test('all safetensors are found, by number and through the index', async () => {
    const server = await serve();
    const names = writeShards(stem);
    const map = Object.fromEntries(names.map((name, index) => [`t${index + 1}.weight`, name]));
    const index = `${stem}.safetensors.index.json`;
    folder.write(index, JSON.stringify({ weight_map: map }));
    for (const name of [...names, index]) {
      const { tensors } = await inspectFile(nodeFiles, addressOf(server, name));
      expect(tensors.map((tensor) => tensor.name)).toEqual(['t1.weight', 't2.weight']);
    }
  });

  test('the output has the name that the file has, not that of its URL', () => {
    const url = `https://example.org/folder/${encodeURIComponent(stem)}-00001-of-00002.safetensors?download=true`;
    expect(siblingName(url, '-int4.safetensors')).toBe(`${stem}-int4.safetensors`);
  });
});

test('a URL whose encoding is none is asked for as it is, and its output keeps that name', async () => {
  const server = await serve();
  const url = server.url('/a%zz.safetensors');
  await expect(inspectFile(nodeFiles, url)).rejects.toMatchObject({ code: 'unreadable_input', file: url });
  expect(siblingName(url, '.gguf')).toBe('a%zz.gguf');
});

test.each(['..%2F..%2Fetc', '..%5Cx', 'a%00b', '%2e%2e'])('no output name leads into a folder: %s', (name) => {
  const made = siblingName(`https://example.org/x/${name}.gguf`, '-Q8_0.gguf');
  expect(made).not.toMatch(/[/\\\0]/);
});

test('shards in folders beside an index are found', async () => {
  const server = await serve();
  mkdirSync(folder.path('the parts'));
  folder.write('the parts/#1.safetensors', modelFile([float32Tensor('a.weight', [4, 8])]));
  const index = folder.write('m.safetensors.index.json', '{"weight_map":{"a.weight":"./the parts/#1.safetensors"}}');
  for (const source of [server.url('/m.safetensors.index.json'), index]) {
    expect((await inspectFile(nodeFiles, source)).tensors).toHaveLength(1);
  }
});

test('an index with a name that is no Unicode is refused as invalid', async () => {
  const server = await serve();
  folder.write('m.safetensors.index.json', '{"weight_map":{"a.weight":"\\ud800.safetensors"}}');
  await expect(inspectFile(nodeFiles, server.url('/m.safetensors.index.json'))).rejects.toMatchObject({
    code: 'invalid_file',
    layer: 'a.weight',
    message: expect.stringContaining('no valid file name: "\\ud800.safetensors" has characters that no name can have'),
  });
});

test.each([
  [404, 'missing_shard'],
  [403, 'unreadable_input'],
])('that the query of a signed URL is not sent for siblings is said, after %i', async (status, code) => {
  const server = await servers.serve((request, response) => {
    if (request.url.endsWith('?signature=x')) answerFrom(folder.at, request, response);
    else response.writeHead(status).end();
  });
  const [first] = writeShards('m');
  const settings = { ...HTTP_SETTINGS, firstDelay: 1 };
  const opened = await openHttp(new URL(server.url(`/${first}?signature=x`)), undefined, settings);
  const error = await opened.sibling('m-00002-of-00002.safetensors').catch((reason) => reason);
  expect(error).toMatchObject({ code, file: server.url('/m-00002-of-00002.safetensors') });
  expect(error.message).toContain(`the server answers ${status}`);
  expect(error.message).toContain('the query of the given URL, which may be a signature, is not sent');
  expect(error.message).not.toContain('signature=x');
});
