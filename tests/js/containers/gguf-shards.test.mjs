import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openGgufShards } from '../support/internals.mjs';
import { openGgmlReader } from '../support/models/ggml-gguf.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { filesOf, kPairs, kTensors, layout } from '../support/models/gguf-layout.mjs';
import { ggufFile, ggufTensor, memorySource, parseGguf } from '../support/models/gguf.mjs';
import { useServedShards } from '../support/models/served-shards.mjs';

const folder = useFolder();
const serve = useServedShards();

describe('shards', () => {
  const kLimit = 1024;
  const split = (change) => layout({ splitBytes: kLimit, file: 'folder/Model.gguf', ...change });
  const byBaseName = (files) =>
    Object.fromEntries(Object.entries(files).map(([name, file]) => [path.basename(name), file]));

  test('are named, numbered and filled as gguf-split does it', () => {
    const { files, places } = split();
    expect(files.map(({ name }) => name)).toEqual([
      'folder/Model-00001-of-00003.gguf',
      'folder/Model-00002-of-00003.gguf',
      'folder/Model-00003-of-00003.gguf',
    ]);
    const parsed = Object.values(filesOf({ files, places })).map(parseGguf);
    parsed.forEach(({ pairs }, index) => {
      expect(pairs.get('split.no')).toEqual({ type: 'u16', value: index });
      expect(pairs.get('split.count')).toEqual({ type: 'u16', value: 3 });
      expect(pairs.get('split.tensors.count')).toEqual({ type: 'i32', value: 6 });
      expect(pairs.size).toBe(index === 0 ? kPairs.length + 3 : 3);
    });
    expect(parsed.flatMap(({ tensors }) => tensors.map(({ name }) => name))).toEqual(kTensors.map(({ name }) => name));
    const values = parsed.flatMap(({ tensors }) => tensors.map(({ bytes }) => [...new Set(bytes)]));
    expect(values).toEqual([[1], [2], [3], [4], [], [6]]);
  });

  const readWithGgml = openGgmlReader();
  if (readWithGgml !== null)
    test("are each what ggml's own reader reads", () => {
      for (const alignment of [32, 256]) {
        const { files, places } = split({ alignment });
        const found = Object.values(filesOf({ files, places })).map((file) =>
          readWithGgml(folder.write('m.gguf', file)),
        );
        const theirs = found.flatMap(({ tensors }, file) =>
          tensors.map(({ begin, bytes }) => ({ file, offset: begin, bytes })),
        );
        expect(theirs).toEqual(places);
      }
    });

  test('are no larger than asked for, unless by a single tensor', () => {
    const { files, places } = split();
    for (const [index, { fileBytes }] of files.entries()) {
      expect(fileBytes <= kLimit || places.filter(({ file }) => file === index).length === 1).toBe(true);
    }
    const whole = layout().files[0].fileBytes;
    expect(layout({ splitBytes: whole + 200 }).files.map(({ name }) => name)).toEqual(['out.gguf']);
    expect(layout({ splitBytes: whole - 64 }).files).toHaveLength(2);
  });

  test.each([0, 1, 2])('are opened together, whichever is given: %i', async (given) => {
    const files = byBaseName(filesOf(split()));
    const name = Object.keys(files)[given];
    const openShard = await serve(files);
    const model = await openGgufShards(await openShard(name));
    expect(model.sources.map((one) => path.basename(one.name))).toEqual(Object.keys(files));
    expect(model.keyValues).toEqual(kPairs);
    expect(model.tensors.map((tensor) => tensor.name)).toEqual(kTensors.map((tensor) => tensor.name));
    expect(model.tensors.map(({ range }) => path.basename(range.source.name))).toEqual(
      split().places.map(({ file }) => Object.keys(files)[file]),
    );
  });

  test('are opened together over HTTP under a name that needs percent-encoding', async () => {
    const files = byBaseName(filesOf(split({ file: 'folder/Model #1 100%41 ü.gguf' })));
    const [name] = Object.keys(files);
    const openShard = await serve(files);
    const model = await openGgufShards(await openShard(name));
    expect(model.tensors.map((tensor) => tensor.name)).toEqual(kTensors.map((tensor) => tensor.name));
  });

  test('each have the alignment when it is not the usual one', async () => {
    const files = byBaseName(filesOf(split({ alignment: 256 })));
    const [name] = Object.keys(files);
    const openShard = await serve(files);
    const model = await openGgufShards(await openShard(name));
    expect(model.files.map(({ alignment }) => alignment)).toEqual(model.files.map(() => 256));
  });

  test('lose their numbers when they become one file', async () => {
    const files = byBaseName(filesOf(split()));
    const [name] = Object.keys(files);
    const openShard = await serve(files);
    const { keyValues } = (await openGgufShards(await openShard(name))).files[0];
    expect([...parseGguf(filesOf(layout({ keyValues }))['out.gguf']).pairs.keys()]).toEqual(
      kPairs.map(({ key }) => key),
    );
  });

  test('a single file is a model too, also one that was merged from shards', async () => {
    const file = ggufFile({
      pairs: [
        ['split.count', 'u16', 0],
        ['k', 'u8', 1],
      ],
      tensors: [ggufTensor('t', [4], 0)],
    });
    const model = await openGgufShards(memorySource(file));
    expect(model.sources).toHaveLength(1);
    expect(model.keyValues.map(({ key }) => key)).toEqual(['k']);
  });

  describe('are refused', () => {
    const shard = (no, count, names, { total = 2, pairs = [] } = {}) =>
      ggufFile({
        pairs: [
          ...pairs,
          ['split.no', 'u16', no],
          ['split.count', 'u16', count],
          ['split.tensors.count', 'i32', total],
        ],
        tensors: names.map((name) => ggufTensor(name, [4], 0)),
      });
    const [kFirst, kSecond] = ['m-00001-of-00002.gguf', 'm-00002-of-00002.gguf'];
    const served = (name) => expect.stringMatching(new RegExp(`/folder/${name}$`));

    test.each([
      ['a missing one', { [kFirst]: shard(0, 2, ['a']) }, { code: 'missing_shard' }],
      [
        'a tensor in two',
        { [kFirst]: shard(0, 2, ['a']), [kSecond]: shard(1, 2, ['a']) },
        {
          code: 'invalid_file',
          file: served(kSecond),
          layer: 'a',
          message: expect.stringContaining('in another shard too'),
        },
      ],
      [
        'a tensor too few',
        { [kFirst]: shard(0, 2, ['a']), [kSecond]: shard(1, 2, []) },
        {
          code: 'invalid_file',
          file: served(kFirst),
          message: expect.stringContaining('announces 2 tensors in all shards, but they have 1'),
        },
      ],
      [
        'a wrong number',
        { [kFirst]: shard(0, 2, ['a']), [kSecond]: shard(0, 2, ['b']) },
        {
          code: 'invalid_file',
          file: served(kSecond),
          message: expect.stringContaining('says that it is shard 1 of 2, not 2 of 2'),
        },
      ],
      [
        'a wrong count',
        { [kFirst]: shard(0, 2, ['a']), [kSecond]: shard(1, 3, ['b']) },
        { code: 'invalid_file', file: served(kSecond), message: expect.stringContaining('shard 2 of 3, not 2 of 2') },
      ],
      [
        'damage in another',
        { [kFirst]: shard(0, 2, ['a']), [kSecond]: shard(1, 2, ['b']).subarray(0, 100) },
        { code: 'invalid_file', file: served(kSecond) },
      ],
      [
        'a wrong name',
        { 'model.gguf': shard(0, 2, ['a']) },
        {
          code: 'invalid_file',
          file: served('model.gguf'),
          message: expect.stringContaining('its name must end with -00001-of-00002.gguf'),
        },
      ],
      [
        "another one's name",
        { [kSecond]: shard(0, 2, ['a']) },
        { code: 'invalid_file', file: served(kSecond), message: expect.stringContaining('its name must end with') },
      ],
      [
        'a number beyond the count',
        { [kFirst]: shard(5, 2, ['a']) },
        { code: 'invalid_file', message: expect.stringContaining('its name must end with -00006-of-00002.gguf') },
      ],
      [
        '60,000 of them',
        { [kFirst]: shard(0, 60_000, ['a']) },
        { code: 'invalid_file', message: expect.stringContaining('60000 shards are over the limit of 500') },
      ],
      [
        'a count that is a text',
        { [kFirst]: ggufFile({ pairs: [['split.count', 'string', '2']] }) },
        { code: 'invalid_file', message: expect.stringContaining('"split.count" is no count') },
      ],
    ])('for %s, and closed again', async (_, files, expected) => {
      const [name] = Object.keys(files);
      const openShard = await serve(files);
      const source = await openShard(name);
      await expect(openGgufShards(source)).rejects.toMatchObject(expected);
      expect([...source.open]).toEqual([source]);
    });
  });
});
