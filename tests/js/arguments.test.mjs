import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ArrowQuant, QuantizeError } from 'arrowquant';
import { layersOf, randomWeights } from './support/weights.mjs';

let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const good = randomWeights(64);

describe('weights', () => {
  test.each([
    ['nothing', undefined, { code: 'invalid_weights' }],
    ['null', null, { code: 'invalid_weights' }],
    ['a number', 5, { code: 'invalid_weights' }],
    ['a string', 'weights', { code: 'invalid_weights' }],
    ['a bare array', good, { code: 'invalid_weights' }],
    ['an iterable of no pairs', [good], { code: 'invalid_weights' }],
    ['a name that is no string', [[7, good]], { code: 'invalid_weights' }],
    ['another typed array', { a: good, b: new Float64Array(4) }, { code: 'invalid_weights', layer: 'b' }],
    ['plain numbers', { a: [1, 2, 3] }, { code: 'invalid_weights', layer: 'a' }],
    ['no weights', { a: undefined }, { code: 'invalid_weights', layer: 'a' }],
    ['a shape without data', { a: { shape: [4] } }, { code: 'invalid_weights', layer: 'a' }],
    ['data without a shape', { a: { data: good } }, { code: 'shape_mismatch', layer: 'a' }],
    ['a shape that does not fit', { a: { data: good, shape: [8, 9] } }, { code: 'shape_mismatch', layer: 'a' }],
    ['a negative size', { a: { data: good, shape: [-8, -8] } }, { code: 'shape_mismatch', layer: 'a' }],
    ['a fractional size', { a: { data: good, shape: [0.5, 128] } }, { code: 'shape_mismatch', layer: 'a' }],
    ['a shape that is no array', { a: { data: good, shape: 64 } }, { code: 'shape_mismatch', layer: 'a' }],
    [
      'a name twice',
      [
        ['a', good],
        ['a', good],
      ],
      { code: 'duplicate_layer', layer: 'a' },
    ],
  ])('%s is refused', async (_, weights, expected) => {
    const callback = jest.fn();
    const promise = quantizer.quantizeBatchWithProgress(weights, 4, callback);
    await expect(promise).rejects.toMatchObject({ name: 'QuantizeError', ...expected });
    await expect(promise).rejects.toBeInstanceOf(QuantizeError);
    expect(callback).not.toHaveBeenCalled();
  });

  test('a detached buffer is refused, and named', async () => {
    const data = randomWeights(64);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    await expect(quantizer.quantizeBatch({ fine: good, gone: data }, 4)).rejects.toMatchObject({
      code: 'detached_buffer',
      layer: 'gone',
    });
  });

  test('what the caller throws while it is read becomes the cause', async () => {
    const cause = new Error('out of data');
    const weights = {
      *[Symbol.iterator]() {
        yield ['a', good];
        throw cause;
      },
    };
    await expect(quantizer.quantizeBatch(weights, 4)).rejects.toMatchObject({ name: 'QuantizeError', cause });
    const getter = {
      get data() {
        throw cause;
      },
    };
    await expect(quantizer.quantizeBatch({ a: getter }, 4)).rejects.toMatchObject({ name: 'QuantizeError', cause });
  });

  test('texts name the layer, shortened where its name is absurdly long', async () => {
    const name = 'x'.repeat(10_000);
    const error = await quantizer.quantizeBatch({ [name]: [1] }, 4).catch((reason) => reason);
    expect(error.layer).toBe(name);
    expect(error.message).toContain('xxx');
    expect(error.message.length).toBeLessThan(400);
  });
});

describe('options of a batch', () => {
  test.each([
    ['groupSize', 100],
    ['groupSize', 0],
    ['groupSize', '128'],
    ['symmetric', 1],
    ['continueOnError', 'yes'],
    ['transfer', 0],
    ['profile', 'desktop'],
    ['profile', 'toString'],
    ['output', {}],
    ['signal', 'stop'],
    ['signal', { aborted: false, addEventListener: () => undefined }],
  ])('%s: %p is refused by name', async (name, value) => {
    const error = await quantizer.quantizeBatch({ a: good }, 4, { [name]: value }).catch((reason) => reason);
    expect(error).toMatchObject({ name: 'QuantizeError', code: 'invalid_option' });
    expect(error.message).toContain(name);
  });

  test('options that are no object are refused', async () => {
    await expect(quantizer.quantizeBatch({ a: good }, 4, 'fast')).rejects.toMatchObject({ code: 'invalid_option' });
  });

  test('null and undefined options are the defaults', async () => {
    for (const options of [null, undefined, {}, { groupSize: undefined, symmetric: undefined, signal: null }]) {
      const layer = (await quantizer.quantizeBatch({ a: good }, undefined, options)).get('a');
      expect(layer).toMatchObject({ bitWidth: 4, groupSize: 128, symmetric: false });
    }
  });
});

describe('options of file work', () => {
  test.each([
    ['rules', 'norm'],
    ['rules', [null]],
    ['rules', [{ name: 'no condition' }]],
    ['rules', [{ name: 'no expression', when: { name: 'conv(' } }]],
    ['progress', 5],
    ['onTensor', 'log'],
    ['onEvent', {}],
    ['metrics', 'yes'],
  ])('%s: %p is refused by name, before a file is looked for', async (name, value) => {
    const error = await quantizer.quantizeFile('none', 'none', { [name]: value }).catch((reason) => reason);
    expect(error).toMatchObject({ name: 'QuantizeError', code: 'invalid_option' });
    expect(error.message).toContain(name);
  });

  test.each([
    [{ name: 7, when: { rankBelow: 2 } }, 'rules[1].name'],
    [{ name: 'mine', when: { rankBelow: 2 }, unless: {} }, '"unless"'],
    [{ name: 'mine', when: {} }, 'rules[1].when'],
    [{ name: 'mine', when: { name: undefined } }, 'rules[1].when'],
    [{ name: 'mine', when: { nmae: /x/ } }, '"nmae"'],
    [{ name: 'mine', when: { module: 'x' } }, 'rules[1].when.module'],
    [{ name: 'mine', when: { rankBelow: 'a' } }, 'rules[1].when.rankBelow'],
    [{ name: 'mine', when: { fewerElementsThan: NaN } }, 'rules[1].when.fewerElementsThan'],
    [{ name: 'mine', when: { dtypeNotIn: 5 } }, 'rules[1].when.dtypeNotIn'],
    [{ name: 'mine', when: { dtypeNotIn: [5] } }, 'rules[1].when.dtypeNotIn'],
  ])('the rule %j is refused, and its fault named', async (rule, says) => {
    const rules = [{ name: 'good', when: { name: /x/, rankBelow: undefined } }, rule];
    const error = await quantizer.quantizeFile('none', 'none', { rules }).catch((reason) => reason);
    expect(error).toMatchObject({ name: 'QuantizeError', code: 'invalid_option' });
    expect(error.message).toContain(says);
  });

  test.each([[undefined], [3], [null]])('%p is no name of a tensor', async (name) => {
    await expect(quantizer.readTensor('none', name)).rejects.toMatchObject({
      code: 'invalid_option',
      message: `Invalid option: name is ${name}, must be the name of a tensor, a string`,
    });
  });

  test.each([
    ['https://example.org/out.gguf?key=secret', 'https://example.org/out.gguf'],
    ['file:///tmp/out.gguf', 'file:///tmp/out.gguf'],
    [new URL('file:///tmp/out.gguf'), 'file:///tmp/out.gguf'],
  ])('the sink %s is no place to write to', async (sink, shown) => {
    await expect(quantizer.quantizeFile('none', sink, { type: 'Q8_0' })).rejects.toMatchObject({
      code: 'invalid_option',
      message: `Invalid option: the output is the URL "${shown}", but only paths, handles and streams can be written to`,
    });
  });

  test('what a getter throws becomes the cause', async () => {
    const cause = new Error('hands off');
    const options = {
      get metrics() {
        throw cause;
      },
    };
    await expect(quantizer.quantizeFile('none', 'none', options)).rejects.toMatchObject({
      code: 'invalid_option',
      cause,
    });
  });

  test('what a source throws when it is looked at becomes the cause', async () => {
    const cause = new Error('hands off');
    const source = {
      get size() {
        throw cause;
      },
    };
    await expect(quantizer.inspectFile(source)).rejects.toMatchObject({ code: 'invalid_option', cause });
  });

  test('a path with a NUL character is refused by name', async () => {
    const says = /^Invalid option: (source|sink|a) is [^\n]*NUL character[^\n]*$/;
    for (const call of [
      quantizer.inspectFile('in\0.safetensors'),
      quantizer.quantizeFile('in.safetensors', 'out\0.safetensors'),
      quantizer.compareFiles('in\0.safetensors', 'other.safetensors'),
    ]) {
      const error = await call.catch((reason) => reason);
      expect(error.code).toBe('invalid_option');
      expect(error.message).toMatch(says);
    }
  });
});

describe('precision', () => {
  const facts = async (owner, bits, options) => {
    const { bitWidth, groupSize } = (await owner.quantizeBatch({ a: good }, bits, options)).get('a');
    return [bitWidth, groupSize];
  };

  test('profiles give bits and group size; what is said explicitly wins', async () => {
    expect(await facts(quantizer, undefined, { profile: 'edge' })).toEqual([2, 256]);
    expect(await facts(quantizer, undefined, { profile: 'local' })).toEqual([4, 128]);
    expect(await facts(quantizer, undefined, { profile: 'cloud' })).toEqual([8, 64]);
    expect(await facts(quantizer, 4, { profile: 'cloud' })).toEqual([4, 64]);
    expect(await facts(quantizer, undefined, { profile: 'cloud', groupSize: 'tensor' })).toEqual([8, 'tensor']);
  });

  test('mode and profile of the quantizer are the defaults of its calls', async () => {
    const base = await ArrowQuant.create({ backend: 'single', mode: 'base' });
    const edge = await ArrowQuant.create({ backend: 'single', mode: 'base', profile: 'edge' });
    expect(await facts(base)).toEqual([4, 'tensor']);
    expect(await facts(base, 8, { groupSize: 32 })).toEqual([8, 32]);
    expect(await facts(edge)).toEqual([2, 256]);
    expect(await facts(edge, undefined, { profile: 'cloud' })).toEqual([8, 64]);
    await Promise.all([base.dispose(), edge.dispose()]);
  });
});

describe('create', () => {
  test.each([
    ['mode', 'turbo'],
    ['profile', 'desktop'],
    ['backend', 'gpu'],
    ['threads', 0],
    ['threads', 65],
    ['threads', 2.5],
    ['threads', '2'],
    ['startupTimeout', -1],
    ['startupTimeout', Number.POSITIVE_INFINITY],
  ])('%s: %p is refused by name', async (name, value) => {
    const error = await ArrowQuant.create({ [name]: value }).catch((reason) => reason);
    expect(error).toMatchObject({ name: 'QuantizeError', code: 'invalid_option' });
    expect(error.message).toContain(name);
  });
});

describe('dequantize', () => {
  test.each([
    ['nothing', () => undefined, 'invalid_weights'],
    ['no layer', () => ({ data: good }), 'invalid_weights'],
    ['scales of another type', (layer) => ({ ...layer, scales: [...layer.scales] }), 'invalid_weights'],
    ['an unknown bit width', (layer) => ({ ...layer, bitWidth: 5 }), 'invalid_bit_width'],
    ['an unknown group size', (layer) => ({ ...layer, groupSize: 7 }), 'invalid_option'],
    ['another shape', (layer) => ({ ...layer, shape: [8, 7] }), 'shape_mismatch'],
    ['a shape of 2^64 elements', (layer) => ({ ...layer, shape: [2 ** 32, 2 ** 32] }), 'shape_mismatch'],
    ['too few levels', (layer) => ({ ...layer, quantizedData: layer.quantizedData.slice(1) }), 'shape_mismatch'],
    ['too many scales', (layer) => ({ ...layer, scales: new Float32Array(9) }), 'shape_mismatch'],
    ['too many zero points', (layer) => ({ ...layer, zeroPoints: new Uint8Array(9) }), 'shape_mismatch'],
  ])('%s is refused', async (_, change, code) => {
    const layer = (await quantizer.quantizeBatch({ a: good }, 4)).get('a');
    await expect(quantizer.dequantize(change(layer))).rejects.toMatchObject({ name: 'QuantizeError', code });
  });
});

test('nothing throws: methods give promises whatever they are given', async () => {
  const hostile = new Proxy(
    {},
    {
      get() {
        throw new Error('hands off');
      },
    },
  );
  const methods = ['quantizeBatchWithProgress', 'quantizeBatch', 'dequantize', 'encode', 'decode'];
  const promises = methods.flatMap((name) => [
    quantizer[name](hostile, hostile, hostile, hostile),
    quantizer[name](layersOf(1), 4, hostile, hostile),
    quantizer[name](),
  ]);
  promises.push(ArrowQuant.create(hostile));
  for (const { reason } of await Promise.allSettled(promises)) expect(reason).toBeInstanceOf(QuantizeError);
});
