import { File } from 'node:buffer';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { killConversion } from '../support/models/kill.mjs';
import { goldenJson } from '../support/models/model-folder.mjs';
import { digests, kTinyLlama } from '../support/models/tiny-llama.mjs';
import { MemoryFolder } from '../support/models/web-folder.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kNvfp4 = { format: 'compressed-tensors', type: 'NVFP4A16' };
const kAsymmetric = { format: 'compressed-tensors', type: 'W4A16_ASYM' };
const kDouble = { format: 'bitsandbytes', doubleQuant: true };
const kMlc = { format: 'mlc', type: 'q4f32_1' };

const convert = (options) => quantizer.quantizeFile(kTinyLlama, folder.path('out'), options);
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const contents = (path) =>
  Object.fromEntries(
    readdirSync(path)
      .toSorted()
      .map((name) => [name, sha256(readFileSync(`${path}/${name}`))]),
  );

describe.each([[kNvfp4], [kAsymmetric], [kDouble], [kMlc]])('%j', (options) => {
  test('a call that is aborted leaves nothing', async () => {
    for (const after of [1, 7, 14]) {
      const controller = new AbortController();
      let done = 0;
      const onTensor = () => ++done === after && controller.abort();
      const call = convert({ ...options, onTensor, signal: controller.signal });
      await expect(call).rejects.toMatchObject({ code: 'aborted' });
      expect(existsSync(folder.path('out'))).toBe(false);
    }
  });

  test('a read that fails, whichever it is, leaves nothing', async () => {
    const whole = readFileSync(`${kTinyLlama}/model.safetensors`);
    const config = readFileSync(`${kTinyLlama}/config.json`);
    // Of the weights, one of them is no number: the last layer is found wrong when all others are done.
    const { model, at } = withNaN(whole, 'model.layers.1.mlp.up_proj.weight');
    const files = [new File([model], 'model.safetensors'), new File([config], 'config.json')];
    const call = quantizer.quantizeFile(files, folder.path('out'), options);
    await expect(call).rejects.toMatchObject({ code: 'not_finite' });
    expect([at > 0, existsSync(folder.path('out'))]).toEqual([true, false]);
  });

  test('a picked folder is as it was when there is no room', async () => {
    const sink = new MemoryFolder({ 'notes.txt': new Uint8Array(3) }, 50_000);
    await expect(quantizer.quantizeFile(kTinyLlama, sink, options)).rejects.toMatchObject({ code: 'disk_full' });
    expect([[...sink.files.keys()], sink.openStreams]).toEqual([['notes.txt'], 0]);
  });

  test('a picked folder gets the same files', async () => {
    const sink = new MemoryFolder();
    await quantizer.quantizeFile(kTinyLlama, sink, options);
    await convert(options);
    const own = [...sink.files].map(([name, bytes]) => [name, sha256(Buffer.from(bytes))]);
    expect(Object.fromEntries(own.toSorted())).toEqual(contents(folder.path('out')));
  });

  test('a run that was killed leaves what the next one removes', async () => {
    await killConversion(kTinyLlama, folder.path('out'), options, 8);
    expect(readdirSync(folder.path('out')).every((name) => name.startsWith('.arrowquant-'))).toBe(true);
    await convert(options);
    expect(readdirSync(folder.path('out')).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('threads and memory change nothing', async () => {
    await convert(options);
    const one = await ArrowQuant.create({ threads: 1 });
    try {
      await one.quantizeFile(kTinyLlama, folder.path('other'), { ...options, memoryLimit: 16 * 2 ** 20 });
    } finally {
      await one.dispose();
    }
    expect(contents(folder.path('other'))).toEqual(contents(folder.path('out')));
  });
});

/** A copy of a file in which the last weight of a tensor is no number. */
function withNaN(file, name) {
  const model = Buffer.from(file);
  const length = Number(model.readBigUInt64LE(0));
  const { [name]: entry } = JSON.parse(model.toString('utf8', 8, 8 + length));
  const at = 8 + length + entry.data_offsets[1] - 2;
  model.writeUInt16LE(0x7fc0, at);
  return { model, at };
}

test.each([
  [kNvfp4, 'llmcompressor', 'NVFP4A16'],
  [kAsymmetric, 'llmcompressor', 'W4A16_ASYM'],
  [kDouble, 'transformers-bitsandbytes', 'nf4_dq'],
])('a run that was killed is gone on with: %j', async (options, program, name) => {
  await killConversion(kTinyLlama, folder.path('out'), { ...options, resume: true }, 8);
  await convert({ ...options, resume: true });
  expect(digests(folder.path('out/model.safetensors'))).toEqual(goldenJson(`${program}/outputs.json`)[name].tensors);
  expect(readdirSync(folder.path('out')).filter((one) => one.startsWith('.'))).toEqual([]);
});
