import { File } from 'node:buffer';
import { readFileSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { runCommand } from '../cli/support/command.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { ggufFile, ggufTensor } from '../support/models/gguf.mjs';
import { float32Tensor, modelFile, readModel } from '../support/models/safetensors.mjs';
import { answerFrom, useServers } from '../runtime/support/server.mjs';

const folder = useFolder();
const servers = useServers();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 1 });
});
afterAll(() => quantizer.dispose());

const shardBytes = (number) => modelFile([float32Tensor(`t${number}.weight`, [64, 64], number)], { from: `${number}` });
const nameOf = (stem, number, count, ending = '.safetensors') =>
  `${stem}-${String(number).padStart(5, '0')}-of-${String(count).padStart(5, '0')}${ending}`;
const writeShards = (stem, count) =>
  Array.from({ length: count }, (_, index) => {
    const name = nameOf(stem, index + 1, count);
    folder.write(name, shardBytes(index + 1));
    return name;
  });

test.each(['model', 'diffusion_pytorch_model', 'model.fp16', 'a-00001-of-00009-b'])(
  'a shard of %s is converted with the others',
  async (stem) => {
    const names = writeShards(stem, 3);
    for (const name of names) {
      const { metadata, tensors } = await quantizer.inspectFile(folder.path(name));
      expect(tensors.map((tensor) => tensor.name)).toEqual(['t1.weight', 't2.weight', 't3.weight']);
      expect(metadata).toEqual({ from: '1' });
    }
    await quantizer.quantizeFile(folder.path(names[1]), folder.path('out.safetensors'));
    const written = readModel(readFileSync(folder.path('out.safetensors')));
    expect(written.tensors.size).toBe(9);
  },
);

test('a shard over HTTP, and one of several Files, stand for all', async () => {
  const server = await servers.serve((request, response) => answerFrom(folder.at, request, response));
  const names = writeShards('model', 2);
  const files = names.map((name) => new File([readFileSync(folder.path(name))], name));
  for (const source of [server.url(`/${names[1]}`), files, [files[1], files[0]]]) {
    expect((await quantizer.inspectFile(source)).tensors).toHaveLength(2);
  }
});

test('the one file of a model of one shard is whole', async () => {
  const [name] = writeShards('model', 1);
  expect((await quantizer.inspectFile(folder.path(name))).tensors).toHaveLength(1);
});

test.each(['model-1-of-2.safetensors', 'day-2026-01.safetensors', 'one-of-a-kind.safetensors'])(
  'a file that is called %s is whole',
  async (name) => {
    expect((await quantizer.inspectFile(folder.write(name, shardBytes(1)))).tensors).toHaveLength(1);
  },
);

describe('is refused', () => {
  test('where another shard is missing, and nothing is written', async () => {
    const [first, second] = writeShards('model', 2);
    rmSync(folder.path(second));
    const output = folder.path('out.safetensors');
    const error = await quantizer.quantizeFile(folder.path(first), output).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'missing_shard', file: folder.path(second) });
    expect(error.message).toContain(`"${first}" is one of 2 files that make a model together`);
    await expect(quantizer.inspectFile(folder.path(first))).rejects.toMatchObject({ code: 'missing_shard' });
    expect(folder.list()).toEqual([first]);
    const { code, stderr } = await runCommand(['quantize', folder.path(first)]);
    expect(code).toBe(1);
    expect(stderr).toContain(second);
  });

  test('where a File is given without the others', async () => {
    const file = new File([shardBytes(1)], nameOf('model', 1, 2));
    await expect(quantizer.inspectFile(file)).rejects.toMatchObject({
      code: 'missing_shard',
      file: nameOf('model', 2, 2),
      message: expect.stringContaining('give all files of the model as an array'),
    });
  });

  test('where two shards have the same tensor', async () => {
    const [first, second] = writeShards('model', 2);
    folder.write(second, shardBytes(1));
    await expect(quantizer.inspectFile(folder.path(first))).rejects.toMatchObject({
      ...{ code: 'invalid_file', layer: 't1.weight', message: expect.stringContaining('in another shard too') },
    });
  });

  test.each([
    [3, 2, /shard 3 of 2 by its name, which cannot be/],
    [0, 2, /shard 0 of 2 by its name, which cannot be/],
    [1, 501, /501 shards are over the limit of 500/],
  ])('where it is number %i of %i', async (number, count, says) => {
    const path = folder.write(nameOf('model', number, count), shardBytes(1));
    await expect(quantizer.inspectFile(path)).rejects.toThrow(says);
  });

  test('where a GGUF says only by its name that it is a shard', async () => {
    const bytes = ggufFile({ tensors: [ggufTensor('a.weight', [32], 0)] });
    const path = folder.write(nameOf('model', 1, 2, '.gguf'), bytes);
    await expect(quantizer.inspectFile(path)).rejects.toThrow(/shard 1 of 2 by its name, but has no "split.count"/);
  });

  test('where the output would have the name of a shard', async () => {
    const [first] = writeShards('model', 2);
    const output = folder.path(nameOf('out', 1, 2));
    await expect(quantizer.quantizeFile(folder.path(first), output)).rejects.toMatchObject({
      ...{ code: 'invalid_option', message: expect.stringContaining('is named as one of 2 shards') },
    });
  });
});
