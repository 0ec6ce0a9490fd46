import { openAsBlob, truncateSync } from 'node:fs';
import { Blob, File } from 'node:buffer';
import { expect, test } from '@jest/globals';
import { nodeFiles } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';

const folder = useFolder();
const kBytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 251);

async function bytesOf(source, begin, end) {
  const into = new Uint8Array(new SharedArrayBuffer(end - begin));
  await source.read(into, begin);
  return [...into];
}

test('reads a Blob and a File at any position, into shared memory', async () => {
  for (const blob of [new Blob([kBytes]), new File([kBytes.subarray(0, 10), kBytes.subarray(10)], 'model.gguf')]) {
    const source = await nodeFiles.openSource(blob);
    expect(source.size).toBe(1000);
    expect(source.name).toBe(blob.name ?? 'the Blob');
    expect(await bytesOf(source, 3, 20)).toEqual([...kBytes.subarray(3, 20)]);
    expect(await bytesOf(source, 999, 1000)).toEqual([kBytes[999]]);
    expect(await bytesOf(source, 7, 7)).toEqual([]);
    await expect(source.read(new Uint8Array(2), 999)).rejects.toMatchObject({
      code: 'unreadable_input',
      file: source.name,
    });
    await source.close();
  }
});

test('a File that has changed since it was chosen is an error that names it', async () => {
  const path = folder.write('model.safetensors', kBytes);
  const source = await nodeFiles.openSource(new File([await openAsBlob(path)], 'model.safetensors'));
  truncateSync(path, 10);
  await expect(source.read(new Uint8Array(5), 100)).rejects.toMatchObject({
    code: 'unreadable_input',
    file: 'model.safetensors',
  });
});

test('finds the index among the Files of a model, and the others by name', async () => {
  const files = ['b.safetensors', 'Model.safetensors.INDEX.json', 'a.safetensors'].map(
    (name) => new File([name], name),
  );
  const source = await nodeFiles.openSource(files);
  expect(source.name).toBe('Model.safetensors.INDEX.json');
  const sibling = await source.sibling('a.safetensors');
  expect(Buffer.from(await bytesOf(sibling, 0, sibling.size)).toString()).toBe('a.safetensors');
  expect((await sibling.sibling('b.safetensors')).name).toBe('b.safetensors');
  await expect(source.sibling('c.safetensors')).rejects.toMatchObject({
    code: 'missing_shard',
    file: 'c.safetensors',
    message: expect.stringMatching(/not among the 3 files/),
  });
  expect((await nodeFiles.openSource(files.slice(2))).name).toBe('a.safetensors');
});

test('of the Files of a folder the outermost of a usual name is the model', async () => {
  const chosen = (...paths) =>
    paths.map((path) =>
      Object.assign(new File(['x'], path.slice(path.lastIndexOf('/') + 1)), { webkitRelativePath: path }),
    );
  for (const [paths, model] of [
    [['m/2_Dense/model.safetensors', 'm/onnx/model.onnx', 'm/model.safetensors'], 'm/model.safetensors'],
    [['m/pytorch_model.bin.index.json', 'm/model.safetensors.index.json'], 'm/model.safetensors.index.json'],
    [['m/original/consolidated.00.pth', 'm/model-00001-of-00002.safetensors'], 'm/model-00001-of-00002.safetensors'],
    [['m/unet/a.safetensors', 'm/b.safetensors'], 'm/b.safetensors'],
    [['m/model_index.json', 'm/unet/a.safetensors.index.json'], 'm/unet/a.safetensors.index.json'],
  ]) {
    const source = await nodeFiles.openSource(chosen(...paths));
    expect([source.folderName, source.fileName]).toEqual(model.split('/').slice(-2));
  }
});

test('refuses two Files of one name, and siblings of a single File', async () => {
  const twice = [new File(['1'], 'a.gguf'), new File(['2'], 'a.gguf')];
  await expect(nodeFiles.openSource(twice)).rejects.toMatchObject({ code: 'unreadable_input', file: 'a.gguf' });
  const source = await nodeFiles.openSource(twice[0]);
  await expect(source.sibling('b.gguf')).rejects.toMatchObject({ code: 'missing_shard', file: 'b.gguf' });
});

test('a FileSystemFileHandle is read as its File; what getFile() rejects with is explained', async () => {
  const handle = { kind: 'file', name: 'picked.gguf', getFile: async () => new File([kBytes], 'picked.gguf') };
  const source = await nodeFiles.openSource(handle);
  expect([source.name, source.size]).toEqual(['picked.gguf', 1000]);
  expect(await bytesOf(source, 1, 4)).toEqual([1, 2, 3]);
  handle.getFile = () => Promise.reject(new DOMException('gone', 'NotFoundError'));
  await expect(nodeFiles.openSource(handle)).rejects.toMatchObject({
    code: 'unreadable_input',
    file: 'picked.gguf',
    message: expect.stringMatching(/moved or deleted/),
  });
});
