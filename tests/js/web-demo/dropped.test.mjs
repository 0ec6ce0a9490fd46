import { File } from 'node:buffer';
import { beforeAll, expect, test } from '@jest/globals';
import { importBundled } from './support/bundled.mjs';

let pickedFolder;
beforeAll(async () => {
  ({ pickedFolder } = await importBundled('dropped.ts'));
});

/** As an input gives them that takes folders. */
const filesAt = (paths) =>
  paths.map((at) => Object.defineProperty(new File([], at.split('/').at(-1)), 'webkitRelativePath', { value: at }));

test('of a folder its files are taken, and the settings of its parts', () => {
  const wanted = [
    'm/config.json',
    'm/model.safetensors',
    'm/1_Pooling/config.json',
    'm/additional_chat_templates/t.jinja',
  ];
  const others = [
    ...['m/onnx/model.onnx', 'm/original/consolidated.00.pth', 'm/.cache/download.json', 'm/.git/config'],
    ...['m/a/b/config.json', 'm/a/.hidden.json', 'm/original/model.safetensors'],
  ];
  const { files, paths, folder } = pickedFolder(filesAt([...wanted, ...others]));
  expect(paths).toEqual(wanted);
  expect(files.map(({ name }) => name)).toEqual(['config.json', 'model.safetensors', 'config.json', 't.jinja']);
  expect(folder).toBe('m');
});

test('an empty folder has no name to be known by', () => {
  expect(pickedFolder([])).toEqual({ files: [], paths: [], folder: null });
});
