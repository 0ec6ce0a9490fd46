import { File } from 'node:buffer';
import { mkdirSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { inspectFile, nodeFiles } from '../support/internals.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile, rawFile } from '../support/models/safetensors.mjs';

const folder = useFolder();
const kShard = modelFile([float32Tensor('a.weight', [4, 8])]);
const indexOf = (file) => JSON.stringify({ metadata: {}, weight_map: { 'a.weight': file } });
const tensorsOf = async (source) => (await inspectFile(nodeFiles, source)).tensors.map(({ name }) => name);

test.each(['./a.safetensors', 'sub/a.safetensors', './sub//./a.safetensors'])(
  'a shard at %s is found',
  async (path) => {
    mkdirSync(folder.path('sub'));
    folder.write(path, kShard);
    expect(await tensorsOf(folder.write('m.safetensors.index.json', indexOf(path)))).toEqual(['a.weight']);
  },
);

/** As a page gets it of a folder that was chosen. */
function chosen(path, contents) {
  const file = new File([contents], path.split('/').at(-1));
  Object.defineProperty(file, 'webkitRelativePath', { value: path });
  return file;
}

test('of the files of a folder that was chosen, the one in the right folder is taken', async () => {
  const other = modelFile([float32Tensor('b.weight', [4, 8])]);
  const files = [
    chosen('top/vae/a.safetensors', other),
    chosen('top/unet/m.safetensors.index.json', indexOf('./parts/a.safetensors')),
    chosen('top/a.safetensors', other),
    chosen('top/unet/parts/a.safetensors', kShard),
  ];
  expect(await tensorsOf(files)).toEqual(['a.weight']);
});

test('files that were chosen one by one are found without their folders', async () => {
  const files = [
    new File([indexOf('sub/a.safetensors')], 'm.safetensors.index.json'),
    new File([kShard], 'a.safetensors'),
  ];
  expect(await tensorsOf(files)).toEqual(['a.weight']);
});

test.each([
  ['a byte order mark', '\ufeff'],
  ['empty lines', '\r\n\t '],
  ['both', '\ufeff\n'],
])('an index may begin with %s', async (_, before) => {
  folder.write('a.safetensors', kShard);
  const index = folder.write('m.safetensors.index.json', before + indexOf('a.safetensors'));
  expect(await tensorsOf(index)).toEqual(['a.weight']);
});

test('a header may have metadata that is null', async () => {
  const header = '{"__metadata__":null,"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
  const { metadata, tensors } = await inspectFile(nodeFiles, folder.write('m.safetensors', rawFile(header, [7])));
  expect([metadata, tensors.length]).toEqual([{}, 1]);
});
