import {
  cpSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { WritableStream } from 'node:stream/web';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { ggufFile, readGguf, tinyLlama } from '../../../peers/tiny-llama.mjs';
import { caseNamed } from '../../checkpoints/support/cases.mjs';
import { answer, rangeOf, useServers } from '../../runtime/support/server.mjs';
import { useFolder } from '../../support/models/folder.mjs';
import { golden, writeModelFolder } from '../../support/models/model-folder.mjs';
import { halfTensor, modelFile, readModel } from '../../support/models/safetensors.mjs';
import { kTinyLlama, sha256 } from '../../support/models/tiny-llama.mjs';
import { MemoryFolder } from '../../support/models/web-folder.mjs';

const folder = useFolder();
const servers = useServers();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kSplit = { splitSize: 1e6, metrics: false };

/** A GGUF of three files when its tensors are Q8_0. */
const kGguf = ggufFile(tinyLlama({ layers: 3 }));
const kToGguf = { type: 'Q8_0', ...kSplit };

/** A Llama under the names of transformers, whose shards cut through layers. */
const kLlama = [
  halfTensor('model.embed_tokens.weight', [2048, 256], 1),
  ...[0, 1, 2].flatMap((layer) =>
    [
      ...['q_proj', 'k_proj', 'v_proj', 'o_proj'].map((name) => [`self_attn.${name}`, [256, 256]]),
      ...['gate_proj', 'up_proj'].map((name) => [`mlp.${name}`, [1024, 256]]),
      ['mlp.down_proj', [256, 1024]],
    ].map(([name, shape], index) => halfTensor(`model.layers.${layer}.${name}.weight`, shape, 10 * layer + index + 2)),
  ),
  halfTensor('model.norm.weight', [256], 50),
  halfTensor('lm_head.weight', [2048, 256], 51),
];
const kNorms = [0, 1, 2].flatMap((layer) =>
  ['input', 'post_attention'].map((name) => halfTensor(`model.layers.${layer}.${name}_layernorm.weight`, [256], 80)),
);
const kConfig = { model_type: 'llama', num_hidden_layers: 3, torch_dtype: 'float16', tie_word_embeddings: false };

/** The GGUF with other weights in the middle of a tensor. */
function changedInside(model) {
  const changed = Buffer.from(model);
  const { bytes } = readGguf(changed).tensors.find((tensor) => tensor.bytes.length > 2e5);
  bytes.fill(0x3c, bytes.length >> 1, (bytes.length >> 1) + 4);
  return changed;
}

const isManifest = (name) => name.endsWith('.part.json');

/** The files of a folder but for manifests, with their digests. */
const filesIn = (place) =>
  Object.fromEntries(
    readdirSync(place)
      .filter((name) => !isManifest(name))
      .sort()
      .map((name) => [name, sha256(readFileSync(path.join(place, name)))]),
  );

/** Writes the output `name` in one run and in parts, the last one first, and compares; gives the reports of the parts. */
async function expectSame(input, name, options) {
  for (const place of ['whole', 'parts']) mkdirSync(folder.path(place));
  const [whole, parts] = [folder.path(`whole/${name}`), folder.path(`parts/${name}`)];
  const container = /\.(gguf|safetensors)$/.exec(name)?.[1];
  const plan = await quantizer.plan(input, { ...options, ...(container !== undefined && { container }) });
  await quantizer.quantizeFile(input, whole, options);
  const reports = [];
  for (let part = plan.output.parts.length; part > 0; --part) {
    const report = await quantizer.quantizeFile(input, parts, { ...options, part });
    expect(report.part).toMatchObject({ part, parts: plan.output.parts.length, leftAlone: false });
    const { files, bytes, tensors } = plan.output.parts[part - 1];
    expect(report.files).toHaveLength(files);
    // The index has the names of files in it, which a plan does not know.
    if (!report.files.some((file) => file.endsWith('.index.json'))) expect(report.totals.fileBytes).toBe(bytes);
    expect(report.tensors.map((one) => one.outputName).sort()).toEqual([...tensors].sort());
    reports.unshift(report);
  }
  const isFolder = container === undefined;
  const [a, b] = isFolder ? [whole, parts] : [path.dirname(whole), path.dirname(parts)];
  expect(filesIn(b)).toEqual(filesIn(a));
  expect(readdirSync(b).filter(isManifest)).toHaveLength(reports.length);
  expect(await quantizer.verifyFiles(parts)).toMatchObject({ whole: true, parts: reports.length, rerun: [] });
  return reports;
}

describe('parts are the files of one run, to the byte', () => {
  test('of a GGUF', async () => {
    const reports = await expectSame(folder.write('in.gguf', kGguf), 'out.gguf', kToGguf);
    expect(reports).toHaveLength(3);
  });

  test('of a GGUF in the files of its input', async () => {
    await quantizer.quantizeFile(
      folder.write('in.gguf', kGguf),
      folder.path('in.gguf'.replace('in', 'split')),
      kToGguf,
    );
    const input = readdirSync(folder.at).find((name) => name.startsWith('split-00001'));
    await expectSame(folder.path(input), 'out.gguf', { type: 'COPY', keepSplit: true, metrics: false });
  });

  test('of a GGUF of a checkpoint', async () => {
    const { input: small, options } = caseNamed('llama-hf-json');
    cpSync(small, folder.path('in'), { recursive: true });
    const config = JSON.parse(readFileSync(folder.path('in/config.json'), 'utf8'));
    const sizes = { hidden_size: 256, intermediate_size: 1024, num_hidden_layers: 3, head_dim: 64 };
    const heads = { num_attention_heads: 4, num_key_value_heads: 4 };
    const whole = { ...config, ...sizes, ...heads };
    const tensors = kLlama.map((tensor) => {
      const isVocabulary = tensor.shape[0] === 2048;
      return isVocabulary ? halfTensor(tensor.name, [config.vocab_size, 256], 70) : tensor;
    });
    writeModelFolder(folder.path('in'), [...tensors, ...kNorms], whole);
    await expectSame(folder.path('in'), 'out.gguf', { ...options, type: 'Q4_K_M', ...kSplit });
  });

  test('of safetensors, whose index is the first part’s', async () => {
    const input = folder.write('in.safetensors', modelFile(kLlama));
    const [first, second] = await expectSame(input, 'out.safetensors', { bits: 8, ...kSplit });
    expect(first.files.map((file) => path.basename(file))).toEqual([
      expect.stringMatching(/^out-00001-of-0000\d\.safetensors$/),
      'out.safetensors.index.json',
    ]);
    expect(second.files).toHaveLength(1);
  });

  test.each([
    ['mlx', { bits: 4 }],
    ['bitsandbytes', {}],
    ['bitsandbytes', { doubleQuant: true }],
    ['compressed-tensors', { type: 'W8A16' }],
    // Tensors of other parts are read for it: modules that programs hold as one have one extent.
    ['compressed-tensors', { type: 'NVFP4A16' }],
  ])('of a folder: %s with %j', async (format, options) => {
    const input = writeModelFolder(folder.path('in'), kLlama, kConfig);
    folder.write('in/tokenizer.json', '{}');
    const reports = await expectSame(input, 'out', { format, ...options, splitSize: 1e6 });
    expect(reports.length).toBeGreaterThan(1);
    expect(reports[0].files.map((file) => path.basename(file))).toContain('config.json');
  });

  test('of an output that fits into one file', async () => {
    const input = folder.write('in.gguf', kGguf);
    const whole = await quantizer.quantizeFile(input, folder.path('whole.gguf'), { type: 'Q8_0', splitSize: 1e9 });
    const report = await quantizer.quantizeFile(input, folder.path('out.gguf'), {
      type: 'Q8_0',
      splitSize: 1e9,
      part: 1,
    });
    expect(report.part).toMatchObject({ part: 1, parts: 1, manifest: folder.path('out.gguf.part.json') });
    expect(readFileSync(report.files[0]).equals(readFileSync(whole.files[0]))).toBe(true);
    expect(await quantizer.verifyFiles(folder.path('out.gguf'))).toMatchObject({ whole: true, parts: 1 });
  });
});

describe('a part', () => {
  const options = { bits: 8, ...kSplit };

  test('reads headers and its own tensors, and no others', async () => {
    const model = modelFile(kLlama);
    const { tensors } = readModel(model);
    const { url, requests } = await servers.serve((request, response) => answer(request, response, model));
    const report = await quantizer.quantizeFile(url('/in.safetensors'), folder.path('out.safetensors'), {
      ...options,
      part: 2,
    });
    const read = requests.slice(1).map((request) => rangeOf({ headers: request }, model.length));
    const own = report.tensors.map(({ name }) => tensors.get(name));
    const isOwn = ([begin, end]) => own.some((one) => begin < one.begin + one.bytes.length && one.begin < end);
    expect(read.filter((range) => !isOwn(range))).toEqual([]);
    const ownBytes = own.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const [headerBegin, headerEnd] = rangeOf({ headers: requests[0] }, model.length);
    expect(report.totals.downloadedBytes).toBeLessThanOrEqual(headerEnd - headerBegin + ownBytes + 2 ** 18);
    expect(report.totals.downloadedBytes).toBeLessThan(model.length / 2);
  });

  test('that is complete and right is left alone', async () => {
    const input = folder.write('in.gguf', kGguf);
    const convert = (more) => quantizer.quantizeFile(input, folder.path('out.gguf'), { ...kToGguf, part: 2, ...more });
    const { files } = await convert();
    utimesSync(files[0], 1000, 1000);
    const told = [];
    const again = await convert({ progress: (tensor, progress) => told.push(progress) });
    expect([told.length, told.at(-1)]).toEqual([again.tensors.length, 1]);
    expect(again).toMatchObject({ files, part: { part: 2, parts: 3, leftAlone: true } });
    expect(again.tensors.map(({ rmse }) => rmse)).toEqual(again.tensors.map(() => null));
    expect(statSync(files[0]).mtimeMs).toBe(1000_000);
    // Another place and name of the same model are no other model.
    mkdirSync(folder.path('other'));
    const copy = folder.write('other/model.gguf', kGguf);
    utimesSync(copy, 1000, 1000);
    const there = await quantizer.quantizeFile(copy, folder.path('out.gguf'), { ...kToGguf, part: 2 });
    expect(there.part.leftAlone).toBe(true);
  });

  test.each([
    ['is damaged', (file) => writeFileSync(file, Buffer.from(readFileSync(file)).fill(1, 9000, 9001)), {}],
    ['is too short', (file) => truncateSync(file, 1000), {}],
    ['is gone', (file) => unlinkSync(file), {}],
    ['has no manifest', (file) => unlinkSync(`${file}.part.json`), {}],
    ['has a manifest that is none', (file) => writeFileSync(`${file}.part.json`, '{'), {}],
    ['has other options', () => undefined, { effort: 'better' }],
  ])('that %s is written again', async (_, spoil, more) => {
    const input = folder.write('in.gguf', kGguf);
    const convert = (options) =>
      quantizer.quantizeFile(input, folder.path('out.gguf'), { ...kToGguf, part: 2, ...options });
    const { files } = await convert();
    const before = sha256(readFileSync(files[0]));
    spoil(files[0]);
    const report = await convert(more);
    expect(report.part.leftAlone).toBe(false);
    if (more.effort === undefined) expect(sha256(readFileSync(files[0]))).toBe(before);
    expect((await convert(more)).part.leftAlone).toBe(true);
    expect(folder.list().filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test.each([
    ['the same tag', { etag: '"one"' }, { etag: '"one"' }, kGguf, true],
    ['another tag', { etag: '"one"' }, { etag: '"two"' }, kGguf, false],
    // Then samples are read.
    ['no tag', { etag: [] }, { etag: [] }, kGguf, true],
    ['no tag, and other bytes in a tensor', { etag: [] }, { etag: [] }, changedInside(kGguf), false],
  ])('from a server that gives its input %s', async (_, first, second, contents, leftAlone) => {
    const reports = [];
    for (const [headers, model] of [
      [first, kGguf],
      [second, contents],
    ]) {
      const { url } = await servers.serve((request, response) => answer(request, response, model, headers));
      const output = folder.path('out.gguf');
      reports.push(await quantizer.quantizeFile(url('/in.gguf'), output, { ...kToGguf, part: 2 }));
    }
    expect(reports.map(({ part }) => part.leftAlone)).toEqual([false, leftAlone]);
  });

  test.each([
    // Samples tell.
    ['in the middle of one tensor, with the time that it had', (begin, end) => (begin + end) >> 1, 1000],
    // No sample is there; the time tells.
    ['where no samples are read, since the part was written', (begin, end) => begin + ((end - begin) >> 2), null],
  ])('is written again when its input was changed %s', async (_, place, seconds) => {
    const model = modelFile(kLlama);
    const input = folder.write('in.safetensors', model);
    utimesSync(input, 1000, 1000);
    const convert = () => quantizer.quantizeFile(input, folder.path('out.safetensors'), { ...options, part: 2 });
    await convert();
    expect((await convert()).part.leftAlone).toBe(true);
    const { begin, bytes } = readModel(model).tensors.get('model.layers.1.mlp.down_proj.weight');
    model.fill(0x3c, place(begin, begin + bytes.length), place(begin, begin + bytes.length) + 4);
    writeFileSync(input, model);
    if (seconds !== null) utimesSync(input, seconds, seconds);
    expect((await convert()).part.leftAlone).toBe(false);
    // What was written is newer than the change.
    if (seconds === null) expect((await convert()).part.leftAlone).toBe(true);
  });

  test('in whose place something unreadable lies is to be written, which says why it cannot', async () => {
    const input = folder.write('in.gguf', kGguf);
    const convert = () => quantizer.quantizeFile(input, folder.path('out.gguf'), { ...kToGguf, part: 2 });
    const { files } = await convert();
    unlinkSync(files[0]);
    mkdirSync(files[0]);
    await expect(convert()).rejects.toMatchObject({ code: 'unwritable_output', file: files[0] });
  });

  test('of another input of the same header is written again', async () => {
    const shifted = kLlama.map((tensor, index) => halfTensor(tensor.name, tensor.shape, index + 100));
    const convert = async (tensors) => {
      const input = folder.write('in.safetensors', modelFile(tensors));
      return quantizer.quantizeFile(input, folder.path('out.safetensors'), { ...options, part: 2 });
    };
    await convert(kLlama);
    expect((await convert(shifted)).part.leftAlone).toBe(false);
  });

  test('goes on where it was interrupted, beside another one', async () => {
    const input = folder.write('in.gguf', kGguf);
    const run = (part, more) =>
      quantizer.quantizeFile(input, folder.path('out.gguf'), { ...kToGguf, part, resume: true, ...more });
    const controller = new AbortController();
    const done = [];
    const interrupted = run(1, {
      signal: controller.signal,
      onTensor: ({ name }) => {
        done.push(name);
        if (done.length === 3) controller.abort();
      },
    });
    await expect(interrupted).rejects.toMatchObject({ code: 'aborted' });
    expect(folder.list()).toContain('.out-00001-of-00003.gguf.arrowquant-journal');
    await run(2);
    expect(folder.list()).toContain('.out-00001-of-00003.gguf.arrowquant-journal');
    await run(1);
    await run(3);
    expect(folder.list().filter((name) => name.startsWith('.'))).toEqual([]);
    expect((await quantizer.verifyFiles(folder.path('out.gguf'))).whole).toBe(true);
  });
});

test('one run for all files removes the manifests of those that it writes, and nothing else that is called so', async () => {
  const input = folder.write('in.gguf', kGguf);
  const output = folder.path('out.gguf');
  for (const part of [1, 2, 3]) await quantizer.quantizeFile(input, output, { ...kToGguf, part });
  const notes = folder.write('out-00003-of-00003.gguf.part.json', '{"notes":"mine"}');
  await quantizer.quantizeFile(input, output, { ...kToGguf, effort: 'better' });
  expect(folder.list().filter(isManifest)).toEqual([path.basename(notes)]);
});

describe('a part that fails leaves no file, and no manifest', () => {
  const options = { bits: 8, ...kSplit, part: 2 };

  test('because the input’s bytes are gone', async () => {
    const model = modelFile(kLlama);
    const { url } = await servers.serve((request, response, attempt) => {
      if (attempt > 4) response.writeHead(404).end();
      else answer(request, response, model);
    });
    const call = quantizer.quantizeFile(url('/in.safetensors'), folder.path('out.safetensors'), options);
    await expect(call).rejects.toMatchObject({ code: 'unreadable_input' });
    expect(folder.list()).toEqual([]);
  });

  test('because it is aborted, and the part that was there before stays', async () => {
    const input = folder.write('in.safetensors', modelFile(kLlama));
    const output = folder.path('out.safetensors');
    await quantizer.quantizeFile(input, output, options);
    const before = folder.list();
    const controller = new AbortController();
    const call = quantizer.quantizeFile(input, output, {
      ...{ ...options, groupSize: 64, signal: controller.signal },
      onTensor: () => controller.abort(),
    });
    await expect(call).rejects.toMatchObject({ code: 'aborted' });
    expect(folder.list()).toEqual(before);
    expect((await quantizer.quantizeFile(input, output, options)).part.leftAlone).toBe(true);
  });

  test('because its manifest has no place', async () => {
    const input = folder.write('in.gguf', kGguf);
    mkdirSync(folder.path('out-00002-of-00003.gguf.part.json'));
    const call = quantizer.quantizeFile(input, folder.path('out.gguf'), { ...kToGguf, part: 2 });
    await expect(call).rejects.toMatchObject({ code: 'unwritable_output' });
    expect(folder.list()).toEqual(['in.gguf', 'out-00002-of-00003.gguf.part.json']);
  });
});

describe('a part is refused', () => {
  const refused = (sink, options, says) =>
    expect(quantizer.quantizeFile(folder.path('none.gguf'), sink, options)).rejects.toMatchObject({
      ...{ code: 'invalid_option', message: expect.stringContaining(says) },
    });

  test.each([0, -1, 1.5, '2', true])('when it is %j', async (part) => {
    await refused(folder.path('out.gguf'), { ...kToGguf, part }, 'part is');
  });

  test('of streams and handles, before anything is read', async () => {
    const handle = await open(folder.path('handle.gguf'), 'w');
    for (const sink of [new WritableStream(), handle]) {
      await refused(sink, { ...kToGguf, part: 1 }, 'part needs an output that is a path');
    }
    await handle.close();
    await refused(new MemoryFolder('out'), { format: 'mlx', part: 1 }, 'part needs an output that is a path');
  });

  test.each([
    ['beyond the last', 'out.gguf', { ...kToGguf, part: 4 }, 'part is 4, but the output has 3 parts'],
    ['without splitSize', 'out.gguf', { type: 'Q8_0', part: 1 }, 'give splitSize, too'],
    ['of a table', 'out.arrow', { container: 'arrow', part: 1 }, 'the output is written in one piece; leave it out'],
    ['beyond the only one', 'out.gguf', { ...kToGguf, splitSize: 1e9, part: 2 }, 'the output has one part'],
  ])('%s', async (_, name, options, says) => {
    const input = folder.write('in.gguf', kGguf);
    const refusal = { code: 'invalid_option', message: expect.stringContaining(says) };
    await expect(quantizer.quantizeFile(input, folder.path(name), options)).rejects.toMatchObject(refusal);
    await expect(quantizer.plan(input, options)).rejects.toMatchObject(refusal);
    expect(folder.list()).toEqual(['in.gguf']);
  });

  test.each([
    ['a folder whose list has the sums of all files', kTinyLlama, 'out', { format: 'mlc' }],
    ['an ONNX model', golden('onnx/decoder/model.onnx'), 'out.onnx', { type: 'q4', externalData: true }],
  ])('of %s', async (_, input, name, options) => {
    const call = quantizer.quantizeFile(input, folder.path(name), { ...options, part: 1 });
    await expect(call).rejects.toMatchObject({ code: 'invalid_option', message: expect.stringContaining('one piece') });
    expect(folder.list()).toEqual([]);
  });
});
