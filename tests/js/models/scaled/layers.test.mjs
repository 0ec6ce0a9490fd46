import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { answer, rangeOf, useServers } from '../../runtime/support/server.mjs';
import { readGguf } from '../../../peers/tiny-llama.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { comfyQuant, kQuantized } from '../../support/models/quantized.mjs';
import { floatsOf, fromFloats, halfTensor, modelFile, readModel } from '../../support/models/safetensors.mjs';

/** The layers are of no known model. */
const kGeneral = { architecture: 'none' };

const folder = useFolder();
const servers = useServers();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const write = (name, tensors, metadata) => folder.write(name, modelFile(tensors, metadata));
const isText = ({ name }) => name.endsWith('.comfy_quant');
const textOf = (tensors) => JSON.parse(tensors.find(isText).bytes.toString());

/** The layers of several formats, their texts in the metadata instead of in tensors; `prefix` is left out there. */
function inMetadata(stems, prefix = '') {
  const layers = Object.entries(stems).map(([stem, format]) => [stem, kQuantized[format](prefix + stem).tensors]);
  const texts = Object.fromEntries(layers.map(([stem, tensors]) => [stem, textOf(tensors)]));
  return {
    tensors: layers.flatMap(([, tensors]) => tensors.filter((tensor) => !isText(tensor))),
    metadata: { _quantization_metadata: JSON.stringify({ format_version: '1.0', layers: texts }), other: 'stays' },
  };
}

const kStems = { 'blocks.0.a': 'nvfp4', 'blocks.0.b': 'mxfp8', 'blocks.1.a': 'int8 convrot of groups of 16' };

test.each(['', 'model.diffusion_model.'])(
  'what the metadata says of layers counts, and is not passed on; prefix %j',
  async (prefix) => {
    const { tensors, metadata } = inMetadata(kStems, prefix);
    const input = write('in.safetensors', tensors, metadata);
    await quantizer.quantizeFile(input, folder.path('out.safetensors'), { type: 'F32' });
    const output = readModel(readFileSync(folder.path('out.safetensors')));
    expect(output.metadata).toEqual({ other: 'stays' });
    expect([...output.tensors.keys()].sort()).toEqual(Object.keys(kStems).map((stem) => `${prefix}${stem}.weight`));
    for (const [stem, format] of Object.entries(kStems)) {
      const alone = write('alone.safetensors', kQuantized[format]('a').tensors);
      const values = await quantizer.readTensor(alone, 'a.weight');
      expect(floatsOf(output.tensors.get(`${prefix}${stem}.weight`))).toEqual(values);
      expect(await quantizer.readTensor(input, `${prefix}${stem}.weight`)).toEqual(values);
    }
  },
);

test.each([
  ['no JSON', '{', /is not valid JSON/],
  ['layers that are a list', '{"layers":[]}', /lists no layers/],
  ['a layer that is a text', '{"layers":{"blocks.0.a":"nvfp4"}}', /says nothing of the layer/],
])('metadata with %s is refused', async (_, text, says) => {
  const { tensors } = inMetadata(kStems);
  const input = write('in.safetensors', tensors, { _quantization_metadata: text });
  await expect(quantizer.plan(input, { type: 'F16', ...kGeneral })).rejects.toThrow(says);
  await expect(quantizer.plan(input, { type: 'F16', ...kGeneral })).rejects.toMatchObject({
    code: 'invalid_file',
    file: input,
  });
});

describe('names in the metadata that lack the prefix', () => {
  const kPrefix = 'model.diffusion_model.';
  const stems = Array.from({ length: 40 }, (_, index) => `blocks.${index}.a`);
  const formats = Object.fromEntries(stems.map((stem) => [stem, 'int8 convrot of groups of 16']));

  /** A model whose metadata has other layers first. */
  function write40(others) {
    const { tensors, metadata } = inMetadata(formats, kPrefix);
    const { layers } = JSON.parse(metadata._quantization_metadata);
    const text = JSON.stringify({ layers: { ...others, ...layers } });
    return write('in.safetensors', tensors, { _quantization_metadata: text });
  }
  const alone = () => {
    const input = write('alone.safetensors', kQuantized['int8 convrot of groups of 16']('a').tensors);
    return quantizer.readTensor(input, 'a.weight');
  };

  test('a layer read alone is decoded as the metadata says, wherever in it its name stands', async () => {
    const input = write40({});
    const model = await quantizer.open(input);
    for (const stem of [stems[0], stems[20], stems[39]]) {
      expect(await quantizer.readTensor(input, `${kPrefix}${stem}.weight`)).toEqual(await alone());
      expect(await model.read(`${kPrefix}${stem}.weight`)).toEqual(await alone());
    }
    await model.close();
  });

  test('layers that are not there come first, some of which end as others of the model do', async () => {
    const names = Array.from({ length: 30 }, (_, index) => [`te.${index}.b`, { format: 'nvfp4' }]);
    const input = write40({ ...Object.fromEntries(names), a: { format: 'nvfp4' } });
    await quantizer.dequantizeFile(input, folder.path('out.safetensors'), { dtype: 'F32' });
    const { tensors } = readModel(readFileSync(folder.path('out.safetensors')));
    expect(tensors.size).toBe(40);
    for (const tensor of tensors.values()) expect(floatsOf(tensor)).toEqual(await alone());
  });

  test.each(['in the metadata', 'in tensors'])(
    'int8 is refused where others are described %s, and it is not',
    async (where) => {
      const silent = kQuantized['int8 rows that nothing is said of']('blocks.9.c').tensors;
      const { tensors, metadata } = inMetadata({ 'blocks.0.a': 'nvfp4' });
      const input =
        where === 'in tensors'
          ? write('in.safetensors', [...kQuantized.nvfp4('blocks.0.a').tensors, ...silent])
          : write('in.safetensors', [...tensors, ...silent], metadata);
      for (const call of [
        () => quantizer.plan(input, { type: 'Q8_0', ...kGeneral }),
        () => quantizer.readTensor(input, 'blocks.9.c.weight'),
      ]) {
        await expect(call()).rejects.toMatchObject({ code: 'unsupported_dtype', layer: 'blocks.9.c.weight' });
        await expect(call()).rejects.toThrow(/I8 with "blocks\.9\.c\.weight_scale" in a format that nothing tells/);
      }
      expect(await quantizer.readTensor(input, 'blocks.0.a.weight')).toHaveLength(160 * 256);
    },
  );
});

test.each([
  [{ convrot: 1 }, true],
  [{ convrot: 0, params: { convrot: true } }, false],
  [{ convrot: null }, false],
])('%j rotates as it would in Python: %s', async (config, isRotated) => {
  const [weight, scale] = kQuantized['int8 convrot']('a').tensors;
  const read = async (said) => {
    const text = comfyQuant('a', { format: 'int8_tensorwise', convrot_groupsize: 256, ...said });
    return quantizer.readTensor(write('in.safetensors', [weight, scale, text]), 'a.weight');
  };
  const values = await read(config);
  expect(values).toEqual(await read({ convrot: isRotated }));
  expect(values).not.toEqual(await read({ convrot: !isRotated }));
});

test('a layer is read though another one, whose name begins alike, cannot be decoded', async () => {
  const foreign = { name: 'b.10.qweight', dtype: 'I8', shape: [1, 4], bytes: Buffer.alloc(4) };
  const tensors = [fromFloats('b.1.weight', 'F32', [2], [1, 2]), foreign, fromFloats('b.10.wscales', 'F32', [1], [1])];
  const input = write('in.safetensors', [...tensors, ...kQuantized['int8 rows']('b.2').tensors]);
  expect(await quantizer.readTensor(input, 'b.1.weight')).toEqual(Float32Array.of(1, 2));
  expect(await quantizer.readTensor(input, 'b.2.weight')).toHaveLength(12 * 96);
  await expect(quantizer.readTensor(input, 'b.10.qweight')).rejects.toThrow('svdquant');
});

test('names of many parts cost no more time than others', async () => {
  const layers = { a: { format: 'nvfp4' } };
  const tensors = [halfTensor(`${'x.'.repeat(250_000)}weight`, [1]), halfTensor('b.weight', [1])];
  const input = write('in.safetensors', tensors, { _quantization_metadata: JSON.stringify({ layers }) });
  expect((await quantizer.plan(input, { bits: 4 })).tensors).toHaveLength(2);
});

test('metadata about a hundred thousand layers that are not there is passed over', async () => {
  const layers = Object.fromEntries(Array.from({ length: 1e5 }, (_, index) => [`b.${index}`, { format: 'nvfp4' }]));
  const tensors = Array.from({ length: 2000 }, (_, index) => fromFloats(`c.${index}.weight`, 'F32', [1], [1]));
  const input = write('in.safetensors', tensors, { _quantization_metadata: JSON.stringify({ layers }) });
  expect((await quantizer.plan(input, { type: 'F16', ...kGeneral })).tensors).toHaveLength(2000);
});

test('to int4, fp8 stays beside its factors, and other formats are quantized from their values', async () => {
  const fp8 = kQuantized['comfy float8_e4m3fn']('f');
  const input = write('in.safetensors', [...kQuantized.nvfp4('n').tensors, ...fp8.tensors]);
  const report = await quantizer.quantizeFile(input, folder.path('out.safetensors'), { bits: 4 });
  expect(report.tensors.map(({ name, from, to }) => [name, from, to])).toEqual([
    ['f.comfy_quant', 'U8', 'U8'],
    ['f.input_scale', 'F32', 'F32'],
    ['f.weight', 'F8_E4M3', 'F8_E4M3'],
    ['f.weight_scale', 'F32', 'F32'],
    ['n.weight', 'nvfp4', 'int4 g128'],
  ]);
  const { tensors } = readModel(readFileSync(folder.path('out.safetensors')));
  for (const { name, bytes } of fp8.tensors) expect(tensors.get(name).bytes.equals(bytes)).toBe(true);
  const comparison = await quantizer.compareFiles(input, folder.path('out.safetensors'));
  expect(comparison.tensors.map(({ name, equal }) => [name, equal])).toEqual([
    ['f.weight', true],
    ['n.weight', false],
  ]);
  expect(comparison.tensors[1].relativeRmse).toBeLessThan(0.2);
});

test('a rule may keep a quantized layer: it becomes BF16 where the output cannot hold it', async () => {
  const input = write('in.safetensors', kQuantized.nvfp4('n').tensors);
  for (const [sink, options] of [
    ['out.gguf', { type: 'Q8_0', ...kGeneral }],
    ['out.safetensors', { bits: 4 }],
  ]) {
    const report = await quantizer.quantizeFile(input, folder.path(sink), { ...options, rules: [['n', 'keep']] });
    expect(report.tensors).toMatchObject([{ name: 'n.weight', from: 'nvfp4', to: 'BF16', rule: 'rule n=keep' }]);
  }
});

test('types that are only read are none to choose', async () => {
  const input = write('in.safetensors', [halfTensor('a.weight', [4, 64])]);
  for (const type of ['I8_SCALED', 'E2M1_SCALED']) {
    for (const sink of ['out.gguf', 'out.safetensors']) {
      const call = quantizer.quantizeFile(input, folder.path(sink), { type });
      await expect(call).rejects.toMatchObject({ code: 'invalid_option' });
      await expect(call).rejects.toThrow(`type ${type} can be read, but not written`);
    }
    await expect(quantizer.plan(input, { type: 'Q8_0', ...kGeneral, rules: [['a', type]] })).rejects.toThrow(
      'must be one of',
    );
  }
});

test('types of other programs are none to choose, and ours hold none of them', async () => {
  const input = write('in.safetensors', [halfTensor('a.weight', [4, 64])]);
  for (const sink of ['out.gguf', 'out.safetensors']) {
    const call = quantizer.quantizeFile(input, folder.path(sink), { type: 'bnb_nf4' });
    await expect(call).rejects.toMatchObject({ code: 'invalid_option' });
    await expect(call).rejects.toThrow('type is "bnb_nf4", must be "F32"');
  }
  await expect(quantizer.plan(input, { type: 'Q8_0', ...kGeneral, rules: [['a', 'bnb_nf4']] })).rejects.toThrow(
    'must be one of',
  );
});

test('a file of ours may not say that a tensor lies so', async () => {
  const arrowquant = JSON.stringify({
    ...{ format: 'planes', version: 2 },
    tensors: { a: { codec: 'I8_SCALED', dtype: 'F32', shape: [64], group_size: 32 } },
  });
  const tensors = [
    { name: 'a', dtype: 'U8', shape: [64], bytes: Buffer.alloc(64) },
    fromFloats('a.scales', 'F32', [2], [1, 1]),
  ];
  const call = quantizer.inspectFile(write('in.safetensors', tensors, { arrowquant }));
  await expect(call).rejects.toThrow('which this version does not know');
});

test('texts about layers that are none of the model go, too', async () => {
  const tensors = [halfTensor('a.weight', [4, 64]), comfyQuant('gone', { format: 'nvfp4' })];
  const plan = await quantizer.plan(write('in.safetensors', tensors), { type: 'Q8_0', ...kGeneral });
  expect(plan.tensors.map(({ name }) => name)).toEqual(['a.weight']);
  expect(plan.dropped).toMatchObject([{ name: 'gone.comfy_quant', rule: expect.stringContaining('not there') }]);
});

test('a large layer, read in several windows, has the values of its parts', async () => {
  const [rows, columns] = [300, 8192];
  const codes = Buffer.alloc(rows * columns, 0x38);
  const scales = Array.from({ length: rows }, (_, row) => row + 1);
  const tensors = [
    { name: 'a.weight', dtype: 'F8_E4M3', shape: [rows, columns], bytes: codes },
    fromFloats('a.weight_scale', 'F32', [rows, 1], scales),
  ];
  const input = write('in.safetensors', tensors);
  await quantizer.quantizeFile(input, folder.path('out.gguf'), { type: 'F32', ...kGeneral });
  const [{ bytes }] = readGguf(readFileSync(folder.path('out.gguf'))).tensors;
  const values = floatsOf({ dtype: 'F32', bytes });
  expect(values.every((value, index) => value === Math.floor(index / columns) + 1)).toBe(true);
});

test('rows that are too long for the scales of a tile of them to be read together have their values', async () => {
  const columns = 16 * 65_540;
  const scales = Buffer.alloc(128 * 65_540);
  // Of each tile, the first two rows: 1 and 2.
  for (let tile = 0; tile < scales.length; tile += 512) {
    scales.fill(0x38, tile, tile + 4);
    scales.fill(0x40, tile + 16, tile + 20);
  }
  const input = write('in.safetensors', [
    { name: 'a.weight', dtype: 'U8', shape: [2, columns / 2], bytes: Buffer.alloc(columns, 0x22) },
    { name: 'a.weight_scale', dtype: 'F8_E4M3', shape: [128, 65_540], bytes: scales },
    fromFloats('a.weight_scale_2', 'F32', [], [0.5]),
    comfyQuant('a', { format: 'nvfp4' }),
  ]);
  const values = await quantizer.readTensor(input, 'a.weight');
  expect(values.findIndex((value) => value !== 0.5)).toBe(columns);
  expect(values.subarray(columns).every((value) => value === 1)).toBe(true);
});

describe('from a server', () => {
  const [rows, columns] = [2048, 1024];
  const tensors = [
    { name: 'a.weight', dtype: 'F8_E4M3', shape: [rows, columns], bytes: Buffer.alloc(rows * columns, 0x38) },
    fromFloats('a.weight_scale', 'F32', [rows, 1], Array(rows).fill(3)),
  ];
  const contents = modelFile(tensors);
  /** `act` answers a request for scales. */
  const serve = (act) =>
    servers.serve((request, response) => {
      if (rangeOf(request, contents.length)[0] < contents.length - 4 * rows) answer(request, response, contents);
      else act(request, response);
    });

  test('scales are read while they are needed', async () => {
    let requests = 0;
    const server = await serve((request, response) => {
      ++requests;
      answer(request, response, contents);
    });
    const values = await quantizer.readTensor(server.url('/m.safetensors'), 'a.weight');
    expect(values.every((value) => value === 3)).toBe(true);
    expect(requests).toBeGreaterThan(0);
  });

  test('a failed read of scales ends the call, and leaves nothing', async () => {
    const server = await serve((_, response) => response.writeHead(403).end());
    const call = quantizer.quantizeFile(server.url('/m.safetensors'), folder.path('out.gguf'), {
      type: 'F32',
      ...kGeneral,
    });
    await expect(call).rejects.toMatchObject({ code: 'unreadable_input' });
    expect(folder.list()).toEqual([]);
  });

  test('an abort while scales are awaited ends the call', async () => {
    const controller = new AbortController();
    const server = await serve(() => controller.abort());
    const { signal } = controller;
    const call = quantizer.quantizeFile(server.url('/m.safetensors'), folder.path('out.gguf'), {
      type: 'F32',
      ...kGeneral,
      signal,
    });
    await expect(call).rejects.toMatchObject({ code: 'aborted' });
    expect(folder.list()).toEqual([]);
  });
});

test('a file that changes while scales are read is noticed', async () => {
  const { tensors } = kQuantized['int8 rows']('a');
  const input = write('in.safetensors', tensors);
  const model = await quantizer.open(input);
  write('in.safetensors', [
    ...tensors.slice(0, 1),
    fromFloats('a.weight_scale', 'F32', [12, 1], Array(12).fill(2)),
    tensors[2],
  ]);
  await expect(model.read('a.weight')).rejects.toMatchObject({ code: 'unreadable_input' });
  await model.close();
});
