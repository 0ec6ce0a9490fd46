import { mkdirSync, readFileSync, watch } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startHub } from '../support/hub.mjs';
import { siblingName } from '../support/internals.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { halfTensor, modelFile } from '../support/models/safetensors.mjs';
import { startCommand } from './support/command.mjs';

/** Tensors of 512 kB, which are read one by one. */
const kModel = modelFile(
  Array.from({ length: 8 }, (_, index) => halfTensor(`layer.${index}.weight`, [1024, 256], index + 1)),
);
const kJournal = '.out.safetensors.arrowquant-journal';

const folder = useFolder();
let hub;
beforeEach(async () => {
  hub = await startHub({
    'team/model': { files: { 'README.md': Buffer.from('# A model'), 'weights.safetensors': kModel }, gated: true },
  });
});
afterEach(() => hub.close());

/** Starts the command as somebody would who has nothing of the hub set up but what `variables` say. */
function start(parameters, variables = {}) {
  const home = {
    HOME: folder.at,
    HF_ENDPOINT: hub.url,
    HF_TOKEN: '',
    HF_HOME: '',
    XDG_CACHE_HOME: '',
    HF_TOKEN_PATH: '',
  };
  const env = Object.entries({ ...home, ...variables }).filter(([name, value]) => value !== '' || name in variables);
  const kept = Object.entries(process.env).filter(([name]) => !/^(HF_|HUGGING|XDG_CACHE_HOME)/.test(name));
  return startCommand(parameters, { cwd: folder.at, env: Object.fromEntries([...kept, ...env]) });
}

const run = (parameters, variables) => start(parameters, variables).ended;

describe('a model on a hub', () => {
  test('is quantized with the token of the environment, which nobody else gets to see', async () => {
    const { code, stdout, stderr } = await run(['quantize', 'hf:team/model', '--json'], { HF_TOKEN: ' hf_accepted\n' });
    expect([code, stderr]).toEqual([0, '']);
    const report = JSON.parse(stdout);
    expect(report.input).toBe('hf:team/model/weights.safetensors');
    expect(report.totals.downloadedBytes).toBeGreaterThanOrEqual(kModel.length);
    expect(folder.list()).toContain('model-int4.safetensors');
    const lists = hub.requests.filter(({ headers }) => headers.authorization !== 'Bearer hf_accepted');
    expect(lists).toEqual([]);
    expect(JSON.stringify(hub.fetched)).not.toContain('hf_accepted');
    expect(stdout).not.toContain('hf_accepted');
    folder.write('local.safetensors', kModel);
    await run(['quantize', 'local.safetensors', '--quiet']);
    const [made, local] = ['model', 'local'].map((name) => readFileSync(folder.path(`${name}-int4.safetensors`)));
    expect(made.equals(local)).toBe(true);
  });

  test('is quantized by the address of its page as by its name', async () => {
    const page = `${hub.url}/team/model/tree/main?not=sent`;
    const { code, stdout, stderr } = await run(['quantize', page, '--json'], { HF_TOKEN: 'hf_accepted' });
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout).input).toBe('hf:team/model/weights.safetensors');
    expect(folder.list()).toContain('model-int4.safetensors');
    expect(JSON.stringify([hub.requests, hub.fetched])).not.toContain('not=sent');
  });

  test.each([
    ['team/model', /^error: Cannot read team\/model: .*; a model on a hub is written hf:team\/model\n$/],
    ['team/model.gguf', /^error: Cannot read team\/model\.gguf: there is no such file or folder\n$/],
    ['./team/model', /^error: Cannot read \.\/team\/model: there is no such file or folder\n$/],
  ])('is thought of where there is nothing at %s', async (input, message) => {
    const { code, stderr } = await run(['quantize', input]);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });

  test.each([
    ['HF_TOKEN', { HF_TOKEN: 'hf_accepted', HUGGING_FACE_HUB_TOKEN: 'hf_wrong' }, true],
    ['the older name', { HUGGING_FACE_HUB_TOKEN: 'hf_accepted' }, true],
    ['what was stored', {}, true],
    ['what was stored in HF_HOME', { HF_HOME: 'there' }, true],
    ['none when that is wanted', { HF_TOKEN: 'hf_accepted', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, false],
  ])('is asked for with %s', async (title, variables, works) => {
    for (const place of ['.cache/huggingface', 'there']) mkdirSync(folder.path(place), { recursive: true });
    if (title.includes('stored')) folder.write(`${variables.HF_HOME ?? '.cache/huggingface'}/token`, 'hf_accepted\n');
    const home = variables.HF_HOME === undefined ? {} : { HF_HOME: folder.path(variables.HF_HOME) };
    const { code, stderr } = await run(['inspect', 'hf:team/model/weights.safetensors'], { ...variables, ...home });
    expect(code).toBe(works ? 0 : 1);
    if (!works)
      expect(stderr).toMatch(/^error: Cannot read hf:team\/model\/weights\.safetensors: the server answers 401/);
    if (!works) expect(stderr).toMatch(/gated: accept its terms at .*\/team\/model, and give an access token/);
  });

  test('is not asked for with a file of the current folder when variables are empty', async () => {
    for (const name of ['token', 'huggingface/token']) {
      mkdirSync(path.dirname(folder.path(name)), { recursive: true });
      folder.write(name, 'somebody else');
    }
    mkdirSync(folder.path('.cache/huggingface'), { recursive: true });
    folder.write('.cache/huggingface/token', 'hf_accepted\n');
    const empty = { HF_TOKEN: '', HF_TOKEN_PATH: '', HF_HOME: '', XDG_CACHE_HOME: '' };
    await expect(run(['inspect', 'hf:team/model'], empty)).resolves.toMatchObject({ code: 0, stderr: '' });
  });

  test.each([
    ['HF_TOKEN_PATH', '~/there/token'],
    ['HF_HOME', '~/there'],
  ])('is asked for with what was stored below the home folder that %s names', async (name, place) => {
    mkdirSync(folder.path('there'), { recursive: true });
    folder.write('there/token', 'hf_accepted\n');
    await expect(run(['inspect', 'hf:team/model'], { [name]: place })).resolves.toMatchObject({ code: 0, stderr: '' });
  });

  test.each([
    ['HF_ENDPOINT', 'hub.example', /HF_ENDPOINT must be an http or https URL/],
    ['HF_TOKEN', 'two words', /HF_TOKEN must be a text without spaces/],
  ])(
    'is not asked for with a strange %s, which has no part in what is read from elsewhere',
    async (name, value, message) => {
      const { code, stderr } = await run(['inspect', 'hf:team/model'], { [name]: value });
      expect(code).toBe(2);
      expect(stderr).toMatch(message);
      expect(stderr).not.toMatch(/hubUrl|accessToken|two words/);
      const elsewhere = await startHub({ 'team/model': { files: { 'weights.safetensors': kModel } } });
      try {
        const url = `${elsewhere.url}/team/model/resolve/main/weights.safetensors`;
        await expect(run(['inspect', url], { [name]: value })).resolves.toMatchObject({ code: 0, stderr: '' });
      } finally {
        await elsewhere.close();
      }
    },
  );

  test('is planned, restored and compared', async () => {
    const variables = { HF_TOKEN: 'hf_accepted' };
    const parameters = ['quantize', 'hf:team/model', 'out.gguf', '--architecture', 'none', '--dry-run'];
    const planned = await run(parameters, variables);
    expect(planned.stdout).toContain('nothing was written');
    const restored = await run(['dequantize', 'hf:team/model', '--quiet'], variables);
    expect(restored).toMatchObject({ code: 0, stderr: '' });
    const compared = await run(['compare', 'hf:team/model', 'model-restored.safetensors'], variables);
    expect(compared.stdout).toContain('8 tensors compared, 8 of them equal');
  });

  test('is resumed with another signed address after the process was killed', async () => {
    const variables = { HF_TOKEN: 'hf_accepted' };
    const parameters = ['quantize', 'hf:team/model', 'out.safetensors', '--resume'];
    const whole = await run(['quantize', 'hf:team/model', 'whole.safetensors', '--quiet'], variables);
    expect(whole.code).toBe(0);
    const held = new Promise((resolve) => {
      hub.before.files = (request) => {
        const [, end] = /-(\d+)$/.exec(request.headers.range);
        if (Number(end) < 3_000_000) return false;
        resolve();
        return true;
      };
    });
    const command = start(parameters, variables);
    await held;
    await untilJournal(3);
    command.child.kill('SIGKILL');
    await command.ended;
    hub.expire();
    hub.before = {};
    // Its readme changes: another commit, but the same weights.
    hub.models['team/model'].files = { 'weights.safetensors': kModel };
    const before = hub.fetched.length;
    const { code, stdout } = await run([...parameters, '--json'], variables);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).totals.downloadedBytes).toBeLessThan(kModel.length - 900_000);
    expect(hub.fetched.slice(before).every(({ path }) => path.includes('signature=1-'))).toBe(true);
    const [made, expected] = ['out', 'whole'].map((name) => readFileSync(folder.path(`${name}.safetensors`)));
    expect(made.equals(expected)).toBe(true);
  });
});

/** Resolves when so many tensors are noted as complete. */
function untilJournal(lines) {
  const isThere = () =>
    folder.list().includes(kJournal) && readFileSync(folder.path(kJournal), 'utf8').split('\n').length > lines;
  return new Promise((resolve) => {
    const watcher = watch(folder.at, () => check());
    const check = () => {
      if (!isThere()) return;
      watcher.close();
      resolve();
    };
    check();
  });
}

describe('--header', () => {
  test('goes to the server of the address, repeated as often as it is given', async () => {
    const url = `${hub.url}/team/model/resolve/main/weights.safetensors`;
    const headers = ['--header', 'Authorization: Bearer hf_accepted', '--header', 'X-Team:  one '];
    const { code } = await run(['inspect', url, ...headers], { HF_ENDPOINT: '', HF_TOKEN: 'hf_other' });
    expect(code).toBe(0);
    expect(hub.requests[0].headers).toMatchObject({ authorization: 'Bearer hf_accepted', 'x-team': 'one' });
  });

  test('is for one server', async () => {
    const models = ['http://127.0.0.1:9/a.gguf', 'hf:team/model'];
    const { code, stderr } = await run(['compare', ...models, '--header', 'X-Team: hf_secret']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/--header is for one server, but the models are on two; download one of them first/);
    expect(stderr).not.toMatch(/option fetch|hf_secret/);
    expect(hub.requests).toEqual([]);
  });

  test.each(['hf_secret', ': hf_secret', 'name:', 'two words: hf_secret'])(
    'is refused as %p, without repeating it',
    async (text) => {
      const { code, stderr } = await run(['inspect', 'a.gguf', '--header', text]);
      expect(code).toBe(2);
      expect(stderr).toMatch(/--header must be a name and a value/);
      expect(stderr).not.toContain('hf_secret');
    },
  );
});

test.each([
  ['models/Qwen3-0.6B', 'models/Qwen3-0.6B-x.gguf'],
  ['models/Qwen3-0.6B//', 'models/Qwen3-0.6B-x.gguf'],
  ['./Qwen3-0.6B/model.safetensors', './Qwen3-0.6B/model-x.gguf'],
  ['.', `${path.basename(process.cwd())}-x.gguf`],
  ['./', `${path.basename(process.cwd())}-x.gguf`],
  ['..', `${path.basename(path.dirname(process.cwd()))}-x.gguf`],
  [`${pathToFileURL(path.resolve('My model')).href}/`, path.resolve('My model-x.gguf')],
])('what the folder %s becomes is called as it is', (input, output) => {
  expect(siblingName(input, '-x.gguf')).toBe(output);
});

test.each([
  ['hf:team/model', 'model-x.gguf'],
  ['hf:team/model-1.5@refs%2Fpr%2F1', 'model-1.5-x.gguf'],
  ['hf:team/model@v1/sub/w-00001-of-00003.safetensors', 'w-x.gguf'],
  ['hf:team/model/w.safetensors.index.json', 'w-x.gguf'],
  ['hf:team/model/pytorch_model.bin.index.json', 'pytorch_model-x.gguf'],
  ['hf:team/model/v1-5-pruned.ckpt', 'v1-5-pruned-x.gguf'],
])('what %s becomes lies here', (input, output) => {
  expect(siblingName(input, '-x.gguf')).toBe(output);
});
