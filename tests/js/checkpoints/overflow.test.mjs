import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { runCommand } from '../cli/support/command.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { killConversion } from '../support/models/kill.mjs';
import { caseNamed, kOverflowing } from './support/cases.mjs';
import { sha256 } from './support/gguf-records.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kCase = caseNamed(kOverflowing);
/** The tensor with weights that F16 cannot hold, and one of them is too large for Q8_0's scales. */
const kTensor = 'blk.0.ffn_gate.weight';

const convert = (options) =>
  quantizer.quantizeFile(kCase.input, folder.path('out.gguf'), { ...kCase.options, ...options });

const warned = ({ warnings }) =>
  warnings.filter(({ code }) => code === 'infinite_weights').map(({ message }) => message);

describe.each(['F16', 'Q8_0'])('weights that %s cannot hold', (type) => {
  test('are as in the converter’s file, and the report names the tensor', async () => {
    const plan = await quantizer.plan(kCase.input, { ...kCase.options, type });
    expect(warned(plan)).toEqual([]);
    const report = await convert({ type });
    expect(sha256(readFileSync(folder.path('out.gguf')))).toBe(kCase.outputs[type.toLowerCase()].sha256);
    expect(warned(report)).toEqual([
      expect.stringContaining(`"${kTensor}" holds weights that are infinite or NaN in ${type}`),
    ]);
    const lost = report.tensors.filter(({ kept, rmse }) => !kept && rmse === null);
    expect(lost.map(({ name }) => name)).toEqual([kTensor]);
  });

  test('are told by the command, too, when the file is there', async () => {
    const { stderr, code } = await runCommand([
      'quantize',
      kCase.input,
      folder.path('out.gguf'),
      '--type',
      type,
      '--pre',
      'qwen2',
      '--quiet',
    ]);
    expect(code).toBe(0);
    expect(stderr.match(/^warning: .*$/gmu)).toEqual([expect.stringContaining(kTensor)]);
  });

  test('are told by a run that goes on with one that was killed', async () => {
    const options = { ...kCase.options, type, resume: true };
    await killConversion(kCase.input, folder.path('out.gguf'), options, 20);
    expect(warned(await convert({ type, resume: true }))).toEqual([expect.stringContaining(kTensor)]);
  });
});

test('what all types hold is not told', async () => {
  for (const type of ['F32', 'BF16']) expect(warned(await convert({ type }))).toEqual([]);
});

describe('who says what is to become of them', () => {
  test.each([
    ['F16', 'float_overflow'],
    ['Q8_0', 'scale_overflow'],
  ])('has them refused: %s', async (type, code) => {
    await expect(convert({ type, f16Overflow: 'error' })).rejects.toMatchObject({ code, layer: kTensor });
    expect(folder.list()).toEqual([]);
  });

  test('keeps them as F32', async () => {
    const report = await convert({ type: 'F16', f16Overflow: 'f32' });
    expect(report.tensors.find(({ name }) => name === kTensor)).toMatchObject({ to: 'F32', kept: true });
    expect(warned(report)).toEqual([]);
  });
});
