import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { modelFile } from '../support/models/safetensors.mjs';
import { copyCase } from './support/checkpoint.mjs';
import { caseNamed } from './support/cases.mjs';

const kCase = 'llama-gqa-rope3';
const kLayer = 'model.layers.0.self_attn.q_proj';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 1 });
});
afterAll(() => quantizer.dispose());

/** The tensors of a safetensors file, in its order. */
function tensorsOf(file) {
  const begin = 8 + Number(file.readBigUInt64LE());
  const entries = Object.entries(JSON.parse(file.subarray(8, begin).toString()));
  const tensors = entries.filter(([name]) => name !== '__metadata__');
  return tensors.map(([name, { dtype, shape, data_offsets: offsets }]) => {
    const [first, end] = offsets.map((offset) => begin + offset);
    return { name, dtype, shape, bytes: file.subarray(first, end) };
  });
}

/** A case in which the weights of one layer are fp8, each 2 or -2, with one scale that makes 3 of them. */
function writeFp8(parent, { config = {}, beside = {} }) {
  const input = copyCase(kCase, parent);
  const change = (name, make) => writeFileSync(path.join(input, name), make(path.join(input, name)));
  change('config.json', (file) => JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...config }));
  for (const [name, said] of Object.entries(beside)) change(name, () => JSON.stringify(said));
  change('model.safetensors', (file) => modelFile(tensorsOf(readFileSync(file)).flatMap(asFp8)));
  return input;
}

const f32 = (value) => Buffer.from(new Float32Array([value]).buffer);

const asFp8 = (tensor) =>
  tensor.name === `${kLayer}.weight`
    ? [
        {
          ...tensor,
          dtype: 'F8_E4M3',
          bytes: Buffer.alloc(tensor.shape[0] * tensor.shape[1], Buffer.from([0x40, 0xc0])),
        },
        { name: `${kLayer}.weight_scale`, dtype: 'F32', shape: [], bytes: f32(1.5) },
        { name: `${kLayer}.input_scale`, dtype: 'F32', shape: [], bytes: f32(0.25) },
      ]
    : [tensor];

const modelOpt = (quantization) => ({ 'hf_quant_config.json': { producer: { name: 'ModelOpt' }, quantization } });

async function converted(input, rules) {
  const output = folder.path('out.gguf');
  await quantizer.quantizeFile(input, output, { ...caseNamed(kCase).options, type: 'F32', rules });
  return readFileSync(output);
}

describe('weights that ModelOpt has quantized', () => {
  test('are decoded when a file of its own says so', async () => {
    const said = await converted(
      writeFp8(folder.path('a'), { config: { quantization_config: { quant_method: 'modelopt' } } }),
    );
    const beside = await converted(writeFp8(folder.path('b'), { beside: modelOpt({ quant_algo: 'FP8' }) }));
    expect(beside.equals(said)).toBe(true);
    const weights = Buffer.from(new Float32Array([3, -3, 3, -3]).buffer);
    expect(beside.includes(weights)).toBe(true);
  });

  test.each([
    [{ quant_algo: 'NVFP4' }],
    [{ quant_algo: 'MIXED_PRECISION', quantized_layers: { [kLayer]: { quant_algo: 'NVFP4' } } }],
  ])('are refused by name when that says %j', async (quantization) => {
    const call = converted(writeFp8(folder.path('a'), { beside: modelOpt(quantization) }));
    await expect(call).rejects.toMatchObject({ code: 'unsupported_dtype', layer: `${kLayer}.weight` });
    await expect(call).rejects.toThrow('NVFP4');
  });

  test.each([[[]], ['NVFP4']])('are not taken for others when it says %j', async (said) => {
    const call = converted(writeFp8(folder.path('a'), { beside: { 'hf_quant_config.json': said } }));
    await expect(call).rejects.toMatchObject({
      code: 'invalid_file',
      file: expect.stringContaining('hf_quant_config'),
    });
  });
});

describe('quantized weights of which nothing says how', () => {
  test('are refused', async () => {
    const call = converted(writeFp8(folder.path('a'), {}));
    await expect(call).rejects.toMatchObject({ code: 'unsupported_dtype' });
    await expect(call).rejects.not.toThrow('=drop');
  });

  test.each(['_scale$', 'weight_scale', 'q_proj\\.weight$'])('are not torn apart by the rule %s', async (pattern) => {
    const call = converted(writeFp8(folder.path('a'), {}), [[pattern, 'drop']]);
    await expect(call).rejects.toMatchObject({ code: 'invalid_option' });
    await expect(call).rejects.toThrow(JSON.stringify(`rule ${pattern}=drop`));
  });
});

test('factors of activations may be dropped', async () => {
  const config = { quantization_config: { quant_method: 'fp8' } };
  const input = writeFp8(folder.path('a'), { config });
  writeFileSync(
    path.join(input, 'model.safetensors'),
    modelFile(
      tensorsOf(readFileSync(path.join(input, 'model.safetensors'))).map((one) => ({
        ...one,
        name: one.name.replace('weight_scale', 'weight_scale_inv'),
      })),
    ),
  );
  await expect(converted(input)).rejects.toThrow("'^model.layers.[0-9]+.self_attn.q_proj.input_scale$=drop'");
  const file = await converted(input, [['input_scale', 'drop']]);
  expect(file.includes(Buffer.from(new Float32Array([3, -3]).buffer))).toBe(true);
});
