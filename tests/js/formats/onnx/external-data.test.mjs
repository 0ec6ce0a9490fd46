import { File } from 'node:buffer';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { MemorySource, layOutModel, openOnnx } from '../../support/internals.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { goldenModel, writeExternalModel } from '../../support/onnx/golden.mjs';
import { message, model, numbered, sized } from '../../support/onnx/wire.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** A model with a weight of four f32 in another file. */
function modelWith(entries, dims = [4]) {
  const tensor = message(
    ...dims.map((size) => numbered(1, size)),
    numbered(2, 1),
    sized(8, 'w'),
    ...Object.entries(entries).map(([key, text]) => sized(13, message(sized(1, key), sized(2, text)))),
    numbered(14, 1),
  );
  const file = path.join(folder.at, 'model.onnx');
  writeFileSync(file, model([sized(2, 'g'), sized(5, tensor)]));
  return file;
}

describe('Weights in other files', () => {
  test('are read where they lie', async () => {
    writeFileSync(path.join(folder.at, 'a.bin'), Buffer.from(Float32Array.of(9, 1, 2, 3, 4).buffer));
    const file = modelWith({ location: './a.bin', offset: '4', length: '16' });
    expect([...(await quantizer.readTensor(file, 'w'))]).toEqual([1, 2, 3, 4]);
    const { files } = await quantizer.inspectFile(file);
    expect(files.map((name) => path.basename(name))).toEqual(['model.onnx', 'a.bin']);
  });

  test('are found among the Files of a page', async () => {
    const file = new File([readFileSync(modelWith({ location: 'a.bin' }))], 'model.onnx');
    const data = new File([Float32Array.of(5, 6, 7, 8)], 'a.bin');
    expect([...(await quantizer.readTensor([file, data], 'w'))]).toEqual([5, 6, 7, 8]);
  });

  test.each(['../a.bin', '/etc/passwd', 'C:\\a.bin', 'a\\b', 'x/../a.bin', 'a//b', '', 'a/.', 'http://a/b'])(
    'are not looked for outside of the folder: %j',
    async (location) => {
      const error = quantizer.inspectFile(modelWith({ location }));
      await expect(error).rejects.toMatchObject({ code: 'invalid_file' });
      await expect(error).rejects.toThrow(/which is no file in the folder of the model$/);
    },
  );

  test.each([
    ['offset', { location: 'a.bin', offset: '8' }],
    ['length', { location: 'a.bin', length: '17' }],
    ['offset', { location: 'a.bin', offset: '99999999999999999999' }],
    ['offset', { location: 'a.bin', offset: '-1' }],
    ['length', { location: 'a.bin', length: '1e1' }],
  ])('beyond the end of the file, or nowhere, are refused: %s %j', async (_, entries) => {
    writeFileSync(path.join(folder.at, 'a.bin'), Buffer.alloc(16));
    await expect(quantizer.inspectFile(modelWith(entries))).rejects.toMatchObject({ code: 'invalid_file' });
  });

  test('that are missing are named', async () => {
    const file = modelWith({ location: 'missing.bin' });
    await expect(quantizer.inspectFile(file)).rejects.toMatchObject({ code: 'missing_shard', file: 'missing.bin' });
    await expect(quantizer.inspectFile(file)).rejects.toThrow(/put it beside the model/);
  });
});

describe('Weights that are written', () => {
  const kForm = { externalData: 'auto', mostBytes: 100_000 };

  test('get a file of their own when the model would be too large', async () => {
    const { model: bert } = await openOnnx(new MemorySource('bert', readFileSync(goldenModel('bert'))));
    const { files, places } = layOutModel(bert, kForm, 'dir/model_q4.onnx');
    expect(files.map(({ name }) => name)).toEqual(['dir/model_q4.onnx', 'dir/model_q4.onnx_data']);
    expect(files[0].fileBytes).toBeLessThan(kForm.mostBytes);
    const inData = [...places].filter(([, { file }]) => file === 1);
    expect(inData.every(([{ data }]) => data.range.bytes >= 991)).toBe(true);
    const text = Buffer.concat(files[0].literals.map(({ bytes }) => bytes)).toString('latin1');
    expect(text).toContain('model_q4.onnx_data');
    expect(text).not.toContain('dir/');
  });

  test('stay in a model that has room for them, whatever they were before', async () => {
    const source = writeExternalModel(folder.at);
    const output = path.join(folder.at, 'one.onnx');
    const { files } = await quantizer.quantizeFile(source, output, { type: 'q4' });
    expect(files).toHaveLength(1);
    const direct = path.join(folder.at, 'direct.onnx');
    await quantizer.quantizeFile(goldenModel('bert'), direct, { type: 'q4' });
    expect(readFileSync(output).equals(readFileSync(direct))).toBe(true);
  });

  test('are refused where no model has room', async () => {
    const { model: bert } = await openOnnx(new MemorySource('bert', readFileSync(goldenModel('bert'))));
    const lay = (form) => () => layOutModel(bert, form, 'm.onnx');
    expect(lay({ externalData: false, mostBytes: 1000 })).toThrow(/an ONNX file 1000 at most/);
    expect(lay({ externalData: true, mostBytes: 1000 })).toThrow(/bytes without its weights/);
  });

  test('that cannot be read leave no file', async () => {
    const source = writeExternalModel(folder.at);
    const data = path.join(folder.at, 'model.onnx_data');
    const output = path.join(folder.at, 'out.onnx');
    const before = readdirSync(folder.at);
    const onTensor = () => writeFileSync(data, Buffer.alloc(10));
    const call = quantizer.quantizeFile(source, output, { type: 'q4', externalData: true, onTensor });
    await expect(call).rejects.toMatchObject({ code: 'unreadable_input' });
    expect(existsSync(output)).toBe(false);
    expect(readdirSync(folder.at)).toEqual(before);
  });

  test('are not written over the model that is read', async () => {
    const source = writeExternalModel(folder.at);
    const call = quantizer.quantizeFile(source, source, { type: 'q4' });
    await expect(call).rejects.toMatchObject({ code: 'unwritable_output' });
  });
});
