import { describe, expect, test } from '@jest/globals';
import { nodeFiles, openModel } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { raw } from '../../support/models/pickle.mjs';
import { float32Tensor } from '../../support/models/safetensors.mjs';
import { Checkpoint } from '../../support/models/torch.mjs';

const folder = useFolder();

async function opened(contents) {
  const model = await openModel(await nodeFiles.openSource(folder.write('m.ckpt', contents)));
  await model.close();
  return { names: model.tensors.map(({ name }) => name), notes: model.notes };
}

/** What is read of a checkpoint with `build(tensor)` in it; objects are dicts, `tensor(...shape)` is a new tensor. */
async function found(build) {
  const checkpoint = new Checkpoint();
  const value = build((...shape) => checkpoint.tensor(float32Tensor('', shape)));
  return opened(checkpoint.save(dicts(value)));
}

function dicts(value) {
  if (Array.isArray(value)) return value.map(dicts);
  if (value === null || typeof value !== 'object' || 'kind' in value) return value;
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, dicts(item)]));
  return new Map(Object.entries(value).map(([key, item]) => [key, dicts(item)]));
}

const refusal = (build) => found(build).catch((error) => error.detail);

describe('nothing of a checkpoint is left out without a word', () => {
  test('tensors beside a dict that is called as models are', async () => {
    expect(await found((tensor) => ({ model: { a: tensor(2) }, 'head.weight': tensor(2) }))).toEqual({
      ...{ names: ['model.a', 'head.weight'], notes: [] },
    });
    const module = { 'conv.weight': null };
    expect(await found((tensor) => ({ module: { ...module, b: tensor(2) }, pos_embed: tensor(1, 2, 3) }))).toEqual({
      ...{ names: ['module.b', 'pos_embed'], notes: [] },
    });
  });

  test('numbers and states that a training keeps as tensors', async () => {
    const { names, notes } = await found((tensor) => ({
      ...{ loss: tensor(), rng_state: tensor(8), epoch: 4 },
      model: { 'a.weight': tensor(2, 2) },
    }));
    expect(names).toEqual(['a.weight']);
    expect(notes).toEqual([
      'The model is what the checkpoint has under "model".',
      'Tensors beside the model are left out, under "loss, rng_state".',
    ]);
  });

  test('other models, what an optimizer keeps, and how deep the model was', async () => {
    const { names, notes } = await found((tensor) => ({
      ...{ encoder: { a: tensor(2), b: { c: tensor(2) } }, hyper_parameters: { lr: 0.1 } },
      optimizer_states: [{ state: new Map([[0, { exp_avg: tensor(2), step: tensor() }]]) }],
      state_dict: { model: { a: tensor(2) }, ema: { a: tensor(2) } },
    }));
    expect(names).toEqual(['a']);
    expect(notes).toEqual([
      'The model is what the checkpoint has under "state_dict, model".',
      'Tensors beside the model are left out, under "encoder, optimizer_states, ema".',
    ]);
  });

  test('what a training keeps, where no key says which the model is', async () => {
    const { names, notes } = await found((tensor) => ({
      ...{ net: { a: tensor(2) }, lr_scheduler: { x: tensor(2) }, upscaler: { a: tensor(2) } },
      ...{ grad_scaler: { scale: 2 }, optimizers: [{ x: tensor(1) }] },
    }));
    expect(names).toEqual(['net.a', 'upscaler.a']);
    expect(notes).toEqual(['Tensors beside the model are left out, under "lr_scheduler, optimizers".']);
  });

  test('but what is the model by another name is not left out', async () => {
    const { notes } = await found((tensor) => {
      const a = tensor(2);
      return { model: { a }, ema: { a } };
    });
    expect(notes).toEqual(['The model is what the checkpoint has under "model".']);
  });

  test('a hundred others in a few words', async () => {
    const { notes } = await found((tensor) => ({
      model: { a: tensor(2) },
      ...Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`other${index}`, { a: tensor(1) }])),
    }));
    expect(notes[1]).toMatch(/left out, under "other0, other1, [^"]{50,200}…"\.$/);
  });

  test.each([
    ['dicts under numbers', (tensor) => ({ layers: new Map([[0, { w: tensor(2) }]]), b: tensor(2) }), /no text/],
    [
      'lists of dicts',
      (tensor) => ({ layers: [1, [{ w: tensor(2) }]], b: tensor(2) }),
      /"layers" is a list of tensors/,
    ],
    [
      'lists in a dict of the model',
      (tensor) => ({ model: { x: { y: [tensor(2)] }, z: 1 } }),
      /"x\.y" is a list of tensors/,
    ],
  ])('%s are refused', async (_, build, fault) => {
    expect(await refusal(build)).toMatch(fault);
  });
});

test('a dict without anything is not the model', async () => {
  const { names } = await found((tensor) => ({ state_dict: {}, model: { a: tensor(2) } }));
  expect(names).toEqual(['a']);
});

describe('what takes long is counted', () => {
  const text = (value) => ['X', [value.length & 255, value.length >> 8, 0, 0], value];
  /** A pickle that puts `made` into a dict under `count` keys; what is made is named by 2 bytes, again and again. */
  const repeated = (made, count) => {
    const items = Array.from({ length: count }, (_, index) => raw(...text(String(index)), 'h\x00').bytes);
    return raw([0x80, 2], ...made, 'q\x000}(', Buffer.concat(items), 'u.').bytes;
  };
  const says = (data) => opened(new Checkpoint().save(null, { data })).catch((error) => error.detail);

  test('a dict of one key that is given again and again', async () => {
    const dict = (keys) => ['}(', 'NN'.repeat(keys), 'u'];
    expect(await says(repeated(dict(1000), 1000))).toMatch(/checkpoint without tensors/);
    expect(await says(repeated(dict(1000), 1100))).toMatch(/more entries, or longer names, than any model/);
  });

  test('names of a long key, and of dicts in dicts', async () => {
    const dict = (keys) => [
      '}(',
      ...Array.from({ length: keys }, (_, index) => [...text(`k${index}`), '}']).flat(),
      'u',
    ];
    const inLongKey = (keys) =>
      raw([0x80, 2], '}(', ...text('x'.repeat(40_000)), ...dict(keys), ...text('b'), 'Nu.').bytes;
    expect(await says(inLongKey(100))).toMatch(/checkpoint without tensors/);
    expect(await says(inLongKey(1000))).toMatch(/more entries, or longer names, than any model/);
  });

  test('but what is left out is searched once, wherever it is', async () => {
    const { notes } = await found((tensor) => {
      let list = [tensor(1)];
      for (let depth = 0; depth < 60; ++depth) list = { kind: 'tuple', items: [list, list] };
      return { model: { a: tensor(2) }, optimizer: list, more: list };
    });
    expect(notes[1]).toBe('Tensors beside the model are left out, under "optimizer".');
  });
});
