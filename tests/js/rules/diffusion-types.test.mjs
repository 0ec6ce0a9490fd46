import { describe, expect, test } from '@jest/globals';
import { DIFFUSION_FAMILIES, planTypes } from '../support/internals.mjs';
import {
  describeTensor,
  diffusersSet,
  familyNamed,
  matrices,
  originalSets,
  plan,
  planOf,
} from './support/diffusion-plans.mjs';

const kOpened = DIFFUSION_FAMILIES.filter(({ architecture }) => architecture !== null);
const kPrefixes = [
  ...['', 'model.diffusion_model.', 'model.', 'net.', 'diffusion_model.', 'transformer.', 'unet.'],
  ...['model.diffusion_model.model.diffusion_model.', 'model.diffusion_model.net.', 'model.net.'],
];

describe.each(kOpened.map((family) => [family.name, family]))('%s', (name, family) => {
  test.each(kPrefixes)('is known by its names after %j', (prefix) => {
    expect(originalSets(family).length).toBeGreaterThan(0);
    for (const set of originalSets(family)) {
      const found = plan(matrices(set, prefix));
      const notes = name === family.architecture ? [] : [`The model is ${name}.`];
      expect([found.architecture, found.notes]).toEqual([family.architecture, notes]);
      expect(found.opensIn).toContain('ComfyUI-GGUF');
      expect(found.decisions.map(({ outputName }) => outputName)).toEqual(matrices(set).map(([one]) => one));
    }
  });

  test('keeps what its entry says, and no other matrix', () => {
    const names = family.keep.map((part) =>
      part.startsWith('=') ? part.slice(1) : `${part.startsWith('.') ? 'a' : ''}${part}.weight`.replace('..', '.'),
    );
    const found = planOf(
      name,
      [...names, 'other.weight'].map((one) => [one, [512, 512], 'F16']),
    );
    for (const one of names) expect([one, ['keep', 'F32']]).toEqual([one, expect.arrayContaining([found.typeOf(one)])]);
    expect(found.typeOf('other.weight')).toBe('Q4_K');
  });
});

test.each(kOpened.filter(({ name, architecture }) => name === architecture).map(({ name }) => name))(
  '%s can be forced where the names tell nothing',
  (architecture) => {
    const found = plan([['a.weight', [256, 256]]], { architecture });
    expect([found.architecture, found.opensIn]).toEqual([architecture, []]);
    expect(found.notes).toEqual([
      `The tensors do not have the names that ${architecture} has: no program is known to open the file.`,
    ]);
  },
);

const kUnopened = DIFFUSION_FAMILIES.filter(({ architecture }) => architecture === null);

test.each(kUnopened.map((family) => [family.name, family]))(
  '%s is refused by its name, and gets the general rules of diffusion models where the caller wants it all the same',
  (name, family) => {
    const tensors = [
      ...matrices(family.detect[0]),
      ['blocks.7.mlp.weight', [512, 512]],
      ['t_embedder.mlp.0.weight', [512, 512]],
      ['final_layer.linear.weight', [512, 512]],
    ];
    expect(() => plan(tensors)).toThrow(
      expect.objectContaining({ code: 'unsupported_model', message: expect.stringContaining(`it is ${name}, which`) }),
    );
    const { typeOf, notes, opensIn } = plan(tensors, { architecture: 'none' });
    expect(['blocks.7.mlp', 't_embedder.mlp.0', 'final_layer.linear'].map((one) => typeOf(`${one}.weight`))).toEqual([
      ...['Q4_K', 'keep', 'keep'],
    ]);
    expect(opensIn).toEqual([]);
    expect(notes).toEqual([expect.stringMatching(new RegExp(`^The model is ${name}: .*no program`, 'u'))]);
  },
);

test.each(['flux', 'sd3', 'aura'])('%s in the layout of diffusers is refused, with the way out', (name) => {
  const tensors = [...matrices(diffusersSet(familyNamed(name))), ['x', [256]]];
  for (const hasFinalNames of [false, true]) {
    expect(() => plan(tensors, { hasFinalNames })).toThrow(
      expect.objectContaining({
        code: 'unsupported_model',
        message: expect.stringMatching(new RegExp(`it is ${name} in the layout of .*diffusers.*original layout`, 'u')),
      }),
    );
  }
});

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
  expect(typeOf('small.weight')).toBe('Q5_0');
  expect(of('conv.weight')).toMatchObject({ kind: 'keep', rule: 'rank above 2' });
  expect(typeOf('one.weight')).toBe('keep');
  expect(of('steps')).toMatchObject({ kind: 'keep', rule: 'no floats' });
});

test('what is neither weight nor bias is a parameter, which the program takes as F32 or F16 only', () => {
  const names = ['x_pad_token', 'cap_pad_token', 'img_emb.emb_pos', 'learnable_registers', 'pos_embed', 'a.modulation'];
  for (const dtype of ['BF16', 'F32', 'F16', 'F8_E4M3']) {
    const { typeOf } = planOf(
      'lumina2',
      names.map((name) => [name, [1, 3840], dtype]),
    );
    expect(names.map(typeOf)).toEqual(names.map(() => (dtype === 'F32' ? 'keep' : 'F32')));
  }
  const keyValue = (key) => (key === 'general.architecture' ? 'lumina2' : undefined);
  const inGguf = plan(
    ['BF16', 'Q8_0', 'F16', 'F32'].map((dtype) => [`${dtype}.pad_token`, [2, 3840], dtype]),
    { hasFinalNames: true, keyValue },
  );
  expect(inGguf.decisions.map(({ kind, type = null }) => [kind, type])).toEqual([
    ...[
      ['convert', 'F32'],
      ['convert', 'F32'],
    ],
    ...[
      ['keep', null],
      ['keep', null],
    ],
  ]);
});

test('a convolution of one dimension is not decoded by the program: BF16 becomes F32', () => {
  const { typeOf } = planOf('wan', [
    ['a.conv.weight', [64, 64, 3]],
    ['b.conv.weight', [64, 64, 3], 'F16'],
    ['c.conv.weight', [64, 64, 3, 3]],
  ]);
  expect(['a', 'b', 'c'].map((name) => typeOf(`${name}.conv.weight`))).toEqual(['F32', 'keep', 'keep']);
});

test('high precision is F32', () => {
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
  expect(typeOf('input_blocks.2.1.tiny.weight')).toBe('Q5_0');
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

  test('rows of no whole blocks get the next type of 32 weights, or F16', () => {
    const { of } = planOf(
      'flux',
      [
        ['a.weight', [256, 3104]],
        ['b.weight', [256, 3100]],
      ],
      { target: 'Q4_K_M' },
    );
    expect(of('a.weight')).toMatchObject({
      ...{ type: 'Q5_0', insteadOf: 'Q4_K', rule: 'row of 3104, no whole blocks of 256: Q5_0' },
    });
    expect(of('b.weight')).toMatchObject({ type: 'F16', insteadOf: 'Q4_K' });
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
  expect([architecture, notes]).toEqual(['sd1', [expect.stringContaining('not have the names')]]);
  expect(tensors.map(([name]) => typeOf(name))).toEqual(['Q4_K', 'Q5_0', 'keep', 'keep']);
  expect(of('model.x.weight')).toMatchObject({ outputName: 'model.x.weight', outputShape: [256, 320], keyValues: [] });
});

describe('a model that is not known', () => {
  const kUnknown = [['layer.0.weight', [512, 512]]];

  test.each([undefined, 'pig', 'cow', 'unknown'])('is refused, also in a GGUF of the architecture %s', (said) => {
    const keyValue = (key) => (key === 'general.architecture' ? said : undefined);
    const expected = expect.objectContaining({
      code: 'unsupported_model',
      message: expect.stringMatching(/architecture is not known.*architecture "none"/u),
    });
    expect(() => plan(kUnknown)).toThrow(expected);
    expect(() => plan(kUnknown, { hasFinalNames: true, keyValue })).toThrow(expected);
  });

  test.each([
    [
      'a language model',
      'model.layers.0.self_attn.q_proj.weight',
      /language model.*give the folder that has its config\.json and its tokenizer, or hf:/u,
    ],
    ['GPT-2', 'transformer.h.0.attn.c_attn.weight', /language model/u],
    ['T5', 'encoder.block.0.layer.0.SelfAttention.q.weight', /T5.*llama\.cpp's names/u],
    ['CLIP', 'text_model.encoder.layers.0.self_attn.q_proj.weight', /CLIP.*safetensors/u],
    ['OpenCLIP', 'transformer.resblocks.0.attn.in_proj_weight', /CLIP/u],
    ['an autoencoder', 'decoder.up.0.block.0.conv1.weight', /autoencoder/u],
    ['a LoRA as peft has it', 'base_model.model.model.layers.0.mlp.up_proj.lora_A.weight', /LoRA.*merge it/u],
    ['a LoRA', 'lora_unet_double_blocks_0_img_attn_proj.lora_down.weight', /LoRA.*quantize the model/u],
  ])('but is %s, is told so', (_, name, says) => {
    expect(() => plan([[name, [512, 512]]])).toThrow(says);
  });

  test('gets the general rules where the caller asks for that, and a note', () => {
    const tensors = [
      ['model.layers.0.self_attn.q_proj.weight', [512, 512]],
      ['model.layers.0.self_attn.v_proj.weight', [512, 512]],
      ['model.layers.0.experts.down', [4, 512, 512]],
      ['model.register_tokens', [4, 512]],
      ['model.layers.0.input_layernorm.weight', [512]],
      ['model.layers.0.q.bias', [2, 256]],
      ['model.narrow.weight', [512, 288]],
      ['model.odd.weight', [512, 33]],
      ['model.eighth.weight', [512, 512], 'F8_E4M3'],
      ['model.eighth.bias', [512], 'F8_E4M3'],
      ['ids', [512, 512], 'I64'],
    ];
    const { architecture, notes, typeOf, of } = plan(tensors, { architecture: 'none' });
    expect([architecture, notes]).toEqual([
      null,
      ['The architecture is not known: general rules apply, and no program is known to open the file.'],
    ]);
    expect(of('model.layers.0.self_attn.q_proj.weight').outputName).toBe('model.layers.0.self_attn.q_proj.weight');
    expect(typeOf('model.layers.0.self_attn.q_proj.weight')).toBe('Q4_K');
    expect(typeOf('model.layers.0.self_attn.v_proj.weight')).toBe('Q6_K');
    expect(typeOf('model.layers.0.experts.down')).toBe('Q4_K');
    expect(of('model.register_tokens')).toMatchObject({ kind: 'keep', rule: 'no weight' });
    expect(of('model.layers.0.input_layernorm.weight')).toMatchObject({ kind: 'keep', rule: 'norm' });
    expect(of('model.layers.0.q.bias')).toMatchObject({ kind: 'keep', rule: 'no weight' });
    expect(of('model.narrow.weight')).toMatchObject({ type: 'Q5_0', rule: 'row of 288, no whole blocks of 256: Q5_0' });
    expect(of('model.odd.weight')).toMatchObject({ kind: 'keep', rule: 'row of 33, no whole blocks' });
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
      { target: 'F32', architecture: 'none' },
    );
    expect(['a.norm.weight', 'a.weight', 'b'].map(typeOf)).toEqual(['F32', 'F32', 'keep']);
  });

  test('an architecture that there is not is an error that lists those there are', () => {
    expect(() => plan([['a', [1]]], { architecture: 'sd4' })).toThrow(
      /architecture is "sd4", must be one of .*qwen_image/u,
    );
  });
});

describe('a GGUF that says little', () => {
  test.each(['pig', 'cow', 'unknown', undefined])('(architecture %s) is known by its names, without prefix', (said) => {
    const keyValue = (key) => (key === 'general.architecture' ? said : undefined);
    const prefix = 'model.diffusion_model.';
    const tensors = [
      ...matrices(originalSets(familyNamed('flux'))[0], prefix),
      [`${prefix}time_in.in_layer.weight`, [512, 512], 'F16'],
      ['first_stage_model.decoder.conv_in.weight', [512, 4, 3, 3], 'F16'],
    ];
    const found = plan(tensors, { hasFinalNames: true, keyValue });
    expect([found.architecture, found.replacesArchitecture]).toEqual(['flux', true]);
    expect(found.of(`${prefix}time_in.in_layer.weight`)).toMatchObject({
      ...{ kind: 'keep', outputName: 'time_in.in_layer.weight', rule: 'flux: keep' },
    });
    expect(found.of('first_stage_model.decoder.conv_in.weight').kind).toBe('drop');
  });

  test('keeps the shape of joined rows by the new name', () => {
    const [[name]] = matrices(originalSets(familyNamed('sdxl'))[0], 'model.diffusion_model.');
    const joined = 'model.diffusion_model.input_blocks.1.0.in_layers.2.weight';
    const described = [
      ...matrices(originalSets(familyNamed('sdxl'))[0], 'model.diffusion_model.').map(describeTensor),
      { ...describeTensor([joined, [3600, 256], 'F16']), originalShape: [320, 320, 3, 3] },
    ];
    const { decisions } = planTypes({ tensors: described, target: 'Q8_0', hasFinalNames: true });
    expect(name.startsWith('model.')).toBe(true);
    expect(decisions.at(-1)).toMatchObject({
      outputName: 'input_blocks.1.0.in_layers.2.weight',
      keyValues: [{ key: 'comfy.gguf.orig_shape.input_blocks.1.0.in_layers.2.weight', values: [320, 320, 3, 3] }],
    });
  });

  test('is a language model where it has the facts of one, whatever its tensors are called', () => {
    const keyValue = (key) => ({ 'general.architecture': 'llama', 'llama.block_count': 2 })[key];
    const tensors = matrices(originalSets(familyNamed('flux'))[0]);
    const { architecture, opensIn } = plan(tensors, { hasFinalNames: true, keyValue });
    expect([architecture, opensIn]).toEqual(['llama', ['llama.cpp']]);
  });

  test('of a new architecture is a language model by its sizes or its names, and else refused', () => {
    const tensors = [['blk.0.ffn_up.weight', [512, 512]]];
    const withFacts = (facts) => ({ hasFinalNames: true, keyValue: (key) => facts[key] });
    const facts = { 'general.architecture': 'of-tomorrow', 'of-tomorrow.block_count': 1 };
    expect(plan(tensors, withFacts(facts))).toMatchObject({ architecture: 'of-tomorrow', opensIn: ['llama.cpp'] });
    const withoutSizes = withFacts({ 'general.architecture': 'of-tomorrow' });
    expect(plan(tensors, withoutSizes)).toMatchObject({ architecture: 'of-tomorrow', opensIn: [] });
    const others = [['layers.0.weight', [512, 512]]];
    expect(() => plan(others, withFacts({ 'general.architecture': 'mochi' }))).toThrow(
      expect.objectContaining({ code: 'unsupported_model' }),
    );
  });

  test('that says it is of a family without the names of it is written by its rules, but promised to nobody', () => {
    const keyValue = (key) => (key === 'general.architecture' ? 'flux' : undefined);
    const found = plan([['decoder.a.weight', [512, 512]]], { hasFinalNames: true, keyValue });
    expect(found).toMatchObject({ architecture: 'flux', opensIn: [], notIn: ['ComfyUI-GGUF', 'stable-diffusion.cpp'] });
    expect(found.notes).toEqual([expect.stringContaining('do not have the names that flux has')]);
  });
});

test('rules of the caller see both names, and the shape that is stored', () => {
  const tensors = [
    ...matrices(originalSets(familyNamed('sdxl'))[1], 'model.diffusion_model.'),
    ['model.diffusion_model.middle.2.weight', [4, 320, 8, 8], 'F16'],
  ];
  const outputOf = (pattern, type) =>
    plan(tensors, { rules: [{ name: 'mine', when: { name: pattern }, type }] }).typeOf(
      'model.diffusion_model.middle.2.weight',
    );
  expect(outputOf(/^middle/u, 'Q6_K')).toBe('Q6_K');
  expect(outputOf(/^model\.diffusion_model\.middle/gu, 'BF16')).toBe('BF16');
  expect(outputOf(/^middle/u, 'keep')).toBe('keep');
});
