import { describe, expect, test } from '@jest/globals';
import { DIFFUSION_FAMILIES, planTypes } from '../support/internals.mjs';

const describeTensor = ([name, shape, dtype = 'BF16']) => ({
  name,
  dtype,
  shape,
  elements: shape.reduce((count, extent) => count * extent, 1),
  // GGUF has no type for it.
  ...(dtype.startsWith('F8_') && { keptAs: 'F16' }),
});

/** `tensors` are [name, shape, dtype = BF16]; what is said of a tensor can be had by its input name. */
function plan(tensors, { target = 'Q4_K_M', hasFinalNames = false, ...rest } = {}) {
  const described = tensors.map(describeTensor);
  const result = planTypes({ tensors: described, target, hasFinalNames, ...rest });
  const of = (name) => result.decisions[described.findIndex((tensor) => tensor.name === name)];
  const typeOf = (name) => (of(name).kind === 'convert' ? of(name).type : of(name).kind);
  return { ...result, of, typeOf };
}

const isDiffusersSet = (family) => (set) => set.some((name) => family.diffusersLayout?.includes(name));
const originalSets = (family) => family.detect.filter((set) => !isDiffusersSet(family)(set));
const diffusersSet = (family) => family.detect.find(isDiffusersSet(family));

/** Matrices of the names in `set`, with a prefix. */
const matrices = (set, prefix = '') => set.map((name) => [prefix + name, [512, 512]]);

const familyNamed = (architecture) => DIFFUSION_FAMILIES.find((family) => family.architecture === architecture);
const planOf = (architecture, tensors, options) =>
  plan([...matrices(originalSets(familyNamed(architecture))[0]), ...tensors], options);

describe.each(DIFFUSION_FAMILIES.map((family) => [family.architecture, family]))('%s', (architecture, family) => {
  test.each(['', 'model.diffusion_model.', 'model.', 'net.'])('is known by its names after %j', (prefix) => {
    expect(originalSets(family).length).toBeGreaterThan(0);
    for (const set of originalSets(family)) {
      const found = plan(matrices(set, prefix));
      expect([found.architecture, found.notes]).toEqual([architecture, []]);
      expect(found.decisions.map(({ outputName }) => outputName)).toEqual(set);
    }
  });

  test('keeps what its entry says, and no other matrix', () => {
    const names = family.keep.map((part) =>
      part.startsWith('=') ? part.slice(1) : `${part.startsWith('.') ? 'a' : ''}${part}.weight`.replace('..', '.'),
    );
    const found = planOf(
      architecture,
      [...names, 'other.weight'].map((name) => [name, [512, 512], 'F16']),
    );
    for (const name of names) expect([name, found.of(name).kind]).toEqual([name, 'keep']);
    expect(found.typeOf('other.weight')).toBe('Q4_K');
  });

  test('can be forced where the names tell nothing', () => {
    const found = plan([['a.weight', [256, 256]]], { architecture });
    expect(found.architecture).toBe(architecture);
    expect(found.notes).toEqual([`The tensors do not have the names that ${architecture} has.`]);
  });
});

test.each(['flux', 'sd3', 'aura'])(
  '%s in the layout of diffusers is told, and gets the general rules',
  (architecture) => {
    const {
      architecture: found,
      notes,
      typeOf,
    } = plan([...matrices(diffusersSet(familyNamed(architecture))), ['x', [256]]]);
    expect(found).toBeNull();
    expect(notes).toEqual([
      expect.stringMatching(new RegExp(`^This is ${architecture} in the layout of .*diffusers`, 'u')),
    ]);
    expect(typeOf('x')).toBe('keep');
  },
);

test('what is not quantized becomes BF16, F16 or F32, by what it was', () => {
  const { typeOf, of } = planOf('flux', [
    ['img_in.weight', [3072, 64]],
    ['img_in.half.weight', [3072, 64], 'F16'],
    ['img_in.single.weight', [3072, 64], 'F32'],
    ['img_in.quarter.weight', [3072, 64], 'F8_E4M3'],
    ['a.bias', [3072]],
    ['b.bias', [3072], 'F16'],
    ['c.bias', [3072], 'F8_E5M2'],
    ['small.weight', [32, 32]],
    ['conv.weight', [64, 64, 3, 3]],
    ['one.weight', [1, 3072]],
    ['steps', [4], 'I64'],
  ]);
  expect(of('img_in.weight')).toMatchObject({ kind: 'keep', rule: 'flux: keep', outputShape: [3072, 64] });
  expect(typeOf('img_in.half.weight')).toBe('keep');
  expect(typeOf('img_in.single.weight')).toBe('F16');
  expect(typeOf('img_in.quarter.weight')).toBe('F16');
  expect(typeOf('a.bias')).toBe('F32');
  expect(typeOf('b.bias')).toBe('keep');
  expect(typeOf('c.bias')).toBe('F16');
  // The converter makes it F32, llama.cpp then quantizes it if its rows allow it.
  expect(typeOf('small.weight')).toBe('F16');
  expect(of('conv.weight')).toMatchObject({ kind: 'keep', rule: 'rank above 2' });
  expect(typeOf('one.weight')).toBe('keep');
  expect(of('steps')).toMatchObject({ kind: 'keep', rule: 'no floats' });
});

test('high precision is F32, unless the file has F16', () => {
  const wan = planOf('wan', [
    ['blocks.0.modulation', [1, 6, 1536]],
    ['blocks.1.modulation', [1, 6, 1536], 'F16'],
  ]);
  expect(wan.of('blocks.0.modulation')).toMatchObject({ type: 'F32', rule: 'wan: high precision' });
  expect(wan.typeOf('blocks.1.modulation')).toBe('keep');
  const hidream = planOf('hidream', [['double_stream_blocks.0.block.ff_i.gate.weight', [4, 2560]]]);
  expect(hidream.typeOf('double_stream_blocks.0.block.ff_i.gate.weight')).toBe('F32');
});

test('rank 5 stays F32, and only some families have it', () => {
  const { of, mostDimensions } = planOf('wan', [['patch_embedding.weight', [1536, 16, 1, 2, 2]]]);
  expect(of('patch_embedding.weight')).toMatchObject({ type: 'F32', outputShape: [1536, 16, 1, 2, 2], keyValues: [] });
  expect([mostDimensions, planOf('flux', []).mostDimensions]).toEqual([5, 4]);
});

test('a U-Net stores what has no whole blocks as rows of 256, with the shape beside it', () => {
  const tensors = [
    ['input_blocks.1.0.in_layers.2.weight', [320, 320, 3, 3], 'F16'],
    ['input_blocks.0.0.weight', [320, 4, 3, 3], 'F16'],
    ['input_blocks.1.1.proj_in.weight', [320, 320], 'F16'],
    ['input_blocks.2.1.wide.weight', [320, 1024], 'F16'],
    ['input_blocks.2.1.tiny.weight', [2, 128], 'F16'],
    ['out.2.weight', [4, 319, 3, 3], 'F16'],
  ];
  const { of, typeOf } = planOf('sdxl', tensors);
  expect(of('input_blocks.1.0.in_layers.2.weight')).toEqual({
    kind: 'convert',
    type: 'Q4_K',
    rule: 'matrix',
    outputName: 'input_blocks.1.0.in_layers.2.weight',
    outputShape: [3600, 256],
    keyValues: [{ key: 'comfy.gguf.orig_shape.input_blocks.1.0.in_layers.2.weight', values: [320, 320, 3, 3] }],
  });
  expect(of('input_blocks.0.0.weight')).toMatchObject({ kind: 'keep', rule: 'sdxl: keep', outputShape: [45, 256] });
  expect(of('input_blocks.1.1.proj_in.weight').outputShape).toEqual([400, 256]);
  expect(of('input_blocks.2.1.wide.weight').outputShape).toEqual([320, 1024]);
  expect(of('input_blocks.2.1.tiny.weight').outputShape).toEqual([2, 128]);
  expect(of('out.2.weight').outputShape).toEqual([4, 319, 3, 3]);
  expect(typeOf('input_blocks.2.1.tiny.weight')).toBe('keep');
  expect(planOf('flux', [tensors[0]]).of(tensors[0][0]).keyValues).toEqual([]);
});

test('other parts of a checkpoint, and leftovers of training, are left out and counted', () => {
  const { of, notes } = plan([
    ...matrices(originalSets(familyNamed('cosmos'))[0], 'model.diffusion_model.'),
    ['model.diffusion_model.blocks.0.attn._extra_state', [4]],
    ['first_stage_model.encoder.conv_in.weight', [128, 3, 3, 3]],
  ]);
  expect(of('first_stage_model.encoder.conv_in.weight')).toEqual({
    kind: 'drop',
    rule: 'not in model.diffusion_model.',
    asked: false,
  });
  expect(of('model.diffusion_model.blocks.0.attn._extra_state').kind).toBe('drop');
  expect(notes).toEqual([expect.stringMatching(/^2 tensors are left out/u)]);
});

describe('mixtures', () => {
  const kNames = {
    value: ['blocks.0.attn.to_v.weight', 'a.v.weight', 'a.attn.w1v.weight', 'x_attn.v_proj.weight'],
    fused: ['double_blocks.0.img_attn.qkv.weight', 'b.attention.qkv.weight', 'c.attn_qkv.weight'],
    down: [
      'a.ffn.2.weight',
      'a.ff.net.2.weight',
      'a.mlp.layer2.weight',
      'a.experts.3.w2.weight',
      'a.feed_forward.w2.weight',
    ],
    other: ['a.to_q.weight', 'a.ff.net.0.proj.weight', 'a.linear1.weight'],
  };
  /** By file type: values, fused attention, feed-forward outputs, others. */
  const kMixtures = {
    Q2_K: ['Q3_K', 'Q2_K', 'Q2_K', 'Q2_K'],
    Q3_K_S: ['Q3_K', 'Q3_K', 'Q3_K', 'Q3_K'],
    Q3_K_M: ['Q4_K', 'Q4_K', 'Q4_K', 'Q3_K'],
    Q3_K_L: ['Q5_K', 'Q4_K', 'Q5_K', 'Q3_K'],
    Q4_K_S: ['Q4_K', 'Q4_K', 'Q5_K', 'Q4_K'],
    Q4_K_M: ['Q6_K', 'Q5_K', 'Q6_K', 'Q4_K'],
    Q5_K_S: ['Q5_K', 'Q5_K', 'Q5_K', 'Q5_K'],
    Q5_K_M: ['Q6_K', 'Q6_K', 'Q6_K', 'Q5_K'],
    Q6_K: ['Q6_K', 'Q6_K', 'Q6_K', 'Q6_K'],
    Q4_0: ['Q4_0', 'Q4_0', 'Q4_1', 'Q4_0'],
    Q5_0: ['Q5_0', 'Q5_0', 'Q5_1', 'Q5_0'],
    Q8_0: ['Q8_0', 'Q8_0', 'Q8_0', 'Q8_0'],
    IQ4_XS: ['IQ4_XS', 'IQ4_XS', 'IQ4_XS', 'IQ4_XS'],
    F16: ['F16', 'F16', 'F16', 'F16'],
  };
  const shape = [256, 512];
  const first = Array.from({ length: 4 }, (_, i) => [`first.${String(i)}.to_v.weight`, shape]);
  const tensors = [
    ...first,
    ...Object.values(kNames)
      .flat()
      .map((name) => [name, shape]),
  ];

  test.each(Object.entries(kMixtures))('%s', (target, types) => {
    const { typeOf } = planOf('flux', tensors, { target });
    Object.values(kNames).forEach((names, i) => {
      for (const name of names) expect([name, typeOf(name)]).toEqual([name, types[i]]);
    });
    const pure = planOf('flux', tensors, { target, pure: true });
    for (const [name] of tensors) expect(pure.typeOf(name)).toBe(types[3]);
  });

  test.each([
    ['Q3_K_M', ['Q5_K', 'Q5_K', 'Q4_K', 'Q4_K']],
    ['Q4_K_S', ['Q5_K', 'Q5_K', 'Q5_K', 'Q5_K']],
  ])('%s gives the first attention values of the file more bits', (target, types) => {
    const { typeOf } = planOf('flux', tensors, { target });
    expect(first.map(([name]) => typeOf(name))).toEqual(types);
  });

  test('rows of no whole blocks become F16', () => {
    const { of } = planOf(
      'flux',
      [
        ['a.weight', [256, 3104]],
        ['b.weight', [256, 3100]],
      ],
      { target: 'Q4_K_M' },
    );
    expect(of('a.weight')).toMatchObject({ type: 'F16', rule: 'row of 3104, no whole blocks of 256: F16' });
    expect(planOf('flux', [['a.weight', [256, 3104]]], { target: 'Q8_0' }).typeOf('a.weight')).toBe('Q8_0');
    expect(planOf('flux', [['b.weight', [256, 3100]]], { target: 'Q8_0' }).typeOf('b.weight')).toBe('F16');
  });
});

test('a GGUF of a family is quantized further; what stays keeps its type, name and shape', () => {
  const tensors = [
    ['input_blocks.1.0.in_layers.2.weight', [3600, 256], 'F16'],
    ['model.x.weight', [256, 320], 'F16'],
    ['time_embed.0.weight', [1280, 320], 'BF16'],
    ['norm.bias', [320], 'F32'],
  ];
  const keyValue = (key) => (key === 'general.architecture' ? 'sd1' : undefined);
  const { typeOf, of, architecture, notes } = plan(tensors, { hasFinalNames: true, keyValue });
  expect([architecture, notes]).toEqual(['sd1', []]);
  expect(tensors.map(([name]) => typeOf(name))).toEqual(['Q4_K', 'keep', 'keep', 'keep']);
  expect(of('model.x.weight')).toMatchObject({ outputName: 'model.x.weight', outputShape: [256, 320], keyValues: [] });
});

describe('a model that is not known', () => {
  test('gets the general rules, and a note', () => {
    const { architecture, notes, typeOf, of } = plan([
      ['model.layers.0.self_attn.q_proj.weight', [512, 512]],
      ['model.layers.0.self_attn.v_proj.weight', [512, 512]],
      ['model.layers.0.experts.down', [4, 512, 512]],
      ['model.layers.0.input_layernorm.weight', [512]],
      ['model.layers.0.q.bias', [2, 256]],
      ['model.narrow.weight', [512, 288]],
      ['model.eighth.weight', [512, 512], 'F8_E4M3'],
      ['model.eighth.bias', [512], 'F8_E4M3'],
      ['ids', [512, 512], 'I64'],
    ]);
    expect([architecture, notes]).toEqual([null, ['The architecture is not known: general rules apply.']]);
    expect(of('model.layers.0.self_attn.q_proj.weight').outputName).toBe('model.layers.0.self_attn.q_proj.weight');
    expect(typeOf('model.layers.0.self_attn.q_proj.weight')).toBe('Q4_K');
    expect(typeOf('model.layers.0.self_attn.v_proj.weight')).toBe('Q6_K');
    expect(typeOf('model.layers.0.experts.down')).toBe('Q4_K');
    expect(of('model.layers.0.input_layernorm.weight')).toMatchObject({ kind: 'keep', rule: 'norm' });
    expect(of('model.layers.0.q.bias')).toMatchObject({ kind: 'keep', rule: 'bias' });
    expect(of('model.narrow.weight')).toMatchObject({ kind: 'keep', rule: 'row of 288, no whole blocks of 256' });
    expect(typeOf('model.eighth.weight')).toBe('Q4_K');
    expect(typeOf('model.eighth.bias')).toBe('F16');
    expect(of('ids')).toMatchObject({ kind: 'keep', rule: 'no floats' });
  });

  test('F32 is all F32', () => {
    const { typeOf } = plan(
      [
        ['a.norm.weight', [8], 'F16'],
        ['a.weight', [2, 2]],
        ['b', [2], 'I32'],
      ],
      { target: 'F32' },
    );
    expect(['a.norm.weight', 'a.weight', 'b'].map(typeOf)).toEqual(['F32', 'F32', 'keep']);
  });

  test('an architecture that there is not is an error that lists those there are', () => {
    expect(() => plan([['a', [1]]], { architecture: 'sd4' })).toThrow(
      /architecture is "sd4", must be one of .*qwen_image/u,
    );
  });
});

test('rules of the caller see both names, and the shape that is stored', () => {
  const tensors = [
    ...matrices(originalSets(familyNamed('sdxl'))[1], 'model.diffusion_model.'),
    ['model.diffusion_model.out.2.weight', [4, 320, 3, 3], 'F16'],
  ];
  const outputOf = (pattern, type) =>
    plan(tensors, { rules: [{ name: 'mine', when: { name: pattern }, type }] }).typeOf(
      'model.diffusion_model.out.2.weight',
    );
  expect(outputOf(/^out\.2/u, 'Q6_K')).toBe('Q6_K');
  expect(outputOf(/^model\.diffusion_model\.out/gu, 'BF16')).toBe('BF16');
  expect(outputOf(/^out\.2/u, 'keep')).toBe('keep');
  expect(() =>
    plan([['a.weight', [4, 100]]], { rules: [{ name: 'rule a=Q8_0', when: { name: /a/u }, type: 'Q8_0' }] }),
  ).toThrow(/rule a=Q8_0 cannot apply to tensor "a\.weight"/u);
});
