import { describe, expect, test } from '@jest/globals';
import { inspectFile, nodeFiles } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { call, global, persistent, pickle, raw, tuple } from '../../support/models/pickle.mjs';
import { float32Tensor } from '../../support/models/safetensors.mjs';
import { Checkpoint, torchFile } from '../../support/models/torch.mjs';
import { zip } from '../../support/models/zip.mjs';
import { randomSource } from '../../support/weights.mjs';

const folder = useFolder();

const kTensor = float32Tensor('a.weight', [4, 8]);
const kFile = torchFile([kTensor, float32Tensor('b.weight', [16])]);

/** What is wrong with a checkpoint; null when nothing is. */
async function refusal(contents) {
  const file = folder.write('m.ckpt', contents);
  try {
    await inspectFile(nodeFiles, file);
    return null;
  } catch (error) {
    expect(error).toMatchObject({ name: 'QuantizeError', code: 'invalid_file', file });
    return error;
  }
}

const says = async (contents) => (await refusal(contents))?.detail ?? null;
const checkpoint = (value, options) => new Checkpoint().save(value, options);
/** A checkpoint with a pickle of these bytes. */
const pickled = (...parts) => new Checkpoint().save(null, { data: raw(...parts).bytes });
const proto = [0x80, 2];

describe('nothing of a checkpoint is run', () => {
  test.each([
    ['os', 'system'],
    ['posix', 'system'],
    ['builtins', 'eval'],
    ['__builtin__', 'exec'],
    ['subprocess', 'Popen'],
    ['torch.nn.modules.linear', 'Linear'],
    ['torch', 'load'],
    ['torch', '__proto__'],
    ['torch', 'constructor'],
    ['torch._utils', '_rebuild_sparse_tensor'],
    ['torch._utils', '_rebuild_qtensor'],
    ['torch', 'QInt8Storage'],
    ['omegaconf.dictconfig', 'DictConfig'],
  ])('%s.%s is refused by its name', async (module, name) => {
    for (const protocol of [2, 4]) {
      const value = new Map([['x', call(global(module, name), [`touch ${folder.path('ran')}`])]]);
      const detail = await says(checkpoint(value, { protocol }));
      expect(detail).toContain(`it has "${module}.${name}" in it, which is no part of a state dict`);
      expect(detail).toMatch(/; load it in the program that made it, and save its state dict as safetensors$/);
    }
    expect(folder.list()).toEqual(['m.ckpt']);
  });

  test.each([
    ['a text', 'system', /calls what is no function/],
    ['a class of storages', global('torch', 'FloatStorage'), /calls "torch\.FloatStorage"/],
    ['a type', global('torch', 'float32'), /calls "torch\.float32"/],
  ])('to call %s is refused', async (_, callee, fault) => {
    expect(await says(checkpoint(new Map([['x', call(callee, ['x'])]])))).toMatch(fault);
  });

  test.each([
    ['INST', 'i'],
    ['OBJ', 'o'],
    ['PERSID', 'P'],
    ['EXT1', 0x82],
    ['NEWOBJ_EX', 0x92],
    ['NEXT_BUFFER', 0x97],
  ])('the operation %s is refused', async (_, code) => {
    expect(await says(pickled(proto, '(', [].concat(code), '.'))).toMatch(/has the operation 0x/);
  });
});

describe('a pickle', () => {
  const many = (part, count) => Buffer.alloc(count, part);
  test.each([
    ['without an end', [proto, '}'], /it ends early/],
    ['of nothing', [], /it ends early/],
    ['of a later protocol', [[0x80, 6], '}.'], /unknown pickle protocol 6/],
    ['that takes from an empty stack', [proto, 's.'], /takes more than it has made/],
    ['that takes over a mark', [proto, '}(N0s.'], /takes more than it has made/],
    ['that takes up to a mark that is not there', [proto, '}u.'], /takes more than it has made/],
    ['that refers to nothing', [proto, 'h', [7], '.'], /refers to what it has not made/],
    ['of a text that is longer than the file', [proto, 'X', [255, 255, 255, 255], 'x.'], /it ends early/],
    ['of a text of 2^63 bytes', [[0x80, 4], [0x8d, 0, 0, 0, 0, 0, 0, 0, 128], 'x.'], /it ends early/],
    ['of bytes of 2^64 bytes', [[0x80, 4], [0x8e, ...many(255, 8)], 'x.'], /it ends early/],
    ['of an integer of 4 GB', [proto, [0x8b, 255, 255, 255, 255], '.'], /it ends early/],
    ['of a name without end', [proto, 'c', 'x'.repeat(5000)], /a name of more than 1000 bytes/],
    ['of a name that is cut off', [proto, 'cos'], /it ends early/],
    ['of a name that is a number', [[0x80, 4], 'K', [1], 'K', [2], [0x93], '.'], /name that is no text/],
    ['of a key without a value', [proto, '}(Nu.'], /adds to a dict that is none/],
    ['that adds to a number', [proto, 'K', [1], '(NNu.'], /adds to a dict that is none/],
    ['that adds to a tuple', [proto, ')Na.'], /adds to a list that is none/],
    ['that changes a number', [proto, 'K', [1], '}b.'], /changes what cannot be changed/],
    ['that calls with a list', [proto, 'ctorch\nSize\n]R.'], /calls something with what is no tuple/],
    ['of a million marks and more', [proto, many('(', 2 ** 20 + 1)], /nested too deep/],
    ['of a million values and more', [proto, many('N', 2 ** 20 + 1)], /nested too deep/],
    ['of two million objects and more', [proto, many(']0', 2 ** 22 + 2)], /more than 2097152 objects/],
    ['of a memo of millions', [proto, 'N', many(0x94, 2 ** 21 + 1)], /more than 2097152 objects/],
    ['of too many bytes', [many('N', 2 ** 25 + 1)], /33554433 bytes are over the limit of 33554432/],
  ])('%s is refused', async (_, parts, fault) => {
    expect(await says(pickled(...parts))).toMatch(fault);
  });

  test('that nests a hundred thousand lists is no depth for anybody', async () => {
    const nested = [proto, '}', 'X', [1, 0, 0, 0], 'x', ']'.repeat(100_000), 'a'.repeat(99_999), 's.'];
    expect(await says(pickled(...nested))).toMatch(/checkpoint without tensors/);
  });

  test.each([
    ['a list', [1, 2]],
    ['a tensor', new Checkpoint().tensor(kTensor)],
    ['a text', 'weights'],
    ['nothing', null],
  ])('of %s has no state dict', async (_, value) => {
    expect(await says(checkpoint(value))).toMatch(/something else than a dict of tensors|no entry/);
  });
});

describe('a state dict', () => {
  /** With a tensor `tensor` of it, put into a dict by `wrap`. */
  const withTensor = (wrap) => {
    const made = new Checkpoint();
    return made.save(wrap(made.tensor(kTensor)));
  };

  test('that has itself in it is refused', async () => {
    const dict = new Map([['a', 1]]);
    dict.set('b', dict);
    expect(await says(checkpoint(dict))).toMatch(/nested more than 16 deep/);
  });

  test('that has itself as its model is refused', async () => {
    const dict = new Map();
    dict.set('model', dict);
    expect(await says(checkpoint(dict))).toMatch(/nested more than 16 deep/);
  });

  test('that doubles with every dict in it is refused', async () => {
    let dict = new Map([['x', 1]]);
    for (let depth = 0; depth < 15; ++depth) {
      dict = new Map(Array.from({ length: 8 }, (_, index) => [String(index), dict]));
    }
    expect(await says(checkpoint(dict))).toMatch(/more entries, or longer names, than any model/);
  });

  test.each([
    [
      'twice',
      (tensor) =>
        new Map([
          ['a.b', tensor],
          ['a', new Map([['b', tensor]])],
        ]),
      /tensor "a\.b" is there twice/,
    ],
    [
      'in a list',
      (tensor) =>
        new Map([
          ['a', [1, tensor]],
          ['b', tensor],
        ]),
      /"a" is a list of tensors/,
    ],
    [
      'under a number',
      (tensor) =>
        new Map([
          [3, tensor],
          ['b', tensor],
        ]),
      /has a key that is no text/,
    ],
    ['under what is no UTF-8', (tensor) => new Map([[raw('X', [1, 0, 0, 0, 255]), tensor]]), /is no UTF-8/],
  ])('with a tensor %s is refused', async (_, wrap, fault) => {
    expect(await says(withTensor(wrap))).toMatch(fault);
  });

  test('of a million tensors in one small storage is refused', async () => {
    const made = new Checkpoint();
    const key = made.storage({ dtype: 'F32', bytes: Buffer.alloc(4 * 65536) });
    const tensor = made.tensor({ dtype: 'F32', shape: [65536] }, { key });
    const value = new Map(Array.from({ length: 200 }, (_, index) => [`w${index}`, tensor]));
    expect(await says(made.save(value))).toMatch(/take 52428800 bytes, over 64 times as many as the file has/);
  });
});

describe('a tensor', () => {
  const rebuild = (args, name = '_rebuild_tensor_v2') => call(global('torch._utils', name), args);
  const storage = (...id) => persistent(tuple(...id));
  const floats = global('torch', 'FloatStorage');
  const right = storage('storage', floats, '0', 'cpu', 32);
  const file = (value) => {
    const made = new Checkpoint();
    made.storage(kTensor);
    return made.save(new Map([['a', value]]));
  };

  test.each([
    ['beyond its storage', [right, 1, tuple(4, 8), tuple(8, 1)], /"a" reaches beyond its storage/],
    ['with an offset of 2^62', [right, 2 ** 62, tuple(4, 8), tuple(8, 1)], /not described as one/],
    ['with a negative offset', [right, -1, tuple(4, 8), tuple(8, 1)], /not described as one/],
    ['with a negative size', [right, 0, tuple(-4, -8), tuple(8, 1)], /without a valid shape/],
    ['of a fraction', [right, 0, tuple(0.5), tuple(1)], /without a valid shape/],
    ['of too many elements', [right, 0, tuple(2 ** 40, 2 ** 40), tuple(1, 1)], /has no valid shape/],
    ['of too many dimensions', [right, 0, tuple(...Array(65).fill(1)), tuple(...Array(65).fill(1))], /valid shape/],
    ['with fewer strides', [right, 0, tuple(4, 8), tuple(1)], /without a valid shape/],
    [
      'that is transposed',
      [right, 0, tuple(8, 4), tuple(1, 8)],
      /"a" is a view with the strides \[1, 8\]; make it contig/,
    ],
    ['that is spread', [right, 0, tuple(4, 8), tuple(0, 1)], /a view with the strides \[0, 1\]/],
    ['of every other element', [right, 0, tuple(16), tuple(2)], /a view with the strides \[2\]/],
    ['without a storage', [floats, 0, tuple(4, 8), tuple(8, 1)], /not described as one/],
    [
      'in no storage that is there',
      [storage('storage', floats, '7', 'cpu', 32), 0, tuple(1), tuple(1)],
      /no entry "archive\/data\/7"/,
    ],
    ['in a file above', [storage('storage', floats, '../0', 'cpu', 32), 0, tuple(1), tuple(1)], /no entry/],
    [
      'in a storage of another size',
      [storage('storage', floats, '0', 'cpu', 31), 0, tuple(1), tuple(1)],
      /has 128 bytes instead of 124/,
    ],
    [
      'in a storage of another type',
      [storage('storage', global('torch', 'HalfStorage'), '0', 'cpu', 32), 0, tuple(1), tuple(1)],
      /has 128 bytes instead of 64/,
    ],
    [
      'in what is no storage',
      [storage('module', floats, '0', 'cpu', 32), 0, tuple(1), tuple(1)],
      /storage that is not described/,
    ],
    [
      'in a storage of an unknown class',
      [storage('storage', 'FloatStorage', '0', 'cpu', 32), 0, tuple(1), tuple(1)],
      /not described/,
    ],
    [
      'in a view of a storage',
      [storage('storage', floats, '0', 'cpu', 32, tuple('1', 0, 4)), 0, tuple(1), tuple(1)],
      /not described/,
    ],
  ])('%s is refused', async (_, args, fault) => {
    expect(await says(file(rebuild(args)))).toMatch(fault);
  });

  test('whose storage is described in two ways is refused', async () => {
    const other = rebuild([storage('storage', floats, '0', 'cpu', 16), 0, tuple(1), tuple(1)]);
    const value = [rebuild([right, 0, tuple(1), tuple(1)]), other];
    expect(await says(file(value))).toMatch(/storage "0" is described in two ways/);
  });

  test.each([
    ['a parameter of a number', rebuild([7, true, null], '_rebuild_parameter'), /parameter that is no tensor/],
    [
      'a type that is none',
      rebuild([right, 0, tuple(1), tuple(1), false, null, 'float8'], '_rebuild_tensor_v3'),
      /not described/,
    ],
    [
      'an own class',
      call(global('torch._tensor', '_rebuild_from_type_v2'), [
        global('torch._utils', '_rebuild_tensor_v2'),
        'Mine',
        tuple(),
        null,
      ]),
      /unknown class/,
    ],
    [
      'a class of a class',
      call(global('torch._tensor', '_rebuild_from_type_v2'), [
        global('torch._tensor', '_rebuild_from_type_v2'),
        global('torch', 'Tensor'),
        tuple(),
        null,
      ]),
      /unknown class/,
    ],
  ])('of %s is refused', async (_, value, fault) => {
    expect(await says(file(value))).toMatch(fault);
  });
});

describe('an archive', () => {
  const kEntries = [
    { name: 'a/data.pkl', bytes: pickle(new Checkpoint().tensor(kTensor)) },
    { name: 'a/data/0', bytes: kTensor.bytes },
  ];
  const changed = (name, change) =>
    torchFile([kTensor], { change: (one) => (one.name === `archive/${name}` ? { ...one, ...change(one) } : one) });

  test.each([
    ['with a compressed pickle', zip([{ ...kEntries[0], method: 8 }, kEntries[1]]), /"a\/data\.pkl" is compressed/],
    ['with a compressed storage', changed('data/0', () => ({ method: 8 })), /"archive\/data\/0" is compressed/],
    ['that is encrypted', changed('data/0', () => ({ flags: 9 })), /"archive\/data\/0" is encrypted/],
    ['with an entry in two sizes', changed('data/0', ({ bytes }) => ({ packed: bytes - 1 })), /is compressed/],
    ['with the same entry twice', zip([...kEntries, kEntries[1]]), /has two entries "a\/data\/0"/],
    ['with an entry over another', changed('data/0', () => ({ header: 0 })), /reaches into what follows/],
    ['with an entry outside', changed('data/0', () => ({ header: 2 ** 31 })), /reaches into what follows/],
    ['with an entry that is too long', changed('version', ({ bytes }) => ({ bytes: bytes + 10_000 })), /reaches into/],
    ['without a pickle', zip([kEntries[1]]), /with no PyTorch checkpoint/],
    ['without a byte order that is known', torchFile([kTensor], { byteOrder: 'middle' }), /byte order is "middle"/],
    [
      'of another byte order',
      torchFile([kTensor], { byteOrder: 'big' }),
      /byte order is "big", only "little" can be read/,
    ],
    ['with a long byte order', torchFile([kTensor], { byteOrder: 'x'.repeat(5000) }), /byte order is ""/],
    [
      'of a program',
      torchFile([kTensor], { more: [{ name: 'code/x.py', bytes: Buffer.from('') }] }),
      /TorchScript program/,
    ],
    [
      'of a frozen program',
      torchFile([kTensor], { more: [{ name: 'constants.pkl', bytes: Buffer.from('') }] }),
      /TorchScript/,
    ],
  ])('%s is refused', async (_, contents, fault) => {
    expect(await says(contents)).toMatch(fault);
  });

  test('with names that lead elsewhere is read as any other: nothing is unpacked', async () => {
    expect(await refusal(torchFile([kTensor], { folder: '../../etc' }))).toBeNull();
  });

  test.each([
    ['more entries than there are', 10, [255, 255]],
    ['a directory beyond its end', 16, [255, 255, 255, 127]],
    ['a longer directory', 12, [255, 255, 255, 127]],
  ])('that announces %s is refused', async (_, at, bytes) => {
    const file = Buffer.from(kFile);
    file.set(bytes, file.length - 22 + at);
    expect(await says(file)).toMatch(/whose directory is not where it should be|is damaged/);
  });

  test('whose wide numbers are cut off is refused', async () => {
    const file = torchFile([kTensor], { wide: true });
    for (let at = file.length - 98; at < file.length - 22; ++at) {
      const damaged = Buffer.from(file);
      damaged[at] ^= 0xff;
      await refusal(damaged);
    }
  });
});

test('a checkpoint that is cut off anywhere is refused', async () => {
  for (let bytes = 4; bytes < kFile.length; ++bytes) {
    expect(await refusal(kFile.subarray(0, bytes))).not.toBeNull();
  }
});

test('2,000 damaged checkpoints are refused, or read within their bytes', async () => {
  const random = randomSource(20_261_126);
  const upTo = (limit) => Math.floor(random() * limit);
  const begin = kFile.indexOf('PK\x01\x02');
  const pickleEnd = kFile.indexOf('byteorder');
  const outcomes = { refused: 0, read: 0 };
  for (let round = 0; round < 2000; ++round) {
    const file = Buffer.from(kFile);
    // The weights are of no interest.
    const place = () => (random() < 0.5 ? upTo(pickleEnd) : begin + upTo(file.length - begin));
    for (let times = 1 + upTo(3); times > 0; --times)
      file[place()] = random() < 0.5 ? upTo(256) : '().cRQXKqh}u'.charCodeAt(upTo(12));
    outcomes[(await refusal(file)) === null ? 'read' : 'refused'] += 1;
  }
  expect(outcomes.refused).toBeGreaterThan(1000);
  expect(outcomes.read).toBeGreaterThan(10);
});
