import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { startHub } from '../support/hub.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { halfTensor, modelFile } from '../support/models/safetensors.mjs';

const kTensors = Array.from({ length: 6 }, (_, index) =>
  halfTensor(`layer.${String(index)}.weight`, [256, 256], index + 1),
);
const kModel = modelFile(kTensors);
const kShards = ['a-00001-of-00002.safetensors', 'a-00002-of-00002.safetensors'];
const kIndex = {
  weight_map: Object.fromEntries(kTensors.map(({ name }, index) => [name, kShards[index < 3 ? 0 : 1]])),
};
const kSharded = {
  'a.safetensors.index.json': Buffer.from(JSON.stringify(kIndex)),
  [kShards[0]]: modelFile(kTensors.slice(0, 3)),
  [kShards[1]]: modelFile(kTensors.slice(3)),
};
/** The model is of no family. */
const kSettings = { type: 'Q8_0', architecture: 'none' };

const folder = useFolder();
let quantizer;
let hub;
let options;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
beforeEach(async () => {
  hub = await startHub({
    'team/one': { files: { 'one.safetensors': kModel }, isPrivate: true },
    'team/sharded': { files: kSharded, isPrivate: true },
  });
  options = { hubUrl: `${hub.url}/`, accessToken: 'hf_valid', headers: { 'X-Team': 's3cret' } };
});
afterEach(() => hub.close());
afterAll(() => quantizer.dispose());

/** What is made of the model when it is a file here. */
async function localBytes(settings) {
  const input = folder.write('local.safetensors', kModel);
  await quantizer.quantizeFile(input, folder.path('local.gguf'), settings);
  return readFileSync(folder.path('local.gguf'));
}

const expectDiscreet = (value) => expect(JSON.stringify(value).match(/s3cret|hf_valid|signature/g) ?? []).toEqual([]);

describe.each(['hf:team/one', 'hf:team/sharded'])('%s is', (source) => {
  test('quantized to the same bytes as a file', async () => {
    const events = [];
    const report = await quantizer.quantizeFile(source, folder.path('out.gguf'), {
      ...{ ...options, ...kSettings, onEvent: (event) => events.push(event) },
    });
    expect(readFileSync(folder.path('out.gguf')).equals(await localBytes(kSettings))).toBe(true);
    const counts = events.filter(({ type }) => type === 'bytes').map(({ downloadedBytes }) => downloadedBytes);
    expect([...counts].sort((a, b) => a - b)).toEqual(counts);
    expect(counts.at(-1)).toBeGreaterThanOrEqual(kModel.length - 10_000);
    expect(report.totals.downloadedBytes).toBe(counts.at(-1));
    expectDiscreet([report, events, hub.fetched.map(({ headers }) => headers)]);
  });

  test('planned, inspected, opened, read, restored and compared with the same options', async () => {
    const file = folder.write('local.safetensors', kModel);
    const plan = await quantizer.plan(source, { ...options, ...kSettings });
    expect(plan.tensors.length).toBe(6);
    const inspection = await quantizer.inspectFile(source, options);
    expect(inspection.tensors.length).toBe(6);
    const model = await quantizer.open(source, options);
    const weights = await quantizer.readTensor(file, 'layer.5.weight');
    await expect(model.read('layer.5.weight')).resolves.toEqual(weights);
    await model.close();
    await expect(quantizer.readTensor(source, 'layer.5.weight', { ...options, begin: 5, end: 9 })).resolves.toEqual(
      weights.slice(5, 9),
    );
    await quantizer.dequantizeFile(source, folder.path('back.safetensors'), options);
    const { tensors } = await quantizer.compareFiles(source, folder.path('back.safetensors'), options);
    expect(tensors.filter(({ equal }) => equal).length).toBe(6);
    expectDiscreet([plan, inspection, tensors]);
  });

  test('refused without the token, in the words of the hub', async () => {
    const { hubUrl } = options;
    for (const call of [quantizer.plan(source, { hubUrl }), quantizer.inspectFile(source, { hubUrl })]) {
      await expect(call).rejects.toMatchObject({
        code: 'unreadable_input',
        message: expect.stringMatching(/needs an access token/),
      });
    }
  });
});

test('a shard that the hub has not got is missing, under the name of the hub', async () => {
  const files = Object.entries(kSharded).filter(([name]) => name !== kShards[1]);
  hub.models['team/sharded'].files = Object.fromEntries(files);
  const error = await quantizer.inspectFile('hf:team/sharded', options).catch((caught) => caught);
  expect(error).toMatchObject({ code: 'missing_shard', file: `hf:team/sharded/${kShards[1]}` });
  expectDiscreet({ ...error, message: error.message, stack: error.stack });
});

test('headers are for one server: two models on two are refused', async () => {
  const other = await startHub({ 'team/one': { files: { 'one.safetensors': kModel } } });
  const there = `${other.url}/team/one/resolve/main/one.safetensors`;
  try {
    await expect(quantizer.compareFiles('hf:team/one', there, options)).rejects.toThrow(/headers are for one server/);
    expect(other.requests).toEqual([]);
    const { tensors } = await quantizer.compareFiles('hf:team/one', there, { ...options, headers: null });
    expect(tensors.length).toBe(6);
    expect(other.requests[0].headers).not.toHaveProperty('authorization');
  } finally {
    await other.close();
  }
});

test('nothing is written to a hub', async () => {
  await expect(quantizer.quantizeFile('hf:team/one', 'hf:team/two/out.gguf', options)).rejects.toMatchObject({
    code: 'invalid_option',
    message: expect.stringMatching(/only paths, handles and streams can be written to/),
  });
});

test('programs in CommonJS read from it as well', async () => {
  const program = `
    const { ArrowQuant } = require('arrowquant');
    ArrowQuant.create({ backend: 'single' })
      .then((quantizer) => quantizer.inspectFile('hf:team/one', { hubUrl: process.argv[1], accessToken: 'hf_valid' }))
      .then(({ tensors }) => console.log(tensors.length));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--eval', program, hub.url]);
  expect(stdout).toBe('6\n');
});

test('a misspelt option is no option', async () => {
  await expect(quantizer.inspectFile('hf:team/one', { acessToken: 'hf_valid' })).rejects.toThrow(
    /did you mean "accessToken"/,
  );
});
