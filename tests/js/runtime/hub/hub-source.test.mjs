import { afterEach, describe, expect, test } from '@jest/globals';
import { commitOf, startHub } from '../../support/hub.mjs';
import { HTTP_SETTINGS, openRemote, textOfPage } from '../../support/internals.mjs';
import { halfTensor, modelFile } from '../../support/models/safetensors.mjs';

/** As in use, but without the long waits. */
const kQuick = { ...HTTP_SETTINGS, firstDelay: 1, longestDelay: 1 };

const kLarge = modelFile([halfTensor('layer.weight', [256, 1024])]);
const kSmall = modelFile([halfTensor('layer.weight', [4, 4])]);
const kNotes = Buffer.from('# A model\n');

let hub;
afterEach(() => hub?.close());

async function serve(files, more = {}) {
  hub = await startHub({ 'team/model': { files: { 'README.md': kNotes, ...files }, ...more } });
  return hub;
}

const open = (text, options = {}, more = {}) =>
  openRemote(text, { settings: kQuick, options: { hubUrl: hub.url, ...options }, ...more });

async function bytesOf(source) {
  const bytes = Buffer.alloc(source.size);
  await source.read(bytes, 0);
  await source.close();
  return bytes;
}

const refusal = (text, options) =>
  open(text, options).then(
    () => 'nothing is wrong',
    ({ code, file, message }) => `${code} ${file}: ${message}`,
  );

describe('a model on a hub', () => {
  test.each([
    ['a large one, from elsewhere', kLarge],
    ['a small one', kSmall],
  ])('needs no file name when it is alone: %s', async (_title, bytes) => {
    await serve({ 'model.safetensors': bytes, 'config.json': kNotes });
    const source = await open('hf:team/model');
    expect(source.name).toBe('hf:team/model/model.safetensors');
    expect(source.fileName).toBe('model.safetensors');
    expect((await bytesOf(source)).equals(bytes)).toBe(true);
  });

  test.each(['hf:team/model/sub/m.gguf', 'hf://team/model/sub/m.gguf', 'HF:team/model@main/sub/m.gguf'])(
    'is read by its file name, %s, without a list',
    async (text) => {
      await serve({ 'sub/m.gguf': kSmall, 'other.gguf': kLarge });
      const source = await open(text);
      expect(source.name).toBe(text);
      expect((await bytesOf(source)).equals(kSmall)).toBe(true);
      expect(hub.requests.filter(({ path }) => path.includes('/tree/'))).toEqual([]);
    },
  );

  test.each(['m.imatrix', 'imatrix_m.gguf_file', 'imatrix.dat'])(
    'may be an importance matrix, which is read by its file name: %s',
    async (name) => {
      await serve({ [`sub/${name}`]: kSmall, 'other.gguf': kLarge });
      expect((await bytesOf(await open(`hf:team/model/sub/${name}`))).equals(kSmall)).toBe(true);
    },
  );

  test.each(['v2', 'refs%2Fpr%2F1', 'refs/pr/1', 'refs%2fpr%2f1'])('has revisions: %s', async (revision) => {
    const other = { 'model.safetensors': kSmall };
    await serve({ 'model.safetensors': kLarge }, { revisions: { v2: other, 'refs/pr/1': other } });
    expect((await bytesOf(await open(`hf:team/model@${revision}`))).equals(kSmall)).toBe(true);
  });

  test('is read at one commit, though its revision moves on', async () => {
    await serve({ 'a-00001-of-00002.gguf': kSmall, 'a-00002-of-00002.gguf': kLarge });
    const { files } = hub.models['team/model'];
    const source = await open('hf:team/model');
    hub.models['team/model'] = { files: { ...files, 'a-00002-of-00002.gguf': kSmall }, revisions: { before: files } };
    const sibling = await source.sibling('a-00002-of-00002.gguf');
    expect(sibling.name).toBe('hf:team/model/a-00002-of-00002.gguf');
    expect((await bytesOf(sibling)).equals(kLarge)).toBe(true);
    const resolved = hub.requests.filter(({ path }) => path.includes('/resolve/')).map(({ path }) => path);
    expect(resolved.every((path) => path.startsWith(`/team/model/resolve/${commitOf(files)}/`))).toBe(true);
  });

  test('at a commit is not looked up', async () => {
    await serve({ 'model.safetensors': kSmall });
    const commit = commitOf(hub.models['team/model'].files);
    await open(`hf:team/model@${commit}/model.safetensors`);
    expect(hub.requests.map(({ path }) => path)).toEqual([`/team/model/resolve/${commit}/model.safetensors`]);
  });

  test('is known again by the tag of its file, whichever commit and signed address it comes from', async () => {
    await serve({ 'model.safetensors': kLarge });
    const first = await open('hf:team/model');
    hub.models['team/model'].files = { ...hub.models['team/model'].files, 'README.md': Buffer.from('# More\n') };
    hub.expire();
    const second = await open('hf:team/model');
    expect([second.name, second.version]).toEqual([first.name, first.version]);
    hub.models['team/model'].files = { 'model.safetensors': Buffer.from(kLarge).fill(7, 1000) };
    expect((await open('hf:team/model')).version).not.toBe(first.version);
  });

  test('has names that no URL can have as they are', async () => {
    await serve({ 'my files/50% #1?.safetensors': kSmall });
    const source = await open('hf:team/model');
    expect(source.name).toBe('hf:team/model/my files/50% #1?.safetensors');
    expect(source.fileName).toBe('50% #1?.safetensors');
  });

  test('counts what comes over the network', async () => {
    await serve({ 'model.safetensors': kLarge });
    const source = await open('hf:team/model');
    await bytesOf(source);
    expect(source.downloadedBytes).toBeGreaterThanOrEqual(kLarge.length);
    expect(source.downloadedBytes).toBeLessThan(kLarge.length + 2 * kQuick.smallestBlock);
  });
});

describe('of several files the model is', () => {
  const shards = (stem, end) => ({
    [`${stem}-00001-of-00002${end}`]: kSmall,
    [`${stem}-00002-of-00002${end}`]: kSmall,
  });

  test.each([
    [
      'the index',
      { 'model.safetensors.index.json': kNotes, ...shards('model', '.safetensors') },
      'model.safetensors.index.json',
    ],
    ['the first shard', shards('model', '.safetensors'), 'model-00001-of-00002.safetensors'],
    ['the first part of a GGUF', shards('q4', '.gguf'), 'q4-00001-of-00002.gguf'],
  ])('%s', async (_title, files, name) => {
    await serve(files);
    expect((await open('hf:team/model')).fileName).toBe(name);
  });

  test.each([
    [
      "LLaMA's, with the files of its first publication",
      { ...shards('model', '.safetensors'), 'original/consolidated.00.pth': kSmall, 'original/params.json': kNotes },
      'model-00001-of-00002.safetensors',
    ],
    [
      'the same with an index',
      {
        ...shards('model', '.safetensors'),
        ...{ 'model.safetensors.index.json': kNotes, 'original/consolidated.safetensors': kSmall },
      },
      'model.safetensors.index.json',
    ],
    [
      "Mistral's, which is there twice",
      {
        ...shards('model', '.safetensors'),
        ...{ 'consolidated.safetensors': kSmall, 'model.safetensors.index.json': kNotes },
      },
      'model.safetensors.index.json',
    ],
    [
      'the same without an index',
      { ...shards('model', '.safetensors'), 'consolidated.safetensors': kSmall },
      'model-00001-of-00002.safetensors',
    ],
    [
      'sentence-transformers',
      {
        ...{ 'model.safetensors': kSmall, 'pytorch_model.bin': kSmall, '2_Dense/model.safetensors': kSmall },
        ...{ 'onnx/model.onnx': kSmall, 'openvino/openvino_model.bin': kSmall, 'rust_model.ot': kSmall },
      },
      'model.safetensors',
    ],
    [
      'one of PyTorch with a layer of its own',
      { 'pytorch_model.bin': kSmall, '2_Dense/pytorch_model.bin': kSmall },
      'pytorch_model.bin',
    ],
    [
      'one with GGUFs and adapters beside it',
      { 'model.safetensors': kSmall, 'model-q4.gguf': kSmall, 'adapter/adapter_model.safetensors': kSmall },
      'model.safetensors',
    ],
  ])('the one of a usual name, as in a folder: %s', async (_title, files, name) => {
    await serve(files);
    expect((await open('hf:team/model')).name).toBe(`hf:team/model/${name}`);
  });

  test('the one in the folder that is named', async () => {
    await serve({ 'unet/model.safetensors': kSmall, 'vae/model.safetensors': kSmall });
    expect((await open('hf:team/model/vae')).name).toBe('hf:team/model/vae/model.safetensors');
  });

  test('for the caller to name, when there are several models', async () => {
    await serve({ 'b.gguf': kSmall, 'a.safetensors': kSmall, ...shards('c', '.gguf') });
    await expect(refusal('hf:team/model')).resolves.toBe(
      'unreadable_input hf:team/model: Cannot read hf:team/model: it has 3 models, ' +
        'write which one behind it: a.safetensors, b.gguf, c-00001-of-00002.gguf',
    );
  });

  test('listed up to a dozen', async () => {
    await serve(Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`m${String(index)}.gguf`, kSmall])));
    await expect(refusal('hf:team/model')).resolves.toMatch(/it has 30 models.* and 18 more$/);
  });

  test('none, when all are of other formats', async () => {
    await serve({ 'tf_model.h5': kSmall });
    await expect(refusal('hf:team/model')).resolves.toMatch(/it has no safetensors, GGUF or PyTorch file/);
    await expect(refusal('hf:team/model/tf_model.h5')).resolves.toMatch(/only safetensors, GGUF and PyTorch files/);
  });

  test('that of PyTorch, when there is no other', async () => {
    await serve({ 'pytorch_model.bin': kSmall, 'training_args.bin': kSmall });
    expect((await open('hf:team/model')).name).toBe('hf:team/model/pytorch_model.bin');
  });
});

describe('says what to do when', () => {
  const gated = { gated: true };
  const hidden = { isPrivate: true };

  test.each([
    [
      'there is no such file',
      {},
      'hf:team/model/modl.safetensors',
      undefined,
      /no such file; did you mean model\.safetensors\?$/,
    ],
    ['a file is elsewhere', {}, 'hf:team/model/vae/model.safetensors', undefined, /did you mean model\.safetensors\?$/],
    ['there is nothing like it', {}, 'hf:team/model/xyzzy', undefined, /no such file; there is model\.safetensors$/],
    [
      'there is no such revision',
      {},
      'hf:team/model@v9',
      undefined,
      /404 \(Not Found\); the model has no such revision$/,
    ],
    [
      'there is no such model',
      {},
      'hf:team/none',
      undefined,
      /401 .*no such model, or it needs an access token \(accessToken, .*HF_TOKEN\)$/,
    ],
    ['a private one is asked for without a token', hidden, 'hf:team/model', undefined, /needs an access token/],
    [
      'there is none for this token',
      {},
      'hf:team/none',
      'hf_valid',
      /404 .*or the owner of the access token may not read it$/,
    ],
    ['the token is wrong', {}, 'hf:team/model', 'hf_wrong', /401 .*the access token is wrong, or has expired$/],
    ['it is disabled', { isDisabled: true }, 'hf:team/model', 'hf_valid', /403 .*the hub has disabled the model$/],
    [
      'a gated one is asked for without a token',
      gated,
      'hf:team/model',
      undefined,
      /401 .*gated: accept its terms at http:\/\/127\.0\.0\.1:\d+\/team\/model, and give an access token/,
    ],
    [
      'terms were not accepted',
      gated,
      'hf:team/model',
      'hf_valid',
      /403 .*gated: accept its terms at http:\/\/127\.0\.0\.1:\d+\/team\/model as the owner/,
    ],
  ])('%s', async (_title, more, text, accessToken, message) => {
    await serve({ 'model.safetensors': kLarge }, more);
    const said = await refusal(text, { accessToken });
    expect(said).toMatch(/^unreadable_input hf:team\//);
    expect(said).toMatch(message);
    expect(said).not.toMatch(/hf_wrong|hf_valid/);
  });

  test.each([
    ['hf:model', /must be hf:organization\/model/],
    ['hf:../model', /must be hf:organization\/model/],
    ['hf:datasets/team/model', /only models of a hub/],
    ['hf:team/model/a//b.gguf', /no file can have that path/],
    ['hf:team/model/../b.gguf', /no file can have that path/],
    ['hf:team/model@a%', /no revision can be called that/],
    ['hf:team/model@..%2F..%2Fx', /no revision can be called that/],
    ['hf:team/model@.', /no revision can be called that/],
    ['hf:team/model@refs/heads/x/m.gguf', /no revision can be called that; write "\/" in it as %2F/],
  ])('%s is asked for', async (text, message) => {
    await serve({});
    await expect(refusal(text)).resolves.toMatch(message);
    expect(hub.requests).toEqual([]);
  });

  test('gated files are read with the token of who has accepted their terms', async () => {
    await serve({ 'model.safetensors': kLarge }, gated);
    const source = await open('hf:team/model', { accessToken: 'hf_accepted' });
    expect((await bytesOf(source)).equals(kLarge)).toBe(true);
  });

  test('a pointer of Git LFS is in place of the file', async () => {
    await serve({
      'model.safetensors': Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n'),
    });
    const { inspectFile } = await import('../../support/internals.mjs');
    const files = { openSource: (source) => open(source) };
    await expect(inspectFile(files, 'hf:team/model')).rejects.toThrow(
      /it is a Git LFS pointer, not the model; the hub has not got the file itself: whoever owns the model has to upload it/,
    );
  });
});

describe('what passes is tried again', () => {
  test.each([
    ['429, and when is told in seconds', 429, { 'retry-after': '0.001' }],
    ['429, and when is told as a date', 429, { 'retry-after': 'Thu, 01 Jan 1970 00:00:00 GMT' }],
    ['500', 500, {}],
    ['503', 503, {}],
  ])('by the hub, after %s', async (_title, status, headers) => {
    await serve({ 'model.safetensors': kLarge });
    hub.before.hub = (_request, response, count) => count % 2 === 1 && response.writeHead(status, headers).end('later');
    expect((await bytesOf(await open('hf:team/model'))).equals(kLarge)).toBe(true);
  });

  test('by the hub, when the connection breaks, but not for ever', async () => {
    await serve({ 'model.safetensors': kLarge });
    hub.before.hub = (_request, response, count) => count < 3 && response.destroy();
    expect((await open('hf:team/model')).size).toBe(kLarge.length);
    hub.before.hub = (_request, response) => response.destroy();
    await expect(refusal('hf:team/model')).resolves.toMatch(/tried 3 times/);
  });

  test('by a signal it ends', async () => {
    await serve({ 'model.safetensors': kLarge });
    const controller = new AbortController();
    hub.before.hub = () => {
      controller.abort(new Error('enough'));
      return true;
    };
    const opening = open('hf:team/model', {}, { signal: controller.signal });
    await expect(opening).rejects.toMatchObject({ code: 'aborted' });
  });

  test('for an answer that is none of a hub', async () => {
    await serve({});
    hub.before.hub = (_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    await expect(refusal('hf:team/model')).resolves.toMatch(/does not tell its commit/);
  });
});

describe('the page of a model on the hub', () => {
  test.each([
    ['', 'hf:team/model/model.safetensors'],
    ['/', 'hf:team/model/model.safetensors'],
    ['?library=transformers#files', 'hf:team/model/model.safetensors'],
    ['/tree/main', 'hf:team/model/model.safetensors'],
    ['/tree/main/', 'hf:team/model/model.safetensors'],
    ['/tree/main/a%20folder', 'hf:team/model/a folder/other.gguf'],
    ['/blob/main/a%20folder/other.gguf?download=true', 'hf:team/model/a folder/other.gguf'],
    ['/tree/v2', 'hf:team/model@v2/second.gguf'],
    ['/blob/refs%2Fpr%2F1/third.gguf', 'hf:team/model@refs%2Fpr%2F1/third.gguf'],
    ['/tree/refs/pr/1', 'hf:team/model@refs/pr/1/third.gguf'],
  ])('is read as the model: %p', async (page, name) => {
    await serve(
      { 'model.safetensors': kLarge, 'a folder/other.gguf': kLarge },
      { revisions: { v2: { 'second.gguf': kLarge }, 'refs/pr/1': { 'third.gguf': kLarge } }, isPrivate: true },
    );
    const source = await open(`${hub.url}/team/model${page}`, { accessToken: 'hf_valid' });
    expect(source.name).toBe(name);
    expect((await bytesOf(source)).equals(kLarge)).toBe(true);
    expect(hub.requests.every(({ headers }) => headers.authorization === 'Bearer hf_valid')).toBe(true);
    expect(JSON.stringify(hub.fetched)).not.toContain('hf_valid');
  });

  test('is read below the address of a hub with a path', async () => {
    expect(textOfPage(new URL('https://hub.example/models/team/model/tree/v2/sub'), 'https://hub.example/models')).toBe(
      'hf:team/model@v2/sub',
    );
    expect(textOfPage(new URL('https://hub.example/team/model'), 'https://hub.example/models')).toBe(null);
  });

  test.each([
    ['https://huggingface.co/team/model', 'hf:team/model'],
    ['http://HuggingFace.co/team/model/', 'hf:team/model'],
    ['https://www.huggingface.co/team/model/tree/main/sub', 'hf:team/model/sub'],
    ['https://hf.co/team/model/blob/main/%E0%A4.gguf', 'hf:team/model/%E0%A4.gguf'],
    ['https://huggingface.co/datasets/team/data/tree/main', 'hf:datasets/team/data'],
    ['https://huggingface.co/spaces/team/space', 'hf:spaces/team/space'],
    ['https://huggingface.co/team', null],
    ['https://huggingface.co/team/model/resolve/main/m.gguf', null],
    ['https://huggingface.co/datasets/team/data/resolve/main/m.gguf', null],
    ['https://huggingface.co/team/model/discussions', null],
    ['https://huggingface.co/docs/transformers', null],
    ['https://user:password@huggingface.co/team/model', null],
    ['https://huggingface.co:8443/team/model', null],
    ['https://huggingface.co.example/team/model', null],
    ['https://cdn.hf.co/team/model', null],
    ['https://example.org/team/model/tree/main', null],
    ['file:///team/model', null],
  ])('is told from others: %s, %p', (url, text) => {
    expect(textOfPage(new URL(url), 'https://huggingface.co')).toBe(text);
    const isSame = url.startsWith('https://example.org');
    expect(textOfPage(new URL(url), 'https://example.org')).toBe(isSame ? 'hf:team/model' : null);
  });

  test.each(['datasets/team/data', 'spaces/team/space/tree/main', 'datasets/data'])(
    'is refused where it is of no model: %s',
    async (page) => {
      await serve({ 'model.safetensors': kSmall });
      await expect(refusal(`${hub.url}/${page}`)).resolves.toMatch(
        /: only models of a hub can be read, and it must be hf:/,
      );
      expect(hub.requests).toEqual([]);
    },
  );

  test('of another server is no more than an address there', async () => {
    await serve({ 'model.safetensors': kSmall });
    const options = { hubUrl: 'https://hub.example', accessToken: 'hf_valid' };
    await expect(refusal(`${hub.url}/team/model`, options)).resolves.toMatch(new RegExp(`${hub.url}/team/model: `));
    expect(hub.requests.map(({ path, headers }) => [path, headers.authorization])).toEqual([
      ['/team/model', undefined],
    ]);
  });
});
