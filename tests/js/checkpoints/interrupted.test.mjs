import { appendFileSync, readFileSync } from 'node:fs';
import { WritableStream } from 'node:stream/web';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import { killConversion } from '../support/models/kill.mjs';
import { MemoryFolder } from '../support/models/web-folder.mjs';
import { caseNamed } from './support/cases.mjs';
import { copyCase } from './support/checkpoint.mjs';
import { sha256 } from './support/gguf-records.mjs';
import { pickedCase, pickedFile } from './support/picked.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

/** Several shards; with experts, several tensors become one. */
const kSharded = caseNamed('mistral-sharded');
const kExperts = caseNamed('qwen3moe');
const kLastShard = 'model-00005-of-00005.safetensors';

const convert = (source, more) => quantizer.quantizeFile(source, folder.path('out.gguf'), { type: 'Q8_0', ...more });

/** A conversion that fails leaves no file of its own, half or whole. */
async function expectNothing(call, error) {
  await expect(call).rejects.toMatchObject(error);
  expect(folder.list().filter((name) => name.includes('gguf') || name.includes('arrowquant'))).toEqual([]);
}

function expectOutput(file, { outputs }, outType = 'q8_0') {
  expect(sha256(file)).toBe(outputs[outType].sha256);
}

describe('an input that fails', () => {
  test('in one of its shards, when that is read', async () => {
    const picked = pickedCase(kSharded);
    const bytes = picked.bytes.get(kLastShard);
    const headerEnd = 8 + Number(bytes.readBigUInt64LE(0));
    const failing = pickedFile(kSharded.folder, kLastShard, bytes);
    const slice = failing.slice.bind(failing);
    failing.slice = (begin, end) =>
      end > headerEnd + 64
        ? { arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotReadableError')) }
        : slice(begin, end);
    const source = picked.files.map((file) => (file.name === kLastShard ? failing : file));
    await expectNothing(convert(source), { code: 'unreadable_input', file: kLastShard });
  });

  test.each([kLastShard, 'tokenizer.model', 'config.json'])('when %s changes while it is converted', async (name) => {
    const input = copyCase(kSharded.name, folder.at);
    const onTensor = () => appendFileSync(`${input}/${name}`, ' ');
    await expectNothing(convert(input, { onTensor }), { code: 'unreadable_input', file: `${input}/${name}` });
  });

  test('when a shard changes after the model was opened', async () => {
    const input = copyCase(kSharded.name, folder.at);
    const model = await quantizer.open(input);
    try {
      await model.plan({ type: 'Q8_0' });
      appendFileSync(`${input}/${kLastShard}`, ' ');
      await expect(model.read('model.norm.weight')).rejects.toMatchObject({ code: 'unreadable_input' });
    } finally {
      await model.close();
    }
  });
});

test.each([1, 9, 26])('a conversion that is aborted after %s tensors leaves nothing', async (after) => {
  const controller = new AbortController();
  let done = 0;
  const onTensor = () => {
    if (++done === after) controller.abort();
  };
  const options = { ...kExperts.options, onTensor, signal: controller.signal };
  await expectNothing(convert(kExperts.input, options), { code: 'aborted' });
  expect(done).toBeGreaterThanOrEqual(after);
});

describe.each([kSharded, kExperts])('a run of $name that was killed', (one) => {
  test.each(['Q8_0', 'Q4_K_M'])('is gone on with: %s', async (type) => {
    const options = { ...one.options, type, resume: true };
    const output = folder.path('out.gguf');
    await killConversion(one.input, output, options, 6);
    expect(folder.list()).not.toContain('out.gguf');
    await quantizer.quantizeFile(one.input, output, options);
    await quantizer.quantizeFile(one.input, folder.path('whole.gguf'), { ...one.options, type });
    expect(readFileSync(output).equals(readFileSync(folder.path('whole.gguf')))).toBe(true);
    if (type === 'Q8_0') expectOutput(readFileSync(output), one);
  });

  test('is begun anew where another file is wanted', async () => {
    const output = folder.path('out.gguf');
    await killConversion(one.input, output, { ...one.options, type: 'Q8_0', name: 'Another', resume: true }, 6);
    await quantizer.quantizeFile(one.input, output, { ...one.options, type: 'Q8_0', resume: true });
    expectOutput(readFileSync(output), one);
  });
});

describe.each([kSharded, kExperts])('$name', (one) => {
  test('goes to a stream as to a file', async () => {
    const chunks = [];
    const sink = new WritableStream({ write: (chunk) => void chunks.push(Buffer.from(chunk)) });
    await quantizer.quantizeFile(one.input, sink, { ...one.options, type: 'Q8_0' });
    expectOutput(Buffer.concat(chunks), one);
  });

  test('comes out of Files that were picked, and of a folder that was', async () => {
    await convert(pickedCase(one).files, one.options);
    expectOutput(readFileSync(folder.path('out.gguf')), one);
    const { bytes } = pickedCase(one);
    const handle = Object.assign(new MemoryFolder(Object.fromEntries(bytes)), { name: one.folder });
    await convert(handle, one.options);
    expectOutput(readFileSync(folder.path('out.gguf')), one);
  });

  test('is converted several times at once', async () => {
    const types = { Q8_0: 'q8_0', F16: 'f16', BF16: 'bf16', F32: 'f32' };
    const calls = Object.keys(types).map((type) =>
      quantizer.quantizeFile(one.input, folder.path(`${type}.gguf`), { ...one.options, type }),
    );
    await Promise.all(calls);
    for (const [type, outType] of Object.entries(types))
      expectOutput(readFileSync(folder.path(`${type}.gguf`)), one, outType);
  });
});
