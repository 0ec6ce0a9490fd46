import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { readGguf } from '../../peers/tiny-llama.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { kMakers } from '../support/models/diffusion-models.mjs';
import { modelFile } from '../support/models/safetensors.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kHidden = 256;

/** The rows of a tensor from `begin` to `end`, under another name. */
function rows(tensor, name, begin, end) {
  const [count, ...rest] = tensor.shape;
  const rowBytes = tensor.bytes.length / count;
  const bytes = tensor.bytes.subarray(begin * rowBytes, end * rowBytes);
  return { ...tensor, name, shape: [end - begin, ...rest], bytes };
}

const renamed = (tensor, name) => [{ ...tensor, name }];
/** One tensor as several, of the given rows. */
const split = (tensor, names, extents) => {
  let begin = 0;
  return names.map((name, i) => rows(tensor, name, begin, (begin += extents[i])));
};
const swapped = (tensor, name) => {
  const half = tensor.bytes.length / 2;
  return [{ ...tensor, name, bytes: Buffer.concat([tensor.bytes.subarray(half), tensor.bytes.subarray(0, half)]) }];
};

/**
 * Each family: modules of the original layout with the rows and columns of their weights (no columns: a parameter), and how
 * the library diffusers has each, as its scripts make them of original files.
 */
const kQkv = (to, extents = [kHidden, kHidden, kHidden]) => [
  3 * kHidden,
  kHidden,
  (t, end) =>
    split(
      t,
      to.map((one) => `${one}.${end}`),
      extents,
    ),
];
const kSame = (to, out = kHidden, columns = kHidden) => [out, columns, (t, end) => renamed(t, `${to}.${end}`)];
const kSwap = (to, out = 2 * kHidden, columns = kHidden) => [out, columns, (t, end) => swapped(t, `${to}.${end}`)];
const kParameter = (shape, to) => [shape, null, (t) => renamed(t, to)];
const attention = (block, names) => names.map((name) => `${block}.${name}`);

function fluxBlocks(index) {
  const [double, joint] = [`double_blocks.${index}`, `transformer_blocks.${index}`];
  const [single, alone] = [`single_blocks.${index}`, `single_transformer_blocks.${index}`];
  return {
    [`${double}.img_mod.lin`]: kSame(`${joint}.norm1.linear`, 6 * kHidden),
    [`${double}.txt_mod.lin`]: kSame(`${joint}.norm1_context.linear`, 6 * kHidden),
    [`${double}.img_attn.qkv`]: kQkv(attention(`${joint}.attn`, ['to_q', 'to_k', 'to_v'])),
    [`${double}.txt_attn.qkv`]: kQkv(attention(`${joint}.attn`, ['add_q_proj', 'add_k_proj', 'add_v_proj'])),
    [`${double}.img_attn.norm.query_norm.scale`]: kParameter([128], `${joint}.attn.norm_q.weight`),
    [`${double}.img_attn.norm.key_norm.scale`]: kParameter([128], `${joint}.attn.norm_k.weight`),
    [`${double}.txt_attn.norm.query_norm.scale`]: kParameter([128], `${joint}.attn.norm_added_q.weight`),
    [`${double}.txt_attn.norm.key_norm.scale`]: kParameter([128], `${joint}.attn.norm_added_k.weight`),
    [`${double}.img_attn.proj`]: kSame(`${joint}.attn.to_out.0`),
    [`${double}.txt_attn.proj`]: kSame(`${joint}.attn.to_add_out`),
    [`${double}.img_mlp.0`]: kSame(`${joint}.ff.net.0.proj`, 4 * kHidden),
    [`${double}.img_mlp.2`]: kSame(`${joint}.ff.net.2`, kHidden, 4 * kHidden),
    [`${double}.txt_mlp.0`]: kSame(`${joint}.ff_context.net.0.proj`, 4 * kHidden),
    [`${double}.txt_mlp.2`]: kSame(`${joint}.ff_context.net.2`, kHidden, 4 * kHidden),
    [`${single}.modulation.lin`]: kSame(`${alone}.norm.linear`, 3 * kHidden),
    [`${single}.linear1`]: [
      ...[7 * kHidden, kHidden],
      (t, end) =>
        split(
          t,
          ['attn.to_q', 'attn.to_k', 'attn.to_v', 'proj_mlp'].map((name) => `${alone}.${name}.${end}`),
          [kHidden, kHidden, kHidden, 4 * kHidden],
        ),
    ],
    [`${single}.linear2`]: kSame(`${alone}.proj_out`, kHidden, 5 * kHidden),
    [`${single}.norm.query_norm.scale`]: kParameter([128], `${alone}.attn.norm_q.weight`),
    [`${single}.norm.key_norm.scale`]: kParameter([128], `${alone}.attn.norm_k.weight`),
  };
}

function sd3Block(index, last) {
  const [block, joint] = [`joint_blocks.${index}`, `transformer_blocks.${index}`];
  const context = `${block}.context_block`;
  return {
    [`${block}.x_block.adaLN_modulation.1`]: kSame(`${joint}.norm1.linear`, 9 * kHidden),
    [`${context}.adaLN_modulation.1`]: last
      ? kSwap(`${joint}.norm1_context.linear`)
      : kSame(`${joint}.norm1_context.linear`, 6 * kHidden),
    [`${block}.x_block.attn.qkv`]: kQkv(attention(`${joint}.attn`, ['to_q', 'to_k', 'to_v'])),
    [`${block}.x_block.attn2.qkv`]: kQkv(attention(`${joint}.attn2`, ['to_q', 'to_k', 'to_v'])),
    [`${context}.attn.qkv`]: kQkv(attention(`${joint}.attn`, ['add_q_proj', 'add_k_proj', 'add_v_proj'])),
    [`${block}.x_block.attn.proj`]: kSame(`${joint}.attn.to_out.0`),
    [`${block}.x_block.attn2.proj`]: kSame(`${joint}.attn2.to_out.0`),
    [`${block}.x_block.attn.ln_q.weight`]: kParameter([64], `${joint}.attn.norm_q.weight`),
    [`${block}.x_block.attn.ln_k.weight`]: kParameter([64], `${joint}.attn.norm_k.weight`),
    [`${block}.x_block.attn2.ln_q.weight`]: kParameter([64], `${joint}.attn2.norm_q.weight`),
    [`${block}.x_block.attn2.ln_k.weight`]: kParameter([64], `${joint}.attn2.norm_k.weight`),
    [`${context}.attn.ln_q.weight`]: kParameter([64], `${joint}.attn.norm_added_q.weight`),
    [`${context}.attn.ln_k.weight`]: kParameter([64], `${joint}.attn.norm_added_k.weight`),
    [`${block}.x_block.mlp.fc1`]: kSame(`${joint}.ff.net.0.proj`, 4 * kHidden),
    [`${block}.x_block.mlp.fc2`]: kSame(`${joint}.ff.net.2`, kHidden, 4 * kHidden),
    ...(!last && {
      [`${context}.attn.proj`]: kSame(`${joint}.attn.to_add_out`),
      [`${context}.mlp.fc1`]: kSame(`${joint}.ff_context.net.0.proj`, 4 * kHidden),
      [`${context}.mlp.fc2`]: kSame(`${joint}.ff_context.net.2`, kHidden, 4 * kHidden),
    }),
  };
}

const auraAttention = (block, joint, pairs) =>
  Object.fromEntries(pairs.map(([to, from]) => [`${block}.attn.${to}`, kSame(`${joint}.attn.${from}`)]));
const auraFeedForward = (block, joint) => ({
  [`${block}.c_fc1`]: kSame(`${joint}.linear_1`, 2 * kHidden),
  [`${block}.c_fc2`]: kSame(`${joint}.linear_2`, 2 * kHidden),
  [`${block}.c_proj`]: kSame(`${joint}.out_projection`, kHidden, 2 * kHidden),
});
const auraDouble = (index) => {
  const [block, joint] = [`double_layers.${index}`, `joint_transformer_blocks.${index}`];
  return {
    ...auraAttention(block, joint, [
      ['w2q', 'to_q'],
      ['w2k', 'to_k'],
      ['w2v', 'to_v'],
      ['w2o', 'to_out.0'],
      ['w1q', 'add_q_proj'],
      ['w1k', 'add_k_proj'],
      ['w1v', 'add_v_proj'],
      ['w1o', 'to_add_out'],
    ]),
    ...auraFeedForward(`${block}.mlpX`, `${joint}.ff`),
    ...auraFeedForward(`${block}.mlpC`, `${joint}.ff_context`),
    [`${block}.modX.1`]: kSame(`${joint}.norm1.linear`, 6 * kHidden),
    [`${block}.modC.1`]: kSame(`${joint}.norm1_context.linear`, 6 * kHidden),
  };
};

const zImageBlock = (block) => ({
  [`${block}.attention.qkv`]: kQkv(attention(`${block}.attention`, ['to_q', 'to_k', 'to_v'])),
  [`${block}.attention.out`]: kSame(`${block}.attention.to_out.0`),
  [`${block}.attention.q_norm.weight`]: kParameter([128], `${block}.attention.norm_q.weight`),
  [`${block}.attention.k_norm.weight`]: kParameter([128], `${block}.attention.norm_k.weight`),
  [`${block}.feed_forward.w2`]: kSame(`${block}.feed_forward.w2`),
  [`${block}.ffn_norm1.weight`]: kParameter([kHidden], `${block}.ffn_norm1.weight`),
});

const kFamilies = {
  flux: {
    img_in: kSame('x_embedder', kHidden, 64),
    txt_in: kSame('context_embedder'),
    'time_in.in_layer': kSame('time_text_embed.timestep_embedder.linear_1'),
    'time_in.out_layer': kSame('time_text_embed.timestep_embedder.linear_2'),
    'vector_in.in_layer': kSame('time_text_embed.text_embedder.linear_1'),
    'vector_in.out_layer': kSame('time_text_embed.text_embedder.linear_2'),
    'guidance_in.in_layer': kSame('time_text_embed.guidance_embedder.linear_1'),
    'guidance_in.out_layer': kSame('time_text_embed.guidance_embedder.linear_2'),
    ...fluxBlocks(0),
    ...fluxBlocks(11),
    'final_layer.adaLN_modulation.1': kSwap('norm_out.linear'),
    'final_layer.linear': kSame('proj_out', 64),
  },
  sd3: {
    'x_embedder.proj.weight': kParameter([kHidden, 16, 2, 2], 'pos_embed.proj.weight'),
    pos_embed: kParameter([1, 36, kHidden], 'pos_embed.pos_embed'),
    context_embedder: kSame('context_embedder'),
    't_embedder.mlp.0': kSame('time_text_embed.timestep_embedder.linear_1'),
    't_embedder.mlp.2': kSame('time_text_embed.timestep_embedder.linear_2'),
    'y_embedder.mlp.0': kSame('time_text_embed.text_embedder.linear_1'),
    'y_embedder.mlp.2': kSame('time_text_embed.text_embedder.linear_2'),
    ...sd3Block(0, false),
    ...sd3Block(1, true),
    'final_layer.adaLN_modulation.1': kSwap('norm_out.linear'),
    'final_layer.linear': kSame('proj_out', 64),
  },
  aura: {
    't_embedder.mlp.0': kSame('time_step_proj.linear_1'),
    't_embedder.mlp.2': kSame('time_step_proj.linear_2'),
    cond_seq_linear: kSame('context_embedder'),
    init_x_linear: kSame('pos_embed.proj', kHidden, 64),
    positional_encoding: kParameter([1, 64, kHidden], 'pos_embed.pos_embed'),
    register_tokens: kParameter([1, 8, kHidden], 'register_tokens'),
    ...Object.assign({}, ...[0, 1, 2, 3].map(auraDouble)),
    ...auraAttention('single_layers.0', 'single_transformer_blocks.0', [
      ['w1q', 'to_q'],
      ['w1k', 'to_k'],
      ['w1v', 'to_v'],
      ['w1o', 'to_out.0'],
    ]),
    ...auraFeedForward('single_layers.0.mlp', 'single_transformer_blocks.0.ff'),
    'single_layers.0.modCX.1': kSame('single_transformer_blocks.0.norm1.linear', 6 * kHidden),
    'modF.1': kSwap('norm_out.linear'),
    final_linear: kSame('proj_out', 64),
  },
  z_image: {
    x_embedder: kSame('all_x_embedder.2-1', kHidden, 64),
    x_pad_token: kParameter([1, kHidden], 'x_pad_token'),
    cap_pad_token: kParameter([1, kHidden], 'cap_pad_token'),
    'cap_embedder.0.weight': kParameter([kHidden], 'cap_embedder.0.weight'),
    'cap_embedder.1': kSame('cap_embedder.1'),
    't_embedder.mlp.0': kSame('t_embedder.mlp.0'),
    ...zImageBlock('context_refiner.0'),
    ...zImageBlock('noise_refiner.0'),
    ...zImageBlock('layers.0'),
    'final_layer.linear': kSame('all_final_layer.2-1.linear', 64),
    'final_layer.adaLN_modulation.1': kSame('all_final_layer.2-1.adaLN_modulation.1'),
  },
};

const kPoolWeights = 40_009;
const pools = new Map();

/** Tensors of one pool of weights, each from another place on: to make all of them one by one takes a minute. */
const makerOf = (dtype) => (name, shape, seed) => {
  const pool = pools.get(dtype) ?? kMakers[dtype]('pool', [kPoolWeights], 1).bytes;
  pools.set(dtype, pool);
  const weightBytes = pool.length / kPoolWeights;
  const weights = shape.reduce((count, extent) => count * extent, 1);
  const first = ((seed * 977) % kPoolWeights) * weightBytes;
  const bytes = Buffer.alloc(weights * weightBytes, Buffer.concat([pool.subarray(first), pool.subarray(0, first)]));
  return { name, dtype, shape, bytes };
};

/** A model in both layouts: the same weights. */
function bothLayouts(family, dtype = 'BF16') {
  const make = makerOf(dtype);
  let seed = 1;
  const pairs = Object.entries(kFamilies[family]).flatMap(([name, [out, columns, layOut]]) => {
    if (columns === null) {
      const tensor = make(name, out, seed++);
      return [[tensor, layOut(tensor)]];
    }
    return ['weight', 'bias'].map((end) => {
      const tensor = make(`${name}.${end}`, end === 'weight' ? [out, columns] : [out], seed++);
      return [tensor, layOut(tensor, end)];
    });
  });
  return { original: pairs.map(([tensor]) => tensor), diffusers: pairs.flatMap(([, tensors]) => tensors) };
}

async function convert(tensors, options, name) {
  const input = folder.write(`${name}.safetensors`, modelFile(tensors));
  const report = await quantizer.quantizeFile(input, folder.path(`${name}.gguf`), options);
  const file = readFileSync(folder.path(`${name}.gguf`));
  const { tensors: stored } = readGguf(file);
  const bytes = new Map(
    stored.map(({ name: one, type, shape, bytes: data }) => [one, { type, shape, data: data.toString('base64') }]),
  );
  return { report, bytes };
}

describe.each(Object.keys(kFamilies))('%s in the layout of diffusers', (family) => {
  test.each([
    ['BF16', { type: 'Q4_K_M' }],
    ['F16', { type: 'Q8_0' }],
    ['F32', { type: 'F32' }],
  ])('was refused; from %s, with %j, it is what the original layout is, byte for byte', async (dtype, options) => {
    const { original, diffusers } = bothLayouts(family, dtype);
    const expected = await convert(original, options, 'original');
    const found = await convert(diffusers, options, 'diffusers');
    expect([...found.bytes.keys()].sort()).toEqual([...expected.bytes.keys()].sort());
    // The order of attention values, which the mixtures go by, is that of the file.
    for (const [name, stored] of expected.bytes) expect([name, found.bytes.get(name)]).toEqual([name, stored]);
    expect(found.report.architecture).toBe(expected.report.architecture);
    expect(found.report.notes[0]).toMatch(/in the layout of the library diffusers: it is written in the original/u);
    expect(found.report.dropped).toEqual([]);
  });

  test('is known behind the prefixes of pipelines as well', async () => {
    const { original, diffusers } = bothLayouts(family);
    const prefixed = diffusers.map((tensor) => ({ ...tensor, name: `transformer.${tensor.name}` }));
    const { bytes } = await convert(prefixed, { type: 'Q8_0' }, 'prefixed');
    expect([...bytes.keys()].sort()).toEqual(original.map(({ name }) => name).sort());
  });
});

/** What lies beside a transformer in one file with all of a pipeline. */
const kAutoencoder = kMakers.F16('vae.decoder.conv_in.weight', [64, 4, 3, 3], 77);

describe.each(['flux', 'sd3', 'z_image'])('a pipeline with %s in one file', (family) => {
  const pipeline = () => {
    const { original, diffusers } = bothLayouts(family);
    const tensors = diffusers.map((tensor) => ({ ...tensor, name: `transformer.${tensor.name}` }));
    return { original, tensors: [...tensors, kAutoencoder] };
  };

  test('lost its autoencoder without a word: for ComfyUI it is listed among what is left out', async () => {
    const { original, tensors } = pipeline();
    const { report, bytes } = await convert(tensors, { type: 'Q8_0' }, 'pipeline');
    expect([...bytes.keys()].sort()).toEqual(original.map(({ name }) => name).sort());
    expect(report.dropped.map(({ name }) => name)).toEqual([kAutoencoder.name]);
  });

  test('stays whole for stable-diffusion.cpp, with the prefix that it knows', async () => {
    const { original, tensors } = pipeline();
    const { report, bytes } = await convert(tensors, { type: 'Q8_0', for: 'sd.cpp' }, 'pipeline');
    const names = original.map(({ name }) => `model.diffusion_model.${name}`);
    expect([...bytes.keys()].sort()).toEqual([...names, kAutoencoder.name].sort());
    expect(bytes.get(kAutoencoder.name)).toMatchObject({ type: 'F16', shape: [64, 4, 3, 3] });
    expect(report.dropped).toEqual([]);
    expect(report.notes.at(-1)).toMatch(/takes the file with -m\.$/u);
  });
});

describe('a model in the layout of diffusers', () => {
  const refusal = async (tensors, options = {}) => {
    const input = folder.write('in.safetensors', modelFile(tensors));
    const call = quantizer.quantizeFile(input, folder.path('out.gguf'), { type: 'Q8_0', ...options });
    const error = await call.catch((reason) => reason);
    expect(folder.list().filter((name) => name.startsWith('out'))).toEqual([]);
    return { ...error, message: error.message };
  };

  test('that lacks a part of a tensor is refused, with the name of the part', async () => {
    for (const part of ['to_q', 'to_v']) {
      const { diffusers } = bothLayouts('flux');
      const lost = `transformer_blocks.11.attn.${part}.weight`;
      expect(await refusal(diffusers.filter(({ name }) => name !== lost))).toMatchObject({
        ...{ code: 'missing_tensor', layer: lost },
      });
    }
  });

  test('that has a tensor without a counterpart is refused, with its name', async () => {
    const { diffusers } = bothLayouts('flux');
    const more = kMakers.BF16('transformer_blocks.0.attn.mystery.weight', [256, 256], 9);
    expect(await refusal([...diffusers, more])).toMatchObject({
      ...{ code: 'unsupported_model', layer: more.name, message: expect.stringContaining('no known counterpart') },
    });
  });

  test('whose parts are of different types is refused, with what to do', async () => {
    const { diffusers } = bothLayouts('flux');
    const mixed = diffusers.map((tensor) =>
      tensor.name === 'transformer_blocks.0.attn.to_k.weight' ? kMakers.F32(tensor.name, tensor.shape, 3) : tensor,
    );
    expect(await refusal(mixed)).toMatchObject({
      code: 'unsupported_model',
      message: expect.stringMatching(/to_q\.weight".*cannot be joined \(BF16 and F32\).*make the whole model F16/u),
    });
  });

  test('whose halves are no whole rows is refused', async () => {
    const { diffusers } = bothLayouts('flux');
    const odd = diffusers.map((tensor) =>
      tensor.name.startsWith('norm_out') ? kMakers.BF16(tensor.name, [511, ...tensor.shape.slice(1)], 3) : tensor,
    );
    expect(await refusal(odd)).toMatchObject({
      ...{ code: 'unsupported_model', message: expect.stringContaining('halves of "norm_out.linear.weight"') },
    });
  });

  test('is reached by rules with the names that its parts have in the input', async () => {
    const { diffusers } = bothLayouts('flux');
    const input = folder.write('in.safetensors', modelFile(diffusers));
    const rules = [
      ['^transformer_blocks\\.0\\.attn\\.to_q', 'Q8_0'],
      ['^double_blocks\\.11\\.img_attn\\.qkv', 'Q6_K'],
    ];
    const { tensors, warnings } = await quantizer.plan(input, { type: 'Q4_0', rules });
    const typeOf = (name) => tensors.find(({ outputName }) => outputName === name).to;
    expect(typeOf('double_blocks.0.img_attn.qkv.weight')).toBe('Q8_0');
    expect(typeOf('double_blocks.11.img_attn.qkv.weight')).toBe('Q6_K');
    expect(warnings).toEqual([]);
  });

  test('is written as it is where the caller wants a file that nothing opens', async () => {
    const { diffusers } = bothLayouts('flux');
    const more = kMakers.BF16('transformer_blocks.0.attn.mystery.weight', [256, 256], 9);
    const { report } = await convert([...diffusers, more], { type: 'Q8_0', architecture: 'none' }, 'anyway');
    expect(report.tensors.map(({ outputName }) => outputName)).toContain(more.name);
    expect(report.opensIn).toEqual([]);
  });

  test('with two tensors for one place is refused, and the input is named', async () => {
    const { diffusers } = bothLayouts('flux');
    const again = kMakers.BF16('transformer_blocks.0.ff.linear_in.weight', [1024, 256], 9);
    expect(await refusal([...diffusers, again])).toMatchObject({
      ...{ code: 'duplicate_layer', layer: 'double_blocks.0.img_mlp.0.weight', file: folder.path('in.safetensors') },
    });
  });

  test('goes into safetensors as it is', async () => {
    const { diffusers } = bothLayouts('sd3');
    const input = folder.write('in.safetensors', modelFile(diffusers));
    const { tensors } = await quantizer.plan(input, { bits: 4 });
    expect(tensors.map(({ outputName }) => outputName).sort()).toEqual(diffusers.map(({ name }) => name).sort());
  });
});
