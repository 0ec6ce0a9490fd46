import { expect, test } from '@jest/globals';
import { inspectFile, nodeFiles } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { call, global, persistent, raw, tuple } from '../../support/models/pickle.mjs';
import { bfloatTensor, float32Tensor, halfTensor } from '../../support/models/safetensors.mjs';
import { Checkpoint, kOrderedDict, oldFile, ordered, stateDict } from '../../support/models/torch.mjs';
import { randomSource } from '../../support/weights.mjs';
import { readTensors } from './support/read.mjs';

const folder = useFolder();

const kTensors = [
  float32Tensor('a.weight', [6, 8]),
  halfTensor('b.weight', [5, 7], 2),
  bfloatTensor('c.weight', [3, 2, 4], 3),
];

/** The file of `wrap` of the tensors' dict. */
function fileOf(tensors, wrap = (dict) => dict, options = {}) {
  const checkpoint = new Checkpoint();
  const dict = stateDict(tensors.map((tensor) => [tensor.name, checkpoint.tensor(tensor)]));
  return oldFile(checkpoint, wrap(dict), options);
}

const read = (contents) => readTensors(folder.write('m.pth', contents));

async function refusal(contents) {
  const file = folder.write('m.pth', contents);
  try {
    await inspectFile(nodeFiles, file);
    return null;
  } catch (error) {
    expect(error).toMatchObject({ name: 'QuantizeError', code: 'invalid_file', file });
    return error.detail;
  }
}

test('the tensors of a state dict come back', async () => {
  expect(await read(fileOf(kTensors))).toEqual(kTensors);
});

test('the model is found in a checkpoint', async () => {
  expect(
    await read(
      fileOf(
        kTensors,
        (dict) =>
          new Map([
            ['epoch', 3],
            ['params_ema', dict],
          ]),
      ),
    ),
  ).toEqual(kTensors);
});

test('storages lie in the order of their keys', async () => {
  expect(await read(fileOf(kTensors, undefined, { keys: ['2', '0', '1'] }))).toEqual(kTensors);
});

test('pickles may be longer than what is read of them at first', async () => {
  const tensors = Array.from({ length: 300 }, (_, index) => float32Tensor('x'.repeat(1000 + index), [2], index));
  const file = fileOf(tensors);
  expect(file.length).toBeGreaterThan(2 ** 18);
  expect(await read(file)).toEqual(tensors);
});

/** Python 2 has texts of bytes, and an OrderedDict is made of a list of pairs; storages have no view. */
test('what Python 2 has written is read', async () => {
  const checkpoint = new Checkpoint();
  const [tensor] = kTensors;
  const short = (text) => raw('U', [text.length], text);
  const id = tuple(
    short('storage'),
    global('torch', 'FloatStorage'),
    short(checkpoint.storage(tensor)),
    short('cpu'),
    48,
    null,
  );
  const args = [persistent(id), 0, tuple(6, 8), tuple(8, 1), false, call(kOrderedDict, [[]])];
  const rebuilt = call(global('torch._utils', '_rebuild_tensor_v2'), args);
  const value = call(kOrderedDict, [[[short('a.weight'), rebuilt]]]);
  expect(await read(oldFile(checkpoint, value))).toEqual([tensor]);
});

test.each([
  [
    'of an unknown version',
    fileOf(kTensors, undefined, { version: 1002 }),
    /a Python pickle of an unknown kind; load it in/,
  ],
  [
    'of another byte order',
    fileOf(kTensors, undefined, { system: new Map([['little_endian', false]]) }),
    /byte order is big/,
  ],
  [
    'with a storage that is not listed',
    fileOf(kTensors, undefined, { keys: ['0', '1'] }),
    /list of storages is without "2"/,
  ],
  ['with a storage twice', fileOf(kTensors, undefined, { keys: ['0', '1', '1'] }), /list of storages is not that of/],
  [
    'with bytes behind it',
    Buffer.concat([fileOf(kTensors), Buffer.alloc(1)]),
    /storages end at byte \d+, but it has \d+; was/,
  ],
  ['with code in it', fileOf(kTensors, () => call(global('os', 'system'), ['x'])), /it has "os\.system" in it/],
  ['without tensors', fileOf([]), /checkpoint without tensors/],
])('one %s is refused', async (_, contents, says) => {
  expect(await refusal(contents)).toMatch(says);
});

test('one with a list of storages that are none is refused', async () => {
  const checkpoint = new Checkpoint();
  const value = ordered([['a', checkpoint.tensor(kTensors[0])]]);
  checkpoint.storage(kTensors[1]);
  expect(await refusal(oldFile(checkpoint, value))).toMatch(/list of storages is not that of its tensors/);
});

test('one that is cut off anywhere is refused', async () => {
  const file = fileOf(kTensors);
  for (let bytes = 1; bytes < file.length; ++bytes) expect(await refusal(file.subarray(0, bytes))).not.toBeNull();
});

test('1,000 damaged ones are refused, or read within their bytes', async () => {
  const random = randomSource(1001);
  const upTo = (limit) => Math.floor(random() * limit);
  const file = fileOf(kTensors);
  const outcomes = { refused: 0, read: 0 };
  for (let round = 0; round < 1000; ++round) {
    const damaged = Buffer.from(file);
    for (let times = 1 + upTo(3); times > 0; --times) damaged[upTo(file.length - 300)] = upTo(256);
    outcomes[(await refusal(damaged)) === null ? 'read' : 'refused'] += 1;
  }
  expect(outcomes.refused).toBeGreaterThan(500);
  expect(outcomes.read).toBeGreaterThan(5);
});
