import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import createModule from 'arrowquant/wasm';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';
import { randomWeights } from '../support/weights.mjs';

const folder = useFolder();
let quantizer;
let module;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ backend: 'single' });
  module = await createModule({ backend: 'single' });
});
afterAll(async () => {
  await quantizer.dispose();
  module.dispose();
});

const kWeights = { a: randomWeights(256) };
/** Of a family that is known by it. */
const kTensor = 'double_blocks.0.img_attn.proj.weight';
const kModel = modelFile([float32Tensor(kTensor, [64, 64])]);

/** Every method that takes options, as a call that succeeds with good ones. */
const kCalls = {
  create: async (options) => (await ArrowQuant.create({ backend: 'single', ...options })).dispose(),
  createModule: async (options) => (await createModule({ backend: 'single', ...options })).dispose(),
  'module.quantizeBatchWithProgress': (options) =>
    module.quantizeBatchWithProgress(new Map(Object.entries(kWeights)), 4, null, options),
  quantizeBatch: (options) => quantizer.quantizeBatch(kWeights, 4, options),
  quantizeBatchWithProgress: (options) => quantizer.quantizeBatchWithProgress(kWeights, 4, null, options),
  dequantize: async (options) => {
    const layer = (await quantizer.quantizeBatch(kWeights, 4)).get('a');
    return quantizer.dequantize(layer, options);
  },
  encode: (options) => quantizer.encode(kWeights.a, 'Q8_0', options),
  decode: (options) => quantizer.decode(new Uint8Array(34), 'Q8_0', options),
  quantizeFile: (options) =>
    quantizer.quantizeFile(folder.write('in.safetensors', kModel), folder.path('out.gguf'), options),
  plan: (options) => quantizer.plan(folder.write('in.safetensors', kModel), options),
  dequantizeFile: (options) =>
    quantizer.dequantizeFile(folder.write('in.safetensors', kModel), folder.path('out.safetensors'), options),
  compareFiles: (options) => {
    const path = folder.write('in.safetensors', kModel);
    return quantizer.compareFiles(path, path, options);
  },
  inspectFile: (options) => quantizer.inspectFile(folder.write('in.safetensors', kModel), options),
  readTensor: (options) => quantizer.readTensor(folder.write('in.safetensors', kModel), kTensor, options),
};

/** A misspelt option and what was meant, where that is no signal. */
const kMisspelt = {
  create: ['Thread', 'threads'],
  createModule: ['Thread', 'threads'],
  'module.quantizeBatchWithProgress': ['group_size', 'groupSize'],
};
/** What is given a copy of the options above. */
const kUncopied = { create: (options) => ArrowQuant.create(options), createModule };

const refusal = (says) => ({
  name: 'QuantizeError',
  code: 'invalid_option',
  message: expect.stringContaining(says),
});

describe.each(Object.entries(kCalls))('%s', (name, call) => {
  const [misspelt, meant] = kMisspelt[name] ?? ['singal', 'signal'];
  const uncopied = kUncopied[name] ?? call;

  test('refuses an option that there is not, and changes nothing', async () => {
    await expect(call({ nonsense: 1 })).rejects.toMatchObject(refusal('there is no option "nonsense"; known are '));
    expect(folder.list().filter((file) => file.startsWith('out'))).toEqual([]);
  });

  test('names the option that was meant', async () => {
    const says = `Invalid option: there is no option "${misspelt}"; did you mean "${meant}"?`;
    await expect(call({ [misspelt]: null })).rejects.toMatchObject(refusal(says));
  });

  test('lets options pass that have no value', async () => {
    await call({ [meant]: undefined, nonsense: undefined, [Symbol('mine')]: 1 });
  });

  test('gives what a getter throws as the cause', async () => {
    const cause = new Error('hands off');
    const options = Object.defineProperty({}, meant, {
      enumerable: true,
      get() {
        throw cause;
      },
    });
    await expect(uncopied(options)).rejects.toMatchObject({ code: 'invalid_option', cause });
  });

  test.each([
    ['a Promise', Promise.resolve({})],
    ['a Map', new Map([['signal', null]])],
    ['an array', []],
    ['the signal itself', new AbortController().signal],
    ['a function', () => undefined],
    ['true', true],
  ])('refuses %s, which has no options', async (_, options) => {
    await expect(uncopied(options)).rejects.toMatchObject(refusal('options is '));
  });
});

class Settings {
  #symmetric = true;
  get symetric() {
    return this.#symmetric;
  }
  get groupSize() {
    return 64;
  }
  helper() {
    return this;
  }
}
class GoodSettings extends Settings {
  get symetric() {
    return undefined;
  }
  get symmetric() {
    return true;
  }
}

test.each([
  ['a prototype', Object.create({ symetric: true })],
  ['a prototype of another realm', runInNewContext('Object.create({ symetric: true })')],
  ['a prototype that has none', Object.create(Object.assign(Object.create(null), { symetric: true }))],
  ['the accessor of a class', new Settings()],
])('an option of %s was read, but ignored where it was misspelt', async (_, options) => {
  const promise = quantizer.quantizeBatch(kWeights, 4, options);
  await expect(promise).rejects.toMatchObject(refusal('no option "symetric"; did you mean "symmetric"?'));
});

test.each([
  ['a prototype', Object.create({ symmetric: true, groupSize: 64 })],
  ['a prototype of another realm', runInNewContext('Object.create({ symmetric: true, groupSize: 64 })')],
  ['the accessors of a class', new GoodSettings()],
])('an option of %s is one', async (_, options) => {
  const layer = (await quantizer.quantizeBatch(kWeights, 4, options)).get('a');
  expect(layer).toMatchObject({ symmetric: true, groupSize: 64 });
});

test.each([
  [{ Type: 'Q8_0' }, 'type'],
  [{ rule: [['a', 'keep']] }, 'rules'],
  [{ onProgress: () => undefined }, 'progress'],
  [{ group_size: 32 }, 'groupSize'],
  [{ symetric: true }, 'symmetric'],
  [{ SplitSize: 1e6 }, 'splitSize'],
  [{ 'memory-limit': 1e8 }, 'memoryLimit'],
])('quantizeFile ignored %p', async (options, meant) => {
  const source = folder.write('in.safetensors', kModel);
  const promise = quantizer.quantizeFile(source, folder.path('out.safetensors'), options);
  await expect(promise).rejects.toMatchObject(refusal(`did you mean "${meant}"?`));
  expect(folder.list()).toEqual(['in.safetensors']);
});

test.each([
  [{ nmae: 'mine', when: { rankBelow: 2 } }, 'rules[0] has no key "nmae"; did you mean "name"?'],
  [{ name: 'mine', when: { rank_below: 2 } }, 'rules[0].when has no key "rank_below"; did you mean "rankBelow"?'],
  [{ name: 'mine', when: { rankBelow: null } }, 'rules[0].when has no condition'],
  [
    { name: 'mine', when: { dtypeNotIn: ['F16', 'FP32'] } },
    'rules[0].when.dtypeNotIn has no element type "FP32"; did you mean "F32"?',
  ],
  [{ name: 'mine', when: { dtypeNotIn: ['halves'] } }, 'no element type "halves"; known are F64, F32, '],
])('a rule with a misspelt part is refused: %j', async (rule, says) => {
  await expect(quantizer.plan('none', { rules: [rule] })).rejects.toMatchObject(refusal(says));
});

test.each([
  [{ type: 'Q8_0', bits: 4 }, 'bits has no meaning, because the output is a GGUF; leave it out'],
  [{ type: 'Q8_0', mode: 'base' }, 'mode has no meaning'],
  [
    { pure: false },
    'pure has no meaning, because the output is affine levels in safetensors; leave it out, or give a type for a GGUF',
  ],
  [{ architecture: 'flux' }, 'architecture has no meaning'],
  [{ for: 'sd.cpp' }, 'for has no meaning'],
])('an option of the other kind of output is refused: %p', async (options, says) => {
  const source = folder.write('in.safetensors', kModel);
  await expect(quantizer.plan(source, options)).rejects.toMatchObject(refusal(says));
});

test('a null stands for an option that is not given, everywhere', async () => {
  const nothing = (names) => Object.fromEntries(names.map((name) => [name, null]));
  const batch = nothing(['groupSize', 'symmetric', 'profile', 'continueOnError', 'transfer', 'output', 'signal']);
  const layer = (await quantizer.quantizeBatch(kWeights, null, batch)).get('a');
  expect(layer).toMatchObject({ bitWidth: 4, groupSize: 128, symmetric: false });
  expect(kWeights.a.length).toBe(256);
  const going = ['progress', 'onTensor', 'onEvent', 'signal', 'resume', 'durability', 'memoryLimit'];
  const gguf = nothing(['type', 'pure', 'architecture', 'for', 'f16Overflow', 'splitSize']);
  const affine = nothing(['bits', 'groupSize', 'symmetric', 'profile', 'mode']);
  const all = { ...gguf, ...affine, ...nothing(['rules', 'metrics', ...going]) };
  const source = folder.write('in.safetensors', kModel);
  expect((await quantizer.quantizeFile(source, folder.path('out.safetensors'), all)).type).toBe('int4 g128');
  expect((await quantizer.quantizeFile(source, folder.path('out.gguf'), all)).type).toBe('Q4_K_M');
  await quantizer.dequantizeFile(
    folder.path('out.gguf'),
    folder.path('back.safetensors'),
    nothing(['dtype', ...going]),
  );
  expect(await quantizer.readTensor(source, kTensor, nothing(['begin', 'end', 'signal']))).toHaveLength(4096);
  const none = nothing(['mode', 'profile', 'threads', 'startupTimeout']);
  await (await ArrowQuant.create({ backend: 'single', ...none })).dispose();
  await (await ArrowQuant.create(null)).dispose();
});

test.each([
  ['4', 'Invalid bit width: "4". Must be 2, 4, or 8'],
  ['', 'Invalid bit width: "". Must be 2, 4, or 8'],
  [3, 'Invalid bit width: 3. Must be 2, 4, or 8'],
  [4n, 'Invalid bit width: 4n. Must be 2, 4, or 8'],
  [NaN, 'Invalid bit width: NaN. Must be 2, 4, or 8'],
])('bits of %p are told from those that there are', async (bits, message) => {
  await expect(quantizer.quantizeBatch(kWeights, bits)).rejects.toMatchObject({ code: 'invalid_bit_width', message });
  await expect(quantizer.plan('none', { bits })).rejects.toMatchObject({ code: 'invalid_bit_width', message });
});

describe('types are known in any case of their letters', () => {
  test('of blocks', async () => {
    const blocks = await quantizer.encode(kWeights.a, 'Q4_K');
    expect(await quantizer.encode(kWeights.a, 'q4_k')).toEqual(blocks);
    expect(await quantizer.decode(blocks, 'q4_K')).toEqual(await quantizer.decode(blocks, 'Q4_K'));
    await expect(quantizer.encode(kWeights.a, 'q4k')).rejects.toMatchObject({ code: 'unknown_type' });
  });

  test('of files', async () => {
    const source = folder.write('in.safetensors', modelFile([float32Tensor(kTensor, [256, 256])]));
    const quantized = folder.path('out.gguf');
    expect((await quantizer.quantizeFile(source, quantized, { type: 'q4_k_m' })).type).toBe('Q4_K_M');
    await quantizer.dequantizeFile(quantized, folder.path('back.safetensors'), { dtype: 'bf16' });
    const [tensor] = (await quantizer.inspectFile(folder.path('back.safetensors'))).tensors;
    expect(tensor.type).toBe('BF16');
    const rules = [['a', 'q8_0']];
    const plan = await quantizer.plan(source, { type: 'q4_0', rules });
    expect(plan.tensors).toMatchObject([{ to: 'Q8_0', rule: 'rule a=Q8_0' }]);
    const all = (dtype) => [{ name: 'mine', when: { dtypeNotIn: [dtype] } }];
    const kept = async (dtype) => (await quantizer.plan(source, { rules: all(dtype) })).totals.kept;
    expect([await kept('f32'), await kept('F32'), await kept('q4_k')]).toEqual([0, 0, 1]);
    await expect(quantizer.plan(source, { type: 'q4_k_x' })).rejects.toMatchObject(
      refusal('type is "q4_k_x", must be'),
    );
  });
});
