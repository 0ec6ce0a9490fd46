import { describe, expect, test } from '@jest/globals';
import { inspectFile, nodeFiles } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { call, global, long, tuple } from '../../support/models/pickle.mjs';
import { bfloatTensor, float32Tensor, halfTensor } from '../../support/models/safetensors.mjs';
import { Checkpoint, ordered, stateDict, torchFile } from '../../support/models/torch.mjs';
import { readTensors } from './support/read.mjs';

const folder = useFolder();

const bytesTensor = (name, dtype, shape, length) => ({
  ...{ name, dtype, shape },
  bytes: Buffer.from(Array.from({ length }, (_, index) => (index * 37 + 11) % 120)),
});

const kTensors = [
  float32Tensor('a.weight', [6, 8]),
  halfTensor('b.weight', [5, 7], 2),
  bfloatTensor('c.weight', [3, 2, 4], 3),
  bytesTensor('d.weight', 'F8_E4M3', [4, 8], 32),
  bytesTensor('e.weight', 'F8_E5M2', [3, 3], 9),
  bytesTensor('f', 'F64', [3], 24),
  bytesTensor('g.num_batches_tracked', 'I64', [], 8),
  bytesTensor('h', 'BOOL', [5], 5),
  bytesTensor('i', 'U8', [2, 2], 4),
  bytesTensor('j', 'I32', [2], 8),
  bytesTensor('empty', 'F32', [0, 4], 0),
];

const read = (contents) => readTensors(folder.write('m.ckpt', contents));
const names = async (contents) => (await read(contents)).map(({ name }) => name);

test.each([2, 3, 4, 5])('the tensors of a state dict come back, pickled with protocol %i', async (protocol) => {
  expect(await read(torchFile(kTensors, { protocol }))).toEqual(kTensors);
});

test.each([
  ['as the first versions wrote them', { byteOrder: null }],
  ['with other folders', { folder: 'unet v1.5' }],
  ['with descriptors of 64 bits', { descriptorBytes: 24 }],
  ['aligned to pages', { alignment: 4096 }],
  ['with a directory of 64 bits', { wide: true }],
  ['with a comment', { comment: 'PK\x05\x06 of a friend' }],
  ['that another program has put together', { alignment: 1, descriptorBytes: 0 }],
  ['that another program has put together as a stream', { alignment: 1 }],
  ['that another program has put together as a stream of 64 bits', { alignment: 1, descriptorBytes: 24 }],
])('archives %s', async (_, options) => {
  expect(await read(torchFile(kTensors, options))).toEqual(kTensors);
});

test('what is inspected says where it comes from', async () => {
  const { container, files, metadata } = await inspectFile(nodeFiles, folder.write('m.bin', torchFile(kTensors)));
  expect({ container, files, metadata }).toEqual({ container: 'torch', files: [folder.path('m.bin')], metadata: {} });
});

describe('the model is found', () => {
  const extra = [
    ['epoch', 3],
    ['global_step', 470_000],
    ['learning_rate', 1e-4],
    ['best', null],
    ['pytorch-lightning_version', '1.4.2'],
    ['done', true],
    ['big', long(2n ** 60n)],
    ['betas', [0.9, 0.999]],
    ['shape', call(global('torch', 'Size'), [tuple(1, 2)])],
  ];
  const optimizer = (checkpoint) =>
    new Map([['state', new Map([[0, new Map([['exp_avg', checkpoint.tensor(float32Tensor('', [4]))]])]])]]);

  test.each(['state_dict', 'model_state_dict', 'model', 'module', 'params', 'params_ema', 'anything'])(
    'under %s',
    async (key) => {
      const wrap = (dict) => new Map([...(key === 'anything' ? [] : extra), [key, dict]]);
      expect(await read(torchFile(kTensors, { wrap }))).toEqual(kTensors);
    },
  );

  test('under one key in another', async () => {
    const wrap = (dict) => new Map([...extra, ['model', new Map([['state_dict', dict]])]]);
    expect(await read(torchFile(kTensors, { wrap }))).toEqual(kTensors);
  });

  test('beside the state of an optimizer', async () => {
    const wrap = (dict, checkpoint) =>
      new Map([...extra, ['optimizer_states', [optimizer(checkpoint)]], ['state_dict', dict]]);
    expect(await read(torchFile(kTensors, { wrap }))).toEqual(kTensors);
  });

  test('beside what a training needs, where no key says which it is', async () => {
    const wrap = (dict, checkpoint) => new Map([...extra, ['net', dict], ['optimizer', optimizer(checkpoint)]]);
    expect(await names(torchFile(kTensors, { wrap }))).toEqual(kTensors.map(({ name }) => `net.${name}`));
  });

  test('in dicts of dicts', async () => {
    const wrap = (dict) =>
      new Map([
        ['generator', dict],
        ['critic', ordered([['inner', dict]])],
      ]);
    const own = kTensors.map(({ name }) => name);
    expect(await names(torchFile(kTensors, { wrap }))).toEqual([
      ...own.map((name) => `generator.${name}`),
      ...own.map((name) => `critic.inner.${name}`),
    ]);
  });

  test('a tensor whose name is that of such a key', async () => {
    const tensors = [float32Tensor('model', [2, 3]), float32Tensor('params', [4])];
    expect(await read(torchFile(tensors))).toEqual(tensors);
  });

  test('what is no tensor is passed over', async () => {
    const checkpoint = new Checkpoint();
    const dtype = call(global('numpy', 'dtype'), ['f8', false, true], { state: tuple(3, '<', null) });
    const bytes = call(global('_codecs', 'encode'), ['\x00\u00e9', 'latin1']);
    const scalar = call(global('numpy.core.multiarray', 'scalar'), [dtype, bytes]);
    const callback = global('pytorch_lightning.callbacks.model_checkpoint', 'ModelCheckpoint');
    const device = call(global('torch', 'device'), ['cuda', 0]);
    const value = new Map([
      ...extra,
      ['dtype', global('torch', 'float16')],
      ['device', device],
      ['callbacks', new Map([[callback, new Map([['best_model_score', scalar]])]])],
      ['state_dict', stateDict([['a', checkpoint.tensor(kTensors[0])], ...extra])],
    ]);
    expect(await read(checkpoint.save(value))).toEqual([{ ...kTensors[0], name: 'a' }]);
  });
});

describe('tensors', () => {
  test('that are parameters', async () => {
    const checkpoint = new Checkpoint();
    const value = ordered([['a.weight', checkpoint.parameter(kTensors[0])]]);
    expect(await read(checkpoint.save(value))).toEqual([kTensors[0]]);
  });

  test('that were made of a type', async () => {
    const checkpoint = new Checkpoint();
    const { callee, items } = checkpoint.tensor(kTensors[0]);
    const type = global('torch.nn.parameter', 'Parameter');
    const made = call(global('torch._tensor', '_rebuild_from_type_v2'), [callee, type, items, new Map()]);
    expect(await read(checkpoint.save(ordered([['a.weight', made]])))).toEqual([kTensors[0]]);
  });

  test('that share a storage, in part or with another name', async () => {
    const checkpoint = new Checkpoint();
    const whole = float32Tensor('whole', [4, 6]);
    const key = checkpoint.storage(whole);
    const rows = { name: 'rows', dtype: 'F32', shape: [2, 6], bytes: whole.bytes.subarray(24, 72) };
    const value = ordered([
      ['whole', checkpoint.tensor(whole, { key })],
      ['rows', checkpoint.tensor(rows, { key, offset: 6 })],
      ['tied', checkpoint.tensor(whole, { key })],
    ]);
    expect(await read(checkpoint.save(value))).toEqual([whole, rows, { ...whole, name: 'tied' }]);
  });

  test('whose dimensions of one element have any stride', async () => {
    const checkpoint = new Checkpoint();
    const tensor = float32Tensor('a', [1, 4, 1, 3]);
    const value = ordered([['a', checkpoint.tensor(tensor, { strides: [99, 3, 7, 1] })]]);
    expect(await read(checkpoint.save(value))).toEqual([tensor]);
  });

  test('of a thousand and more, in batches', async () => {
    const tensors = Array.from({ length: 2500 }, (_, index) => float32Tensor(`blocks.${index}.weight`, [2], index));
    expect(await read(torchFile(tensors))).toEqual(tensors);
  });
});
