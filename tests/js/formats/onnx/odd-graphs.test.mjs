import { File } from 'node:buffer';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../../support/models/folder.mjs';
import { floatTensor, matMulModel, message, node, numbered, sized, value } from '../../support/onnx/wire.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 1 });
});
afterAll(() => quantizer.dispose());

const kValues = Array.from({ length: 64 * 8 }, (_, index) => Math.sin(index));
const bytesOf = (values) => Buffer.from(Float32Array.from(values).buffer);

/** Quantizes a model: the bytes of the file. */
async function quantized(bytes, options) {
  const output = path.join(folder.at, 'out.onnx');
  await quantizer.quantizeFile(new File([bytes], 'model.onnx'), output, options);
  return { written: readFileSync(output) };
}

describe('Branches in functions', () => {
  const kLarge = Array.from({ length: 300 }, (_, index) => 1 / (index + 1));
  const kBranch = message(
    sized(1, node('Add', ['large', 'small'], ['b'])),
    sized(2, 'branch'),
    sized(5, floatTensor('large', [300], kLarge)),
    sized(5, floatTensor('small', [2], [3.25, 7.125])),
    sized(12, value('b')),
  );
  const kAttribute = sized(5, message(sized(1, 'then_branch'), sized(6, kBranch), numbered(20, 5)));
  const kFunction = message(sized(1, 'f'), sized(7, node('If', ['c'], ['y'], kAttribute)), sized(10, 'a.domain'));
  const kModel = message(matMulModel(64, 8, kValues), sized(25, kFunction));

  test.each([{ type: 'q4' }, { type: 'q8' }, { type: 'q4', externalData: true }])(
    'keep their constants with %j',
    async (options) => {
      const { written } = await quantized(kModel, options);
      expect(written.includes(bytesOf(kLarge))).toBe(true);
      expect(written.includes(bytesOf([3.25, 7.125]))).toBe(true);
    },
  );
});
