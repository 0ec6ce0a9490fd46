import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from '../../../../dist/index.js';
import { differencesFromGolden, goldenModel, goldenOutputs, writeExternalModel } from '../../support/onnx/golden.mjs';

const kModels = ['bert', 'cnn', 'decoder', 'decoder_op21'];

/** What the real programs were asked for, by the names of their files: `q4_b32_asym_gather`, `model_quantized`. */
function optionsOf(file) {
  const [maker, name] = file.replace('.onnx', '').split('/');
  const [, type, block, kind] = /^(?:model_|dyn_)?([a-z]+[0-9]*(?:f16)?)(?:_b(\d+)_(sym|asym))?/u.exec(name);
  const isBlocks8 = maker.startsWith('ort') && type === 'q8';
  return {
    type: name === 'bnb4_fp4' ? 'fp4' : type === 'quantized' ? 'q8' : isBlocks8 ? 'nbits' : type,
    ...(isBlocks8 && { bits: 8 }),
    ...(block !== undefined && { groupSize: Number(block), symmetric: kind === 'sym' }),
    ...(name.endsWith('_acc4') && { accuracyLevel: 4 }),
    ...(name.endsWith('_gather') && { embeddings: true }),
    ...(name.endsWith('_qdq') && { onnxForm: 'qdq' }),
    onnxRuntime: maker === 'ort-1.32.0' ? '1.32' : maker === 'tjs-839c350b' ? '1.23' : '1.20',
  };
}

describe('Files that ONNX Runtime and transformers.js wrote', () => {
  let quantizer;
  let folder;
  beforeAll(async () => {
    quantizer = await ArrowQuant.create({ threads: 2 });
    folder = mkdtempSync(path.join(tmpdir(), 'arrowquant-onnx-'));
  });
  afterAll(async () => {
    await quantizer.dispose();
    rmSync(folder, { recursive: true });
  });

  describe.each(kModels)('of %s', (model) => {
    test.each(Object.entries(goldenOutputs(model)))('%s', async (file, golden) => {
      const output = path.join(folder, `${model}.onnx`);
      await quantizer.quantizeFile(goldenModel(model), output, optionsOf(file));
      expect(differencesFromGolden(output, golden)).toEqual([]);
    });
  });

  test.each(Object.entries(goldenOutputs('bert_extdata')).filter(([file]) => file.endsWith('.onnx')))(
    'with weights in a file of their own: %s',
    async (file, golden) => {
      const source = writeExternalModel(folder);
      const output = path.join(mkdtempSync(path.join(folder, 'x')), path.basename(file));
      await quantizer.quantizeFile(source, output, { ...optionsOf(file), externalData: true });
      expect(differencesFromGolden(output, golden)).toEqual([]);
      const data = goldenOutputs('bert_extdata')[`${file}_data`];
      expect(differencesFromGolden(`${output}_data`, data)).toEqual([]);
    },
  );
});
