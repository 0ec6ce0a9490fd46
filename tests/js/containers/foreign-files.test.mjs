import { Buffer } from 'node:buffer';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { inspectFile, nodeFiles } from '../support/internals.mjs';
import { answer, answerFrom, useServers } from '../runtime/support/server.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { filesOf, layout } from '../support/models/gguf-layout.mjs';
import { float32Tensor, modelFile, rawFile } from '../support/models/safetensors.mjs';
import { zip } from '../support/models/zip.mjs';

const folder = useFolder();
const servers = useServers();

const kPointer =
  'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n';
const kPage = '<!-- saved -->\n<!DOCTYPE html>\n<html><head><title>model.safetensors</title></head></html>\n';
const kModel = modelFile([float32Tensor('a.weight', [4, 8])]);
const padded = (begin, bytes = 600) => Buffer.concat([Buffer.from(begin, 'latin1'), Buffer.alloc(bytes, 0xfe)]);

const refusal = (source) =>
  inspectFile(nodeFiles, source).then(
    () => null,
    (error) => error,
  );

const kForeign = [
  ['a Git LFS pointer', kPointer, /it is a Git LFS pointer, not the model; run "git lfs pull" in its folder$/],
  ['a saved page', kPage, /it is a web page \(HTML\), not the model; download the file itself$/],
  ['a page that begins with a mark and spaces', `\ufeff\n <HTML>`, /it is a web page \(HTML\)/],
  ['an error in XML', '<?xml version="1.0"?><Error/>', /it is an XML or HTML text/],
  ['a message', 'Invalid username or password.', /it is a text that begins with "Invalid username or password\."$/],
  ['a text in UTF-16', Buffer.from('\ufeff{}', 'utf16le'), /text in UTF-16; save it as UTF-8$/],
  ['a pickle', padded('\x80\x03cnumpy\nndarray\n'), /it is a Python pickle; convert it to safetensors/],
  ['gzip', gzipSync(kModel), /it is compressed with gzip; unpack it first$/],
  ['a tar archive', padded(`${'a\0'.repeat(128)}\0ustar`), /it is a tar archive; unpack it first$/],
  ['a file of ggml from before GGUF', padded('tjgg\x03\0\0\0'), /from before GGUF; convert it with/],
  [
    'a Parquet file',
    padded('PAR1\x15\x04\x15'),
    /it is a Parquet file, .*; write an Arrow file of it, in Python by pyarrow\.parquet\.read_table and /,
  ],
  ['a Feather file', padded('FEA1'), /it is a Feather file of the first version; write it again/],
  ['an HDF5 file', padded('\x89HDF\r\n\x1a\n'), /it is an HDF5 file/],
  ['zeros', Buffer.alloc(4096), /its first bytes are all zeros; was it downloaded to its end\?$/],
  ['nothing', '', /it is empty, .*; was it downloaded to its end\?$/],
];

describe.each(kForeign)('%s is called what it is', (_, contents, says) => {
  test.each(['m.safetensors', 'm.gguf', 'm.safetensors.index.json', 'm.bin'])('as %s', async (name) => {
    const file = folder.write(name, contents);
    expect(await refusal(file)).toMatchObject({ code: 'invalid_file', file, message: expect.stringMatching(says) });
  });

  test('as a shard', async () => {
    const index = folder.write('m.safetensors.index.json', '{"weight_map":{"a.weight":"a.safetensors"}}');
    const shards = { [index]: folder.write('a.safetensors', contents) };
    shards[folder.write('n-00001-of-00002.safetensors', kModel)] = folder.write(
      'n-00002-of-00002.safetensors',
      contents,
    );
    const [first, second] = Object.entries(filesOf(layout({ splitBytes: 1024, file: 'g.gguf' })));
    shards[folder.write(...first)] = folder.write(second[0], contents);
    for (const [given, file] of Object.entries(shards)) {
      expect(await refusal(given)).toMatchObject({ code: 'invalid_file', file, message: expect.stringMatching(says) });
    }
  });
});

describe('a zip archive', () => {
  const archive = (...names) => zip(names.map((name) => ({ name, bytes: kModel })));

  test.each([
    [
      'of another model',
      archive('model.safetensors'),
      /it is a zip archive with no PyTorch checkpoint in it; unpack it first$/,
    ],
    [
      'of two checkpoints',
      archive('a/data.pkl', 'b/data.pkl'),
      /with more than one PyTorch checkpoint in it; unpack it/,
    ],
    [
      'of nothing but its begin',
      archive('a').subarray(0, 99),
      /it has no directory, as zip archives have at their end; was it downloaded to its end\?$/,
    ],
  ])('%s is called what it is', async (_, contents, says) => {
    const file = folder.write('m.safetensors', contents);
    expect(await refusal(file)).toMatchObject({ code: 'invalid_file', file, message: expect.stringMatching(says) });
  });

  test('is no shard of others', async () => {
    const given = folder.write('n-00001-of-00002.safetensors', kModel);
    const file = folder.write('n-00002-of-00002.safetensors', archive('archive/data.pkl'));
    expect(await refusal(given)).toMatchObject({
      file,
      detail: expect.stringMatching(/^it is a zip archive or a PyTorch/),
    });
  });
});

/** Lengths of headers that begin as other formats do. */
test.each([0x8b1f, 0x4d42, 0x685a42])('a safetensors file with a header of %i bytes is one', async (length) => {
  const header = `{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`.padEnd(length);
  const { tensors } = await inspectFile(nodeFiles, folder.write('m.safetensors', rawFile(header, Buffer.alloc(1))));
  expect(tensors).toHaveLength(1);
});

describe('a download that was cut off', () => {
  const kGguf = filesOf(layout())['out.gguf'];
  test.each([
    ['in the header of a safetensors file', 'm.safetensors', kModel.subarray(0, 40)],
    ['in the data of a safetensors file', 'm.safetensors', kModel.subarray(0, kModel.length - 1)],
    ['in the header of a GGUF', 'm.gguf', kGguf.subarray(0, 200)],
    ['in the list of a GGUF', 'm.gguf', kGguf.subarray(0, 500)],
    ['in the data of a GGUF', 'm.gguf', kGguf.subarray(0, kGguf.length - 400)],
  ])('%s is called that', async (_, name, contents) => {
    const error = await refusal(folder.write(name, contents));
    expect(error).toMatchObject({
      code: 'invalid_file',
      message: expect.stringMatching(/; was it downloaded to its end\?$/),
    });
  });
});

describe('a server that answers with a page', () => {
  const kHtml = { 'content-type': 'text/html; charset=utf-8' };
  const kKinds = [
    ['whole', (_request, response) => response.writeHead(200, kHtml).end(kPage)],
    ['in parts', (request, response) => answer(request, response, Buffer.from(kPage), kHtml)],
  ];
  const kAddresses = [
    ['/o/m/blob/main/a%20b.gguf', '/o/m/resolve/main/a%20b.gguf'],
    ['/o/m/-/blob/main/a.gguf', '/o/m/-/raw/main/a.gguf'],
    ['/models/o/m/file/view/master/a.gguf', '/models/o/m/resolve/master/a.gguf'],
  ];

  describe.each(kKinds)('%s', (__, handle) => {
    test.each(kAddresses)('at %s, is told the address of the file', async (address, right) => {
      const server = await servers.serve(handle);
      const error = await refusal(server.url(`${address}?secret`));
      expect(error.message).toBe(
        `Cannot read ${server.url(address)}: it is a web page about the file; use ${server.url(right)}`,
      );
    });

    test('at any other address, is told that it may want a login', async () => {
      const server = await servers.serve((request, response) => {
        if (request.url.startsWith('/login')) handle(request, response);
        else response.writeHead(302, { location: '/login?next=/m.gguf' }).end();
      });
      const error = await refusal(server.url('/m.gguf'));
      expect(error).toMatchObject({
        file: server.url('/m.gguf'),
        message: expect.stringContaining('it is a web page'),
      });
      expect(error.message).toContain('perhaps because the server wants a login');
    });
  });

  test('and that calls a model a page, is believed its bytes', async () => {
    folder.write('m.safetensors', kModel);
    const server = await servers.serve((request, response) => answerFrom(folder.at, request, response, kHtml));
    expect((await inspectFile(nodeFiles, server.url('/blob/../m.safetensors'))).tensors).toHaveLength(1);
  });

  test('or a refusal, is told to need a login', async () => {
    const server = await servers.serve((_request, response) => response.writeHead(401).end());
    expect((await refusal(server.url('/m.gguf'))).message).toMatch(
      /401.*; if it wants a login, give the option headers .*, or download the file first$/,
    );
  });

  test('or a pointer, is told the address of the file', async () => {
    const server = await servers.serve((request, response) => answer(request, response, Buffer.from(kPointer)));
    const error = await refusal(server.url('/o/m/raw/main/m.safetensors'));
    expect(error.message).toContain(
      `it is a Git LFS pointer, not the model; use ${server.url('/o/m/resolve/main/m.safetensors')}`,
    );
  });
});
