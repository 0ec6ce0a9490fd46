import { describe, expect, test } from '@jest/globals';
import {
  affineCodec,
  codecNamed,
  containerNamed,
  layoutNamed,
  nodeFiles,
  openFiles,
  tensorsOf,
} from '../support/internals.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { coded, contentsOf, copied, filesOf } from '../support/models/laid-out.mjs';
import { readModel } from '../support/models/safetensors.mjs';

const folder = useFolder();
const safetensors = containerNamed('safetensors');
const planes = layoutNamed('planes');
const int4 = affineCodec(4, 128, false);

const kTensors = [
  coded('b.weight', [64, 64], int4),
  coded('ä.weight', [32, 64], int4),
  copied('mask', [7], { name: 'BOOL' }, 7),
  coded('norm', [600], codecNamed('F32'), 'F32'),
  coded('a.weight', [128, 64], int4, 'BF16'),
];

const split = (change = {}) => {
  const contents = contentsOf(planes, kTensors, { texts: new Map([['format', 'pt']]), splitBytes: 5200, ...change });
  return { contents, layout: safetensors.layOut(contents), files: filesOf(contents, safetensors.layOut(contents)) };
};

const open = async (path) => {
  const files = await openFiles(await nodeFiles.openSource(path));
  await files.close();
  return files;
};

describe('a safetensors that is split', () => {
  test('has shards of whole tensors in their order, and an index as the library transformers writes it', () => {
    const { layout, files } = split();
    expect(layout.files.map(({ name }) => name)).toEqual([
      'out-00001-of-00003.safetensors',
      'out-00002-of-00003.safetensors',
      'out-00003-of-00003.safetensors',
      'out.safetensors.index.json',
    ]);
    expect(layout.places.map((places) => [...new Set(places.map(({ file }) => file))])).toEqual([
      [0],
      [0],
      [0],
      [1],
      [2],
    ]);
    expect(files['out.safetensors.index.json'].toString('latin1')).toBe(`{
  "metadata": {
    "total_size": ${2048 + 160 + 1024 + 80 + 7 + 2400 + 4096 + 320}
  },
  "weight_map": {
    "a.weight": "out-00003-of-00003.safetensors",
    "a.weight.scales": "out-00003-of-00003.safetensors",
    "a.weight.zero_points": "out-00003-of-00003.safetensors",
    "b.weight": "out-00001-of-00003.safetensors",
    "b.weight.scales": "out-00001-of-00003.safetensors",
    "b.weight.zero_points": "out-00001-of-00003.safetensors",
    "mask": "out-00001-of-00003.safetensors",
    "norm": "out-00002-of-00003.safetensors",
    "\\u00e4.weight": "out-00001-of-00003.safetensors",
    "\\u00e4.weight.scales": "out-00001-of-00003.safetensors",
    "\\u00e4.weight.zero_points": "out-00001-of-00003.safetensors"
  }
}
`);
  });

  test('sorts the names in its index as Python does: characters of two units come last', () => {
    const names = ['\ufffd', '\u{1f600}', 'z', '\u{1f600}b', '\u{1f601}', '\ufffda', '\x7f'];
    const tensors = names.map((name) => coded(name, [600], codecNamed('F32')));
    const { files } = safetensors.layOut(contentsOf(planes, tensors, { splitBytes: 3000 }));
    const text = new TextDecoder().decode(files.at(-1).header);
    const sorted = ['z', '\x7f', '\ufffd', '\ufffda', '\u{1f600}', '\u{1f600}b', '\u{1f601}'];
    expect(Object.keys(JSON.parse(text).weight_map)).toEqual(sorted);
    expect(text).toContain('"\\ud83d\\ude00b": ');
    expect(text).toContain('"\\u007f": ');
  });

  test('has no larger shards than were asked for, unless by a single tensor', () => {
    for (let splitBytes = 1000; splitBytes < 12_000; splitBytes += 97) {
      const { layout } = split({ splitBytes });
      layout.files.forEach(({ name, fileBytes, header }, file) => {
        const groups = layout.places.filter(([place]) => place.file === file).length;
        if (name.endsWith('.json')) expect(fileBytes).toBe(header.length);
        else expect(fileBytes <= splitBytes || groups === 1 || layout.files.length === 1).toBe(true);
        if (layout.files.length === 1) expect(fileBytes).toBeLessThanOrEqual(splitBytes);
      });
    }
  });

  test('is one file without an index where all fits', () => {
    const whole = split({ splitBytes: undefined }).layout.files;
    expect(whole.map(({ name }) => name)).toEqual(['out.safetensors']);
    const { fileBytes } = whole[0];
    expect(split({ splitBytes: fileBytes }).layout.files).toEqual(whole);
    expect(split({ splitBytes: fileBytes - 1 }).layout.files.length).toBeGreaterThan(2);
  });

  test('opens again through its index and through a shard, with everything in it', async () => {
    const { files } = split();
    for (const [name, bytes] of Object.entries(files)) folder.write(name, bytes);
    for (const name of ['out.safetensors.index.json', 'out-00002-of-00003.safetensors']) {
      const opened = await open(folder.path(name));
      const tensors = tensorsOf(opened);
      expect(tensors.map((tensor) => [tensor.name, tensor.dtype, tensor.shape]).sort()).toEqual(
        kTensors.map(({ name: tensor, dtype, shape }) => [tensor, dtype, shape]).sort(),
      );
      expect(tensors.find((tensor) => tensor.name === 'a.weight').codec).toEqual(int4);
    }
  });

  test('has shards that are each a whole file, with the texts of the model and about its own tensors', async () => {
    const { files } = split();
    const alone = folder.write('alone.safetensors', files['out-00001-of-00003.safetensors']);
    const opened = await open(alone);
    expect(opened.texts.get('format')).toBe('pt');
    expect(Object.keys(JSON.parse(opened.texts.get('arrowquant')).tensors)).toEqual(['b.weight', 'ä.weight']);
    expect(
      tensorsOf(opened)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['b.weight', 'mask', 'ä.weight']);
    expect(readModel(files['out-00002-of-00003.safetensors']).metadata).toEqual({ format: 'pt' });
  });

  test('has names in its index without the folder that it lies in', () => {
    const { layout, files } = split({ file: 'folder/Model.SafeTensors' });
    expect(layout.files[0].name).toBe('folder/Model-00001-of-00003.safetensors');
    const index = JSON.parse(files['folder/Model.safetensors.index.json'].toString());
    expect(index.weight_map.norm).toBe('Model-00002-of-00003.safetensors');
  });

  test('is refused where there would be more files than can be opened again, and with a name twice', () => {
    const many = Array.from({ length: 501 }, (_, index) => coded(`t${index}`, [1], codecNamed('F32')));
    expect(() => safetensors.layOut(contentsOf(planes, many, { splitBytes: 1 }))).toThrow(
      expect.objectContaining({
        code: 'invalid_option',
        message: expect.stringContaining('501 files, the limit is 500'),
      }),
    );
    const twice = [coded('x', [128], int4), coded('x.scales', [1], codecNamed('F32'))];
    expect(() => safetensors.layOut(contentsOf(planes, twice, { splitBytes: 1 }))).toThrow(
      expect.objectContaining({ code: 'duplicate_layer', layer: 'x.scales' }),
    );
  });

  test('may be written in order: the tensors of each shard lie together', () => {
    const { layout, contents } = split({ inOrder: true });
    contents.groups.forEach(({ entries }, group) => {
      entries.slice(1).forEach((_, plane) => {
        const [before, after] = layout.places[group].slice(plane);
        expect(after.position).toBe(before.position + entries[plane].bytes);
      });
    });
  });
});
