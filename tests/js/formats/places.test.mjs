import { mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { File } from 'node:buffer';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { startHub } from '../support/hub.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';
import { copyTinyLlama, digests, kOfMlxLm, kTinyLlama, sha256 } from '../support/models/tiny-llama.mjs';
import { MemoryFolder } from '../support/models/web-folder.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const { options, tensors } = kOfMlxLm.q4g64;
const kMlx = { format: 'mlx', ...options };
const kNames = [
  'config.json',
  'model.safetensors',
  'model.safetensors.index.json',
  'tokenizer.json',
  'tokenizer_config.json',
];
const kFiles = Object.fromEntries(
  readdirSync(kTinyLlama)
    .filter((name) => !name.endsWith('.md'))
    .map((name) => [name, readFileSync(path.join(kTinyLlama, name))]),
);

describe('a model in a folder', () => {
  let input;
  beforeEach(() => {
    input = copyTinyLlama(folder.path('in'));
  });

  const asFiles = () => Object.entries(kFiles).map(([name, bytes]) => new File([bytes], name));

  test.each([
    ['its path', () => input],
    ['its path, with a slash', () => `${input}/`],
    ['a link to it', () => (symlinkSync(input, folder.path('link')), folder.path('link'))],
    ['a file URL', () => pathToFileURL(input)],
    ['the path of the file in it', () => `${input}/model.safetensors`],
    ['a FileSystemDirectoryHandle', () => new MemoryFolder(kFiles)],
    ['its Files', () => asFiles()],
  ])('is read by %s', async (_, source) => {
    await quantizer.quantizeFile(source(), folder.path('out'), kMlx);
    expect(digests(folder.path('out/model.safetensors'))).toEqual(tensors);
    expect(readdirSync(folder.path('out')).toSorted()).toEqual(kNames);
  });

  test('is read by its address on a hub, with everything beside it', async () => {
    const hub = await startHub({ 'team/tiny': { files: kFiles } });
    try {
      await quantizer.quantizeFile('hf:team/tiny', folder.path('out'), { ...kMlx, hubUrl: hub.url });
    } finally {
      await hub.close();
    }
    expect(digests(folder.path('out/model.safetensors'))).toEqual(tensors);
    expect(readdirSync(folder.path('out')).toSorted()).toEqual(kNames);
  });

  test('is inspected and compared, too', async () => {
    expect((await quantizer.inspectFile(input)).tensors).toHaveLength(21);
    const { tensors: compared } = await quantizer.compareFiles(input, new MemoryFolder(kFiles));
    expect(compared.map(({ rmse }) => rmse)).toEqual(compared.map(() => 0));
  });

  test('is the one that transformers reads, where there are several', async () => {
    writeFileSync(`${input}/consolidated.safetensors`, 'another one');
    writeFileSync(`${input}/pytorch_model.bin`, 'another one');
    expect((await quantizer.inspectFile(input)).tensors).toHaveLength(21);
    rmSync(`${input}/model.safetensors`);
    rmSync(`${input}/pytorch_model.bin`);
    writeFileSync(`${input}/other.gguf`, 'a third one');
    await expect(quantizer.inspectFile(input)).rejects.toMatchObject({
      ...{ code: 'unreadable_input', message: expect.stringContaining('consolidated.safetensors, other.gguf') },
    });
  });

  test('has to be there', async () => {
    rmSync(`${input}/model.safetensors`);
    const says = { code: 'unreadable_input', message: expect.stringMatching(/folder has no safetensors/) };
    await expect(quantizer.inspectFile(input)).rejects.toMatchObject(says);
    await expect(quantizer.inspectFile(new MemoryFolder({ 'a.txt': kFiles['config.json'] }))).rejects.toMatchObject(
      says,
    );
  });
});

describe('a folder that is written', () => {
  const quantize = (sink, more) => quantizer.quantizeFile(kTinyLlama, sink, { ...kMlx, ...more });

  test('may be there already, with what an earlier call has written, and with files of others', async () => {
    mkdirSync(folder.path('out'));
    folder.write('out/notes.txt', 'mine');
    for (const more of [{ bits: 8 }, {}]) await quantize(folder.path('out'), more);
    expect(digests(folder.path('out/model.safetensors'))).toEqual(tensors);
    expect(readdirSync(folder.path('out')).toSorted()).toEqual([...kNames, 'notes.txt'].toSorted());
  });

  test('may be picked in a browser', async () => {
    const sink = new MemoryFolder();
    const report = await quantize(sink);
    expect([...sink.files.keys()].toSorted()).toEqual(kNames);
    expect(report).toMatchObject({ output: 'picked', totals: { tensors: 21 } });
    folder.write('model.safetensors', sink.files.get('model.safetensors'));
    expect(digests(folder.path('model.safetensors'))).toEqual(tensors);
    expect(sha256(sink.files.get('model.safetensors.index.json'))).toBe(kOfMlxLm.q4g64.index);
    expect(sink.openStreams).toBe(0);
  });

  test('has shards of the size that is asked for, with an index, and is read as one model', async () => {
    mkdirSync(folder.path('in'));
    const layers = Array.from({ length: 4 }, (_, i) =>
      float32Tensor(`model.layers.${i}.up_proj.weight`, [512, 1024], i),
    );
    folder.write('in/model.safetensors', modelFile(layers));
    folder.write('in/config.json', '{"model_type":"llama","num_hidden_layers":4}');
    const asked = { format: 'mlx', architecture: 'none', bits: 8, splitSize: 1.5e6 };
    const { output } = await quantizer.plan(folder.path('in'), asked);
    const { files, totals } = await quantizer.quantizeFile(folder.path('in'), folder.path('out'), asked);
    const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const names = [...shards, 'model.safetensors.index.json', 'config.json'];
    expect(output).toMatchObject({ container: 'safetensors', layout: 'mlx', files: 4, names, bytes: totals.fileBytes });
    expect(files).toEqual(names.map((name) => folder.path(`out/${name}`)));
    const index = JSON.parse(readFileSync(folder.path('out/model.safetensors.index.json'), 'utf8'));
    expect(index.metadata).toEqual({
      total_size: 4 * (512 * 1024 + 2 * 4 * 512 * 16),
      total_parameters: 4 * 512 * 1024,
    });
    expect(new Set(Object.values(index.weight_map))).toEqual(new Set(shards));
    expect((await quantizer.inspectFile(folder.path('out'))).files).toHaveLength(3);
  });

  test.each([
    ['a file', () => folder.write('out', 'a file'), /it is a file, but what is written is a folder/],
    ['the folder of the input', () => copyTinyLlama(folder.path('out')), /it is the folder of the input/],
    ['in a folder that is not there', () => folder.path('none/out'), /no such file or folder/],
  ])('must not be %s', async (_, sinkOf, says) => {
    const sink = sinkOf();
    const source = sink.endsWith('out') && says.source.includes('input') ? sink : kTinyLlama;
    const before = folder.list();
    await expect(quantizer.quantizeFile(source, sink, kMlx)).rejects.toMatchObject({
      ...{ code: 'unwritable_output', message: expect.stringMatching(says) },
    });
    expect(folder.list()).toEqual(before);
  });

  test.each(['model-00001-of-00002.safetensors', 'model-q4.gguf', 'pytorch_model.bin', 'model.onnx'])(
    'must not have another model in it: %s',
    async (name) => {
      const says = expect.stringMatching(/there are files of another model in it/);
      mkdirSync(folder.path('out'));
      folder.write(`out/${name}`, 'another model');
      await expect(quantize(folder.path('out'))).rejects.toMatchObject({ code: 'unwritable_output', message: says });
      expect(readdirSync(folder.path('out'))).toEqual([name]);
      const picked = new MemoryFolder({ [name]: kFiles['config.json'] });
      await expect(quantize(picked)).rejects.toMatchObject({ code: 'unwritable_output', message: says });
      expect([...picked.files.keys()]).toEqual([name]);
    },
  );

  test('must not be the picked folder of the input', async () => {
    const both = new MemoryFolder(kFiles);
    await expect(quantizer.quantizeFile(both, both, kMlx)).rejects.toMatchObject({
      ...{ code: 'unwritable_output', message: expect.stringMatching(/it is the folder of the input/) },
    });
    expect([...both.files]).toEqual(Object.entries(kFiles));
  });

  test('must not be the picked folder that Files of the input lie in', async () => {
    const both = new MemoryFolder(kFiles);
    const handles = await Promise.all(Object.keys(kFiles).map((name) => both.getFileHandle(name)));
    const files = await Promise.all(handles.map((handle) => handle.getFile()));
    await expect(quantizer.quantizeFile(files, both, kMlx)).rejects.toMatchObject({
      ...{ code: 'unwritable_output', message: expect.stringMatching(/it has the file "[^"]+" of the input in it/) },
    });
    expect([...both.files]).toEqual(Object.entries(kFiles));
    // Of another time, or size, they are others, which are written over.
    const other = new MemoryFolder({ ...kFiles, 'model.safetensors': Buffer.alloc(9) });
    const later = Object.entries(kFiles).map(([name, bytes]) => new File([bytes], name, { lastModified: 2 }));
    await quantizer.quantizeFile(later, other, kMlx);
    expect(other.files.get('model.safetensors').length).toBeGreaterThan(9);
  });

  test('has the programs of a model that has its own, and its license', async () => {
    const input = copyTinyLlama(folder.path('in'));
    const config = JSON.parse(readFileSync(`${input}/config.json`, 'utf8'));
    const auto = {
      AutoModel: 'modeling_own.Model',
      AutoConfig: 'team/other--configuration_other.Config',
      AutoTokenizer: ['tokens.Slow', null, '../evil.Class'],
    };
    writeFileSync(`${input}/config.json`, JSON.stringify({ ...config, auto_map: auto }));
    writeFileSync(`${input}/modeling_own.py`, 'import torch\nfrom .parts import Part\nfrom .gone import Gone\n');
    const others = ['parts.py', 'tokens.py', 'configuration_other.py', 'unused.py', 'LICENSE.txt', 'spm.model'];
    for (const name of others) writeFileSync(`${input}/${name}`, 'from .modeling_own import Model');
    await quantizer.quantizeFile(input, folder.path('out'), kMlx);
    const added = readdirSync(folder.path('out')).filter((name) => !kNames.includes(name));
    expect(added.toSorted()).toEqual(['LICENSE.txt', 'modeling_own.py', 'parts.py', 'spm.model', 'tokens.py']);
  });
});
