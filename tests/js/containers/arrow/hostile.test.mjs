/** Files that are small, or valid by the letter, and would take any amount of memory or time. */
import { describe, expect, test } from '@jest/globals';
import { BytesSource, ReadAhead, openModel } from '../../support/internals.mjs';
import {
  batch,
  column,
  dictionary,
  dictionaryNumbered,
  file,
  kTypes,
  listColumn,
  listsIn,
  schemaBuffer,
  schemaOf,
  stream,
  textsIn,
  together,
} from './support/hand-made.mjs';

const kNames = column('layer_name', kTypes.utf8);
const kWeights = listColumn('weights', kTypes.f32);

const open = (bytes, signal) => openModel(new BytesSource(bytes), signal);
const refusal = (says) => ({ code: 'invalid_file', message: expect.stringMatching(says) });

/** A row of two weights for each name. */
const weightsFor = (names) => {
  const offsets = Array.from({ length: names + 1 }, (_, row) => row * 2);
  return listsIn(offsets, new Float32Array(names * 2));
};
const rowsNamed = (...names) => batch(names.length, together(textsIn(names), weightsFor(names.length)));

test('what is put together by hand is read', async () => {
  const schema = schemaOf([kNames, kWeights], [['key', 'value']]);
  for (const bytes of [file(schema, [rowsNamed('a', 'b')]), stream(schema, [rowsNamed('a'), rowsNamed('b')])]) {
    const { tensors, texts } = await open(bytes);
    expect(tensors).toMatchObject([
      { name: 'a', shape: [2], dtype: 'F32' },
      { name: 'b', shape: [2], dtype: 'F32' },
    ]);
    expect([...texts]).toEqual([['key', 'value']]);
  }
});

describe('the same text over and over', () => {
  const kBytes = 4 * 2 ** 20;
  /** Times that it is more than 256 MiB. */
  const kTimes = 65;

  /** All of them at the same place, each a byte shorter than the one before. */
  function overlapping() {
    const views = new DataView(new ArrayBuffer(kTimes * 16));
    for (let row = 0; row < kTimes; ++row) views.setInt32(row * 16, kBytes - row, true);
    return { nodes: [[kTimes, 0]], buffers: [null, views, new Uint8Array(kBytes).fill(97)], views: [1] };
  }

  test('as names', async () => {
    const schema = schemaOf([column('layer_name', kTypes.utf8View), kWeights]);
    const { views, ...names } = overlapping();
    const bytes = file(schema, [batch(kTimes, { ...together(names, weightsFor(kTimes)), views })]);
    await expect(open(bytes)).rejects.toMatchObject(refusal(/texts take more than 268435456 bytes/u));
  });

  test('as values of a dictionary', async () => {
    const names = column('layer_name', kTypes.utf8View, { dictionary: dictionaryNumbered(0) });
    const numbers = { nodes: [[1, 0]], buffers: [null, Int32Array.of(0)] };
    const messages = [dictionary(0, kTimes, overlapping()), batch(1, together(numbers, weightsFor(1)))];
    const bytes = file(schemaOf([names, kWeights]), messages);
    await expect(open(bytes)).rejects.toMatchObject(refusal(/texts take more than 268435456 bytes/u));
  });

  test('in the metadata', async () => {
    const bytes = stream(sharing(kTimes, 'x'.repeat(kBytes)), []);
    await expect(open(bytes)).rejects.toMatchObject(refusal(/texts take more than 268435456 bytes/u));
  });

  test('too many texts', async () => {
    const bytes = stream(sharing(2 ** 19 + 1, 'x'), []);
    await expect(open(bytes)).rejects.toMatchObject(refusal(/its metadata has more than 524288 texts/u));
  });

  /** A schema with so many pairs, which all lie at the same place. */
  function sharing(count, value) {
    const pairs = Array.from({ length: count }, (_, index) => (index < count - 1 ? [] : ['key', value]));
    const bytes = schemaBuffer(schemaOf([kNames, kWeights], pairs));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let vector = 0;
    while (view.getUint32(vector, true) !== count) vector += 4;
    const last = vector + count * 4;
    const target = last + view.getUint32(last, true);
    for (let slot = vector + 4; slot <= last; slot += 4) view.setUint32(slot, target - slot, true);
    return bytes;
  }
});

describe('a footer', () => {
  const schema = schemaOf([kNames, kWeights]);

  test('that lists the same batch twice', async () => {
    await expect(open(file(schema, [rowsNamed()], 2))).rejects.toMatchObject(
      refusal(/its footer lists record batches that overlap/u),
    );
  });

  test('that lists batches in another order than they lie in', async () => {
    const { tensors } = await open(file(schema, [rowsNamed('a'), rowsNamed('b')], 1, { backwards: true }));
    expect(tensors.map(({ name }) => name)).toEqual(['b', 'a']);
  });
});

test('dictionaries of more than a million values', async () => {
  const names = column('layer_name', kTypes.utf8, { dictionary: dictionaryNumbered(0) });
  const rows = 500_001;
  const values = { nodes: [[rows, 0]], buffers: [null, new Int32Array(rows + 1), null] };
  const numbers = { nodes: [[1, 0]], buffers: [null, Int32Array.of(0)] };
  const last = batch(1, together(numbers, weightsFor(1)));
  const messages = [dictionary(0, rows, values), dictionary(0, rows, { ...values, adds: true }), last];
  await expect(open(file(schemaOf([names, kWeights]), messages))).rejects.toMatchObject(
    refusal(/its dictionaries have more than 1000000 values/u),
  );
});

describe('reading ends when the signal fires:', () => {
  /** The event loop has its turn, or the signal could not fire. */
  async function expectEnd(bytes) {
    const controller = new AbortController();
    setTimeout(() => controller.abort());
    await expect(open(bytes, controller.signal)).rejects.toMatchObject({ code: 'aborted' });
  }
  const kMany = 20_000;
  const schema = schemaOf([kNames, kWeights]);

  test('many messages', () => expectEnd(stream(schema, Array(kMany).fill(rowsNamed()))));

  test('many rows', () => {
    const names = Array.from({ length: kMany }, (_, row) => String(row));
    return expectEnd(file(schema, [rowsNamed(...names)]));
  });

  test('much to look through for nulls', () => {
    const values = 2 ** 21;
    const names = textsIn(['a']);
    const numbers = {
      nodes: [
        [1, 0],
        [values, 1],
      ],
      buffers: [null, Int32Array.of(0, values), new Uint8Array(values / 8).fill(255), new Uint8Array(values)],
    };
    const bytes = file(schemaOf([kNames, listColumn('weights_i8', kTypes.i8)]), [batch(1, together(names, numbers))]);
    return expectEnd(bytes);
  });
});

test('lists that begin before the one in front of them ends, though that is null', async () => {
  const lists = {
    nodes: [
      [3, 1],
      [8, 0],
    ],
    buffers: [Uint8Array.of(0b101), Int32Array.of(0, 8, 0, 8), null, new Float32Array(8)],
  };
  const bytes = file(schemaOf([kNames, kWeights]), [batch(3, together(textsIn(['a', 'b', 'c']), lists))]);
  await expect(open(bytes)).rejects.toMatchObject(refusal(/its column "weights" is damaged/u));
});

test('the first null among values that lie in several pieces', async () => {
  const values = 2 ** 20;
  const validity = new Uint8Array(values / 8).fill(255);
  validity[validity.length - 1] = 0b1101_1111;
  const lists = {
    nodes: [
      [2, 0],
      [values, 1],
    ],
    buffers: [null, Int32Array.of(0, 5, values), validity, new Uint8Array(values)],
  };
  const contents = together(textsIn(['a', 'b']), lists);
  const bytes = file(schemaOf([kNames, listColumn('weights_i8', kTypes.i8)]), [batch(2, contents)]);
  await expect(open(bytes)).rejects.toMatchObject(
    refusal(new RegExp(String.raw`column "weights_i8", row 1 \("b"\): value ${values - 3 - 5} is null`, 'u')),
  );
});

test.each(['utf8', 'i32', 'f32'])('a column of %s that consists of another', async (type) => {
  const children = [column('item', kTypes.i8)];
  const name = type === 'utf8' ? 'layer_name' : 'other';
  const damaged = column(name, kTypes[type], { children });
  const schema = schemaOf([damaged, kWeights]);
  const child = { nodes: [[100_000, 0]], buffers: [null, null] };
  const names = { ...textsIn(['a']), buffers: [null, Int32Array.of(0, 5000), Buffer.from('a')] };
  const bytes = file(schema, [batch(1, together(names, child, weightsFor(1)))]);
  await expect(open(bytes)).rejects.toMatchObject(refusal(new RegExp(`its column "${name}" is damaged`, 'u')));
});

describe('a stream of small messages', () => {
  test('is read in large pieces', async () => {
    const names = Array.from({ length: 500 }, (_, index) => `layer ${index}`);
    const source = new BytesSource(
      stream(
        schemaOf([kNames, kWeights]),
        names.map((name) => rowsNamed(name)),
      ),
    );
    const read = source.read.bind(source);
    let reads = 0;
    source.read = (...about) => ((reads += 1), read(...about));
    expect((await openModel(source)).tensors).toHaveLength(names.length);
    expect(reads).toBeLessThan(20);
  });

  test('keeps of them what was asked for', async () => {
    const ahead = new ReadAhead(new BytesSource(new Uint8Array(300_000).map((_, at) => at)));
    for (const at of [0, 8, 65_530, 65_540, 299_990]) {
      const bytes = await ahead.read(at, 10);
      expect([bytes[0], bytes.length, bytes.buffer.byteLength]).toEqual([at % 256, 10, 10]);
    }
  });
});

describe('beside the columns that are read', () => {
  const kData = column('quantized_data', kTypes.binary);
  const levels = { nodes: [[1, 0]], buffers: [null, Int32Array.of(0, 2), Uint8Array.of(1, 2)] };
  const one = (array) => ({ nodes: [[1, 0]], buffers: [null, array] });
  const kQuantized = [
    [kNames, textsIn(['a'])],
    [kData, levels],
    [listColumn('scales', kTypes.f32), listsIn([0, 1], Float32Array.of(1))],
    [listColumn('zero_points', kTypes.u8), listsIn([0, 1], Uint8Array.of(0))],
    [listColumn('shape', kTypes.i32), listsIn([0, 1], Int32Array.of(2))],
    [column('bit_width', kTypes.u8), one(Uint8Array.of(8))],
  ];
  const tableOf = (columns) =>
    file(schemaOf(columns.map(([one]) => one)), [batch(1, together(...columns.map(([, contents]) => contents)))]);

  test.each([
    ['lists with nulls', [listColumn('history', kTypes.f32), withNull()]],
    [
      'texts that are none',
      [column('prompt', kTypes.utf8), { ...levels, buffers: [...levels.buffers.slice(0, 2), Uint8Array.of(255, 255)] }],
    ],
    ['floats named as weights are not', [listColumn('weights_f64', kTypes.f32), withNull()], true],
    ['two columns of one name', [column('x', kTypes.u8), one(Uint8Array.of(1))], false, true],
  ])('%s do no harm', async (_, extra, hasWeights = false, isTwice = false) => {
    const rows = hasWeights ? [kQuantized[0], [kWeights, weightsFor(1)]] : kQuantized;
    const bytes = tableOf([extra, ...(isTwice ? [extra] : []), ...rows]);
    expect((await open(bytes)).tensors).toMatchObject([{ name: 'a', shape: [2] }]);
  });

  test('two kinds of weights in a row are refused', async () => {
    const numbers = [listColumn('weights_i8', kTypes.i8), listsIn([0, 2], Uint8Array.of(1, 2))];
    const bytes = tableOf([kQuantized[0], [kWeights, weightsFor(1)], numbers]);
    await expect(open(bytes)).rejects.toMatchObject(
      refusal(/column "weights_i8", row 0 \("a"\): the row has something in "weights", too/u),
    );
  });

  function withNull() {
    const { nodes, buffers } = listsIn([0, 2], Float32Array.of(1, 2));
    return { nodes: [nodes[0], [2, 1]], buffers: [...buffers.slice(0, 2), Uint8Array.of(1), buffers[3]] };
  }
});
