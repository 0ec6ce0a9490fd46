import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { File } from 'node:buffer';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, test } from '@jest/globals';
import { commitOf, startHub } from '../support/hub.mjs';
import { filesOf, nodeFiles, openModel } from '../support/internals.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { halfTensor, modelFile } from '../support/models/safetensors.mjs';
import { MemoryFolder } from '../support/models/web-folder.mjs';
import { answerFrom, useServers } from '../runtime/support/server.mjs';

const kFiles = {
  'model.safetensors': modelFile([halfTensor('layer.weight', [4, 4])]),
  'config.json': Buffer.from('{"of": "the model"}'),
  '1_Pooling/config.json': Buffer.from('{"of": "the pooling"}'),
  'additional_chat_templates/tools.jinja': Buffer.from('tools'),
  'additional_chat_templates/a:b.jinja': Buffer.from('a:b'),
};

const folder = useFolder();
const servers = useServers();
let hub;
const opened = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((model) => model.close()));
  await hub?.close();
  hub = undefined;
});

/** The model at `source`, and what lies beside it. */
async function companionsOf(source, web) {
  const model = await openModel(await nodeFiles.openSource(source, undefined, web));
  opened.push(model);
  return model.companions;
}

function fill(name) {
  for (const [file, bytes] of Object.entries(kFiles)) {
    mkdirSync(path.dirname(folder.path(`${name}/${file}`)), { recursive: true });
    writeFileSync(folder.path(`${name}/${file}`), bytes);
  }
  return folder.path(name);
}

/** Files of a folder that was chosen, or dropped. */
const chosen = (name) =>
  Object.entries(kFiles).map(([file, bytes]) =>
    Object.assign(new File([bytes], path.basename(file)), { webkitRelativePath: `${name}/${file}` }),
  );

async function served(files = kFiles) {
  hub = await startHub({ 'team/Some-Model-1B': { files } });
  return { hubUrl: hub.url };
}

async function textOf(companions, name) {
  const source = await companions.find(name);
  if (source === null) return null;
  const bytes = Buffer.alloc(source.size);
  await source.read(bytes, 0);
  return bytes.toString();
}

const kPlaces = {
  'a path': async () => [fill('Some-Model-1B')],
  'a path that ends with slashes': async () => [`${fill('Some-Model-1B')}//`],
  'the path of the weights': async () => [path.join(fill('Some-Model-1B'), 'model.safetensors')],
  'a file URL': async () => [pathToFileURL(fill('Some-Model-1B'))],
  'the handle of a folder': async () => [new MemoryFolder(kFiles, Infinity, 'Some-Model-1B')],
  'Files of a folder': async () => [chosen('Some-Model-1B')],
  'Files of a folder in others': async () => [chosen('models/Some-Model-1B')],
  'a hub': async () => ['hf:team/Some-Model-1B', await served()],
  'a file on a hub': async () => ['hf:team/Some-Model-1B@main/model.safetensors', await served()],
};

describe.each(Object.entries(kPlaces))('a model that is given as %s', (_title, place) => {
  test('has the name of its folder, and says what is in folders beside it', async () => {
    const companions = await companionsOf(...(await place()));
    expect(companions.folderName).toBe('Some-Model-1B');
    expect(await companions.list()).toEqual(expect.arrayContaining(['config.json', 'model.safetensors']));
    expect(await companions.list('additional_chat_templates')).toEqual(['a:b.jinja', 'tools.jinja']);
    for (const none of ['templates', 'config.json', '..', '.', '../team', '/etc', 'a//b', 'a\\b', '1_Pooling/..'])
      expect([none, await companions.list(none)]).toEqual([none, []]);
  });

  test('finds files in folders beside it, and none that are elsewhere', async () => {
    const companions = await companionsOf(...(await place()));
    expect(await textOf(companions, '1_Pooling/config.json')).toBe('{"of": "the pooling"}');
    expect(await textOf(companions, 'config.json')).toBe('{"of": "the model"}');
    expect(await textOf(companions, 'additional_chat_templates/a:b.jinja')).toBe('a:b');
    expect(companions.opened.length).toBe(3);
    for (const none of ['2_Dense/config.json', '../a.json', '/etc/hosts', 'c:x', '1_Pooling/../config.json', '\ud800'])
      expect([none, await companions.find(none)]).toEqual([none, null]);
  });
});

test('a folder that is named by where one is has its own name', async () => {
  const at = fill('Some-Model-1B');
  mkdirSync(path.join(at, 'inside'));
  expect((await companionsOf(path.join(at, 'inside', '..', '.'))).folderName).toBe('Some-Model-1B');
  const before = process.cwd();
  try {
    for (const [place, name] of [
      [at, '.'],
      [at, './'],
      [at, 'model.safetensors'],
      [path.join(at, 'inside'), '..'],
    ]) {
      process.chdir(place);
      expect([name, (await companionsOf(name)).folderName]).toEqual([name, 'Some-Model-1B']);
    }
  } finally {
    process.chdir(before);
  }
});

test('a link to a folder is called what people have called it', async () => {
  symlinkSync(fill('0f1e2d'), folder.path('Some-Model-1B'));
  const companions = await companionsOf(folder.path('Some-Model-1B'));
  expect(companions.folderName).toBe('Some-Model-1B');
  expect(await companions.list('1_Pooling')).toEqual(['config.json']);
});

test.each([
  ['/Some%20Model/model.safetensors', 'Some Model'],
  ['/team/Some-Model-1B/resolve/main/model.safetensors', 'Some-Model-1B'],
  ['/team/Some-Model-1B/resolve/refs%2Fpr%2F1/model.safetensors?download=true', 'Some-Model-1B'],
  ['/team/Some-Model-1B/-/raw/v1/model.safetensors', 'Some-Model-1B'],
  ['/team/Some-Model-1B/resolve/main/inside/model.safetensors', 'inside'],
  ['/100%/model.safetensors', '100%'],
  ['/a%2Fb/model.safetensors', 'a%2Fb'],
  ['/model.safetensors', ''],
])('of the address %s the name is %j, and what is in folders nobody can tell', async (address, name) => {
  const bytes = folder.write('model.safetensors', kFiles['model.safetensors']);
  const server = await servers.serve((request, response) => {
    const asked = new URL(request.url, 'http://localhost').pathname;
    if (asked !== new URL(address, 'http://localhost').pathname) response.writeHead(404).end();
    else answerFrom(path.dirname(bytes), { ...request, url: '/model.safetensors', headers: request.headers }, response);
  });
  const companions = await companionsOf(server.url(address));
  expect(companions.folderName).toBe(name);
  expect(await companions.list()).toEqual([]);
  expect(await companions.find('config.json')).toBeNull();
});

test('Files that were chosen one by one, bytes and handles of files have no folder', async () => {
  const files = ['model.safetensors', 'config.json'].map((name) => new File([kFiles[name]], name));
  const companions = await companionsOf(files);
  expect(companions.folderName).toBe('');
  expect(await companions.list()).toEqual(['config.json', 'model.safetensors']);
  // The settings of a part are not those of the whole.
  expect(await companions.find('1_Pooling/config.json')).toBeNull();
  expect(await textOf(companions, 'config.json')).toBe('{"of": "the model"}');
  const handle = { kind: 'file', name: 'model.safetensors', getFile: async () => files[0] };
  for (const source of [files[0], kFiles['model.safetensors'], handle]) {
    const alone = await companionsOf(source);
    expect([alone.folderName, await alone.list(), await alone.find('config.json')]).toEqual(['', [], null]);
  }
});

test('on a hub a folder of the model may be named, and is asked for once', async () => {
  const inside = Object.fromEntries(Object.entries(kFiles).map(([name, bytes]) => [`text/${name}`, bytes]));
  const web = await served({ ...inside, 'model.gguf': Buffer.from('GGUF') });
  const companions = await companionsOf('hf:team/Some-Model-1B/text', web);
  expect(companions.folderName).toBe('text');
  expect(await companions.list('1_Pooling')).toEqual(['config.json']);
  expect(await companions.list('additional_chat_templates')).toEqual(['a:b.jinja', 'tools.jinja']);
  const asked = hub.requests.filter(({ path: asking }) => asking.includes('/tree/'));
  // Three entries come at once.
  expect(asked.length).toBe(3);
  expect(
    asked.every(({ path: asking }) => asking.includes(`/tree/${commitOf(hub.models['team/Some-Model-1B'].files)}`)),
  ).toBe(true);
});

test('what was found is among the files that must not change', async () => {
  const source = fill('Some-Model-1B');
  const model = await openModel(await nodeFiles.openSource(source));
  opened.push(model);
  await model.companions.find('1_Pooling/config.json');
  await model.companions.find('2_Dense/config.json');
  const names = filesOf(model).map(({ name }) => path.relative(source, name));
  expect(names).toEqual(['model.safetensors', path.join('1_Pooling', 'config.json')]);
  expect(readFileSync(path.join(source, '1_Pooling/config.json'), 'utf8')).toBe('{"of": "the pooling"}');
});
