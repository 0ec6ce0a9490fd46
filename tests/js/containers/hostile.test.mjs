import { linkSync, mkdirSync, readFileSync, statSync, statfsSync, symlinkSync, truncateSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, QuantizeError } from 'arrowquant';
import { nodeFiles, openFiles } from '../support/internals.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { kHostileFiles } from '../support/models/hostile.mjs';
import { float32Tensor, floatsOf, modelFile, readModel, rawFile } from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Quantizing must fail with such an error, and leave the output as it was and nothing else behind. */
async function expectRefusal(input, { code = 'invalid_file', file = input, tensor, says = /./ }) {
  const output = folder.write('out.safetensors', 'the old output');
  const before = folder.list();
  const error = await quantizer.quantizeFile(input, output).catch((reason) => reason);
  expect(error).toBeInstanceOf(QuantizeError);
  expect({ code: error.code, file: error.file, layer: error.layer }).toEqual({ code, file, layer: tensor });
  expect(error.message).toMatch(says);
  expect(error.message).toContain(file);
  expect(readFileSync(output, 'utf8')).toBe('the old output');
  expect(folder.list()).toEqual(before);
  return error;
}

/** A source of `size` bytes that begins with `head`, zeros follow; `read()` says how many bytes were asked for. */
function countingSource(head, size) {
  let read = 0;
  const source = {
    name: 'in.safetensors',
    size,
    async read(into, position) {
      read += into.length;
      into.fill(0).set(head.subarray(position, position + into.length));
    },
    async close() {},
  };
  return { source, read: () => read };
}

describe('refuses a safetensors file with', () => {
  test.each(kHostileFiles)('$title', async ({ name = 'in.safetensors', file, code, tensor, says }) => {
    await expectRefusal(folder.write(name, file), { code, tensor, says });
  });

  test('a header of 200 MB, without reading it', async () => {
    const input = folder.write('in.safetensors', rawFile('{', [], 200_000_000));
    truncateSync(input, 200_001_000);
    await expectRefusal(input, { says: /200000000 bytes is over the limit/ });
    const { source, read } = countingSource(rawFile('{', [], 200_000_000), 200_001_000);
    await expect(openFiles(source)).rejects.toMatchObject({ code: 'invalid_file' });
    expect(read()).toBeLessThan(100);
  });

  test('a name that steers terminals or turns text around, and escapes it', async () => {
    const name = '\u001b[2J \u007f \u009b2J \u202e \u2066 \u{e0001} ü';
    const input = folder.write('in.safetensors', rawFile(JSON.stringify({ [name]: 7 })));
    const error = await quantizer.inspectFile(input).catch((reason) => reason);
    expect(error.layer).toBe(name);
    expect(error.message).toContain(String.raw`"\u001b[2J \u007f \u009b2J \u202e \u2066 \udb40\udc01 ü"`);
  });

  test('a name of a megabyte, and repeats only its beginning', async () => {
    const file = rawFile(`{"${'x'.repeat(1_000_000)}":{"dtype":"F12"}}`);
    const input = folder.write('in.safetensors', file);
    const error = await quantizer.inspectFile(input).catch((reason) => reason);
    expect(error.code).toBe('invalid_file');
    expect(error.message.length).toBeLessThan(1000);
  });
});

describe('refuses a sharded model', () => {
  const shard = modelFile([float32Tensor('a.weight', [32, 32])]);
  const writeIndex = (map) => folder.write('in.safetensors.index.json', JSON.stringify({ weight_map: map }));

  test('with a missing shard', async () => {
    folder.write('one.safetensors', shard);
    const input = writeIndex({ 'a.weight': 'one.safetensors', 'b.weight': 'two.safetensors' });
    await expectRefusal(input, { code: 'missing_shard', file: folder.path('two.safetensors') });
  });

  test('with a tensor that its shard does not have', async () => {
    folder.write('one.safetensors', shard);
    const input = writeIndex({ 'a.weight': 'one.safetensors', 'b.weight': 'one.safetensors' });
    const file = folder.path('one.safetensors');
    await expectRefusal(input, { code: 'missing_tensor', file, tensor: 'b.weight', says: /"b\.weight"/ });
  });

  test('with a tensor in two shards', async () => {
    folder.write('one.safetensors', shard);
    const file = folder.write('two.safetensors', modelFile([float32Tensor('b', [4]), float32Tensor('a.weight', [4])]));
    const input = writeIndex({ 'a.weight': 'one.safetensors', b: 'two.safetensors' });
    await expectRefusal(input, { file, tensor: 'a.weight', says: /another shard/ });
  });

  test('with a damaged shard, and names the shard', async () => {
    const file = folder.write('one.safetensors', shard.subarray(0, 500));
    await expectRefusal(writeIndex({ 'a.weight': 'one.safetensors' }), { file, tensor: 'a.weight' });
  });

  test.each([
    '../one.safetensors',
    '/etc/passwd',
    'sub/../one.safetensors',
    'sub\\one.safetensors',
    'sub/',
    './',
    'C:one.safetensors',
    '\ud800.safetensors',
    'a\u001b[2J',
    'a\nb',
    'a\u009b2J',
    '..',
    '',
    7,
    null,
  ])('whose index names the file %j', async (name) => {
    await expectRefusal(writeIndex({ 'a.weight': name }), { tensor: 'a.weight', says: /no valid file name/ });
  });

  test('whose index is no JSON, or has no weight_map', async () => {
    await expectRefusal(folder.write('in.safetensors.index.json', '{"weight_map":'), { says: /not valid JSON/ });
    await expectRefusal(folder.write('in.safetensors.index.json', '{"metadata":{}}'), { says: /no weight_map/ });
  });

  test('of more shards than are allowed', async () => {
    const input = writeIndex(Object.fromEntries(Array.from({ length: 501 }, (_, i) => [`t${i}`, `s${i}.safetensors`])));
    await expectRefusal(input, { says: /501 shards are over the limit of 500/ });
  });
});

describe('refuses', () => {
  test('an input that is not there', async () => {
    await expectRefusal(folder.path('none.safetensors'), { code: 'unreadable_input', says: /no such file/ });
  });

  test('an input that is a folder', async () => {
    const input = folder.path('empty');
    mkdirSync(input);
    await expectRefusal(input, { code: 'unreadable_input', says: /the folder has no safetensors/ });
  });

  test('an output that would replace the input, whatever path leads there', async () => {
    const bytes = modelFile([float32Tensor('a.weight', [32, 32])]);
    const input = folder.write('in.safetensors', bytes);
    linkSync(input, folder.path('hard.safetensors'));
    symlinkSync(input, folder.path('soft.safetensors'));
    for (const output of [input, folder.path('./hard.safetensors'), folder.path('soft.safetensors')]) {
      const error = await quantizer.quantizeFile(input, output).catch((reason) => reason);
      expect(error).toMatchObject({ code: 'unwritable_output', file: output });
      expect(error.message).toMatch(/it is the input/);
    }
    expect(readFileSync(input).equals(bytes)).toBe(true);
    expect(folder.list()).toEqual(['hard.safetensors', 'in.safetensors', 'soft.safetensors']);
  });

  test('an output in a folder that is not there, and one that is a folder', async () => {
    const input = folder.write('in.safetensors', modelFile([float32Tensor('a.weight', [32, 32])]));
    const nowhere = folder.path('none/out.safetensors');
    await expect(quantizer.quantizeFile(input, nowhere)).rejects.toMatchObject({
      code: 'unwritable_output',
      file: nowhere,
    });
    mkdirSync(folder.path('out.safetensors'));
    await expect(quantizer.quantizeFile(input, folder.path('out.safetensors'))).rejects.toThrow(/folder/);
    expect(folder.list()).toEqual(['in.safetensors', 'out.safetensors']);
  });

  test('an output whose ending is no known format', async () => {
    const input = folder.write('in.safetensors', modelFile([float32Tensor('a.weight', [32, 32])]));
    await expect(quantizer.quantizeFile(input, folder.path('out.xyz'))).rejects.toMatchObject({
      code: 'invalid_option',
    });
  });

  test('to give an output its name after an abort, however late that comes', async () => {
    const output = folder.write('out.safetensors', 'the old output');
    const reason = new QuantizeError('aborted');
    for (const late of [1, 2]) {
      const sink = await nodeFiles.openSink(output, { bytes: 4, inputs: [] });
      await sink.write(Buffer.from('new!'), 0);
      let calls = 0;
      const proceed = () => {
        if (++calls === late) throw reason;
      };
      await expect(sink.commit(proceed)).rejects.toBe(reason);
      await sink.discard();
      expect(readFileSync(output, 'utf8')).toBe('the old output');
      expect(folder.list()).toEqual(['out.safetensors']);
    }
  });

  test('an output that does not fit on the disk, before it writes a byte', async () => {
    // A vector is kept: the output is as large as the input, which is a hole in the file system. It has far more than there
    // is room for, because other tests give gigabytes back meanwhile.
    const { bavail, bsize } = statfsSync(folder.at);
    const bytes = bavail * bsize + 2 ** 36;
    const entry = { dtype: 'F32', shape: [bytes / 4], data_offsets: [0, bytes] };
    const input = folder.write('in.safetensors', rawFile(JSON.stringify({ 'a.weight': entry })));
    truncateSync(input, statSync(input).size + bytes);
    const file = folder.path('out.safetensors');
    await expectRefusal(input, { code: 'disk_full', file, says: /needs \d+ bytes, but only \d+ are free/ });
  });
});

describe('refuses weights', () => {
  const kValues = [
    ['NaN', NaN],
    ['infinity', Infinity],
    ['minus infinity', -Infinity],
  ];

  /** More than one window, and more than a chunk: the index has to be counted through all of it. */
  function withOne(value, index) {
    const tensor = float32Tensor('bad.weight', [1100, 1000]);
    tensor.bytes.writeFloatLE(value, index * 4);
    return modelFile([float32Tensor('good.weight', [64, 64]), tensor]);
  }

  test.each(kValues)('with %s, and names file, tensor and index', async (_, value) => {
    const input = folder.write('in.safetensors', withOne(value, 1_099_999));
    const error = await expectRefusal(input, { code: 'not_finite', tensor: 'bad.weight', says: /1099999/ });
    expect(error.index).toBe(1_099_999);
  });

  test('with NaN in a tensor that has one scale', async () => {
    const input = folder.write('in.safetensors', withOne(NaN, 1_050_000));
    const call = quantizer.quantizeFile(input, folder.path('out.safetensors'), { groupSize: 'tensor' });
    await expect(call).rejects.toMatchObject({
      code: 'not_finite',
      layer: 'bad.weight',
      index: 1_050_000,
      file: input,
    });
    expect(folder.list()).toEqual(['in.safetensors']);
  });

  test('with several NaN, and names the first', async () => {
    const file = withOne(NaN, 1_000_000);
    readModel(file)
      .tensors.get('bad.weight')
      .bytes.writeFloatLE(Infinity, 777 * 4);
    const input = folder.write('in.safetensors', file);
    expect((await expectRefusal(input, { code: 'not_finite', tensor: 'bad.weight' })).index).toBe(777);
  });
});

describe('dequantizeFile refuses', () => {
  /** A quantized file, changed by `change(metadata, tensors)`. */
  async function changed(change) {
    const input = folder.write('in.safetensors', modelFile([float32Tensor('a.weight', [40, 100])]));
    await quantizer.quantizeFile(input, folder.path('quantized.safetensors'));
    const { metadata, tensors } = readModel(readFileSync(folder.path('quantized.safetensors')));
    const described = JSON.parse(metadata.arrowquant);
    change(described, tensors);
    const texts = { ...metadata, arrowquant: JSON.stringify(described) };
    return folder.write('changed.safetensors', modelFile([...tensors.values()], texts));
  }

  const set = (field, value) => (described) => (described.tensors['a.weight'][field] = value);
  test.each([
    ['an unknown version', (described) => (described.version = 2)],
    ['an unknown format', (described) => (described.format = 'other')],
    ['no list of tensors', (described) => (described.tensors = [])],
    ['three bits', set('bits', 3)],
    ['groups of 100', set('group_size', 100)],
    ['a shape that is too large', set('shape', [41, 100])],
    ['a shape that is none', set('shape', 'large')],
    ['a dtype that is no float', set('dtype', 'I32')],
    ['symmetry that is a number', set('symmetric', 1)],
    ['other bits than were written', set('bits', 8)],
    ['other groups than were written', set('group_size', 64)],
    [
      'a tensor that is not there',
      (described) => (described.tensors['b.weight'] = described.tensors['a.weight']),
      'missing_tensor',
    ],
    ['scales that are not there', (_, tensors) => tensors.delete('a.weight.scales'), 'missing_tensor'],
    ['zero points that are not there', (_, tensors) => tensors.delete('a.weight.zero_points'), 'missing_tensor'],
    ['a scale that is NaN', (_, tensors) => tensors.get('a.weight.scales').bytes.writeFloatLE(NaN, 8)],
    ['a zero point that is no level', (_, tensors) => (tensors.get('a.weight.zero_points').bytes[3] = 16)],
  ])('%s', async (_, change, code = 'invalid_file') => {
    const input = await changed(change);
    const output = folder.write('out.safetensors', 'the old output');
    const before = folder.list();
    await expect(quantizer.dequantizeFile(input, output)).rejects.toMatchObject({ code, file: input });
    expect(readFileSync(output, 'utf8')).toBe('the old output');
    expect(folder.list()).toEqual(before);
  });

  // One step is the largest value of the type, or two steps are the smallest that is rounded to infinity.
  test.each([
    ['F16', 65504, 65520 / 2],
    ['BF16', (2 - 2 ** -7) * 2 ** 127, (2 - 2 ** -8) * 2 ** 126],
    ['F32', (2 - 2 ** -23) * 2 ** 127, 2 ** 127],
  ])('a weight that is too large for %s, and names it', async (dtype, largest, tooLarge) => {
    const write = (level, scaleOfOne) =>
      changed((described, tensors) => {
        described.tensors['a.weight'].dtype = dtype;
        tensors
          .get('a.weight')
          .bytes.fill(0x11)
          .writeUInt8((level << 4) + 1, 64);
        tensors.get('a.weight.scales').bytes.writeFloatLE(scaleOfOne, 4);
        tensors.get('a.weight.zero_points').bytes[1] = 1;
      });
    const output = folder.path('out.safetensors');
    const error = await quantizer.dequantizeFile(await write(3, tooLarge), output).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'not_finite', layer: 'a.weight', file: folder.path('changed.safetensors') });
    expect(error.index).toBe(129);
    expect(error.message).toContain(`too large for ${dtype}`);
    await quantizer.dequantizeFile(await write(2, largest), output);
    expect(floatsOf(readModel(readFileSync(output)).tensors.get('a.weight'))[129]).toBe(largest);
  });

  test('to quantize what has an impossible scale', async () => {
    const input = await changed((_, tensors) => tensors.get('a.weight.scales').bytes.writeFloatLE(NaN, 8));
    const call = quantizer.quantizeFile(input, folder.path('out.safetensors'), { bits: 8 });
    await expect(call).rejects.toThrow(/tensor "a.weight" has an impossible scale or zero point/);
  });
});
