import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../../support/models/folder.mjs';
import { kFamilies, writeFamily } from '../support/families.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 1 });
});
afterAll(() => quantizer.dispose());

const written = (name) =>
  writeFamily(
    kFamilies.find((family) => family.name === name),
    folder.path('.'),
  );
const options = { pre: 'qwen2', durability: 'none' };

describe('experts that are MXFP4 in a checkpoint', () => {
  test.each(['F16', 'Q8_0'])('stay MXFP4 in a file of the type %s', async (type) => {
    const report = await quantizer.quantizeFile(written('gpt-oss'), folder.path('out.gguf'), { ...options, type });
    const experts = report.tensors.filter(({ outputName }) => outputName.endsWith('_exps.weight'));
    expect(experts.map(({ to }) => to)).toEqual(Array(6).fill('MXFP4'));
  });

  test.each([{ type: 'Q4_K_M' }, { type: 'F16', via: 'BF16' }])(
    'are not quantized again: %j is refused, and leaves no file',
    async (wanted) => {
      const output = folder.path('out.gguf');
      await expect(quantizer.quantizeFile(written('gpt-oss'), output, { ...options, ...wanted })).rejects.toMatchObject(
        {
          code: 'unsupported_dtype',
          message: expect.stringMatching(/MXFP4.*F32, F16, BF16, Q8_0/u),
        },
      );
      expect(existsSync(output)).toBe(false);
    },
  );

  test('a rule cannot give them a type', async () => {
    const rules = ['*_exps.weight=Q8_0'];
    await expect(
      quantizer.quantizeFile(written('gpt-oss'), folder.path('out.gguf'), { ...options, type: 'F16', rules }),
    ).rejects.toMatchObject({ code: 'invalid_option' });
  });
});

test('experts that are floats are quantized', async () => {
  const report = await quantizer.quantizeFile(written('gpt-oss-bf16'), folder.path('out.gguf'), {
    ...options,
    type: 'Q4_0',
  });
  expect(report.tensors.find(({ outputName }) => outputName === 'blk.0.ffn_up_exps.weight').to).toBe('Q4_0');
});
