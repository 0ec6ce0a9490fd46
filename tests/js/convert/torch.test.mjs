import { Blob, File } from 'node:buffer';
import { appendFileSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { answer, answerFrom, rangeOf, useServers } from '../runtime/support/server.mjs';
import { diffusionModel } from '../support/models/diffusion-models.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { bfloatTensor, float32Tensor, halfTensor, modelFile } from '../support/models/safetensors.mjs';
import { torchFile } from '../support/models/torch.mjs';

const folder = useFolder();
const servers = useServers();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

const kLightning = {
  wrap: (dict) =>
    new Map([
      ['epoch', 6],
      ['state_dict', dict],
    ]),
};
const kSmall = [float32Tensor('a.weight', [64, 96]), halfTensor('b.weight', [32, 64]), float32Tensor('c.bias', [7])];

/** What comes of a model in either format. */
async function bothWays(tensors, output, options) {
  const files = { 'm.safetensors': modelFile(tensors), 'm.ckpt': torchFile(tensors, kLightning) };
  const [first, second] = await Promise.all(
    Object.entries(files).map(async ([name, contents]) => {
      const written = folder.path(`${name}.${output}`);
      const report = await quantizer.quantizeFile(folder.write(name, contents), written, options);
      return { report, bytes: readFileSync(written) };
    }),
  );
  return { expected: first, ...second };
}

describe('a checkpoint becomes what the same tensors in safetensors become', () => {
  test.each(['sdxl', 'flux'])('%s, as a GGUF', async (family) => {
    const tensors = diffusionModel(family, { prefix: 'model.diffusion_model.', dtype: 'F16' });
    const { report, bytes, expected } = await bothWays(tensors, 'gguf', { type: 'Q4_K_M' });
    expect(bytes.equals(expected.bytes)).toBe(true);
    expect(report).toMatchObject({ container: 'torch', architecture: family });
    expect(report.tensors).toEqual(expected.report.tensors);
  });

  test.each([
    ['levels', 'safetensors', { bits: 4, mode: 'diffusion' }],
    ['halves', 'safetensors', { type: 'F16' }],
    ['blocks', 'gguf', { type: 'Q8_0', architecture: 'none' }],
  ])('as %s in %s', async (_, output, options) => {
    const tensors = [...kSmall, bfloatTensor('d.weight', [3, 32])];
    const { bytes, expected } = await bothWays(tensors, output, options);
    expect(bytes.equals(expected.bytes)).toBe(true);
  });

  test('and compares as equal to them', async () => {
    const inputs = [folder.write('m.pt', torchFile(kSmall)), folder.write('m.safetensors', modelFile(kSmall))];
    const { tensors, onlyInA, onlyInB } = await quantizer.compareFiles(...inputs);
    expect({ onlyInA, onlyInB }).toEqual({ onlyInA: [], onlyInB: [] });
    expect(tensors.map(({ equal }) => equal)).toEqual([true, true, true]);
  });
});

describe('a checkpoint is read', () => {
  const kOptions = { type: 'Q8_0', container: 'gguf' };
  const kFile = torchFile(diffusionModel('sdxl', { dtype: 'F16' }), kLightning);
  let expected;
  const convert = async (source) => {
    const report = await quantizer.quantizeFile(source, folder.path('out.gguf'), kOptions);
    return { report, bytes: readFileSync(folder.path('out.gguf')) };
  };
  beforeAll(async () => {
    expected = (await quantizer.plan(new Blob([kFile]), kOptions)).output.bytes;
  });

  test('from a Blob and a File, and from bytes', async () => {
    const [first, ...others] = [
      await convert(new Blob([kFile])),
      await convert(new File([kFile], 'm.pth')),
      await convert(kFile),
    ];
    expect(first.bytes.length).toBe(expected);
    for (const { bytes } of others) expect(bytes.equals(first.bytes)).toBe(true);
  });

  test('from a server, in ranges, and its header by a few of them', async () => {
    const server = await servers.serve((request, response) => answer(request, response, kFile));
    const { bytes } = await convert(server.url('/m.ckpt'));
    expect(bytes.equals((await convert(new Blob([kFile]))).bytes)).toBe(true);
    const before = server.requests.length;
    await quantizer.inspectFile(server.url('/m.ckpt'));
    expect(server.requests.length - before).toBeLessThanOrEqual(3);
  });

  test('and plans and reports say which of its keys was the model', async () => {
    const notes = ['The model is what the checkpoint has under "state_dict".'];
    expect(await quantizer.plan(new Blob([kFile]), kOptions)).toMatchObject({ notes });
    expect((await convert(new Blob([kFile]))).report.notes).toEqual(notes);
  });

  test('by its tensors, one by one', async () => {
    const model = await quantizer.open(folder.write('m.bin', torchFile(kSmall)));
    expect(model.container).toBe('torch');
    expect(await model.read('a.weight', { begin: 96, end: 100 })).toEqual(
      new Float32Array(new Uint8Array(kSmall[0].bytes.subarray(384, 400)).buffer),
    );
    await model.close();
  });
});

describe('what goes wrong in the middle', () => {
  const kFile = torchFile([float32Tensor('a.weight', [2048, 256]), float32Tensor('b.weight', [2048, 256])]);

  test('of a read from a server is its error, and nothing is written', async () => {
    const server = await servers.serve((request, response) => {
      const [begin] = rangeOf(request, kFile.length);
      if (begin > 1e5 && begin < 3e6) response.writeHead(404).end();
      else answer(request, response, kFile);
    });
    const call = quantizer.quantizeFile(server.url('/m.ckpt'), folder.path('out.gguf'), {
      ...{ type: 'Q8_0', architecture: 'none' },
    });
    await expect(call).rejects.toMatchObject({ code: 'unreadable_input', file: server.url('/m.ckpt') });
    expect(folder.list()).toEqual([]);
  });

  test('an abort ends the reading of its header', async () => {
    const controller = new AbortController();
    const server = await servers.serve((request, response, attempt) => {
      if (attempt === 1) answer(request, response, kFile);
      else controller.abort('enough');
    });
    const call = quantizer.inspectFile(server.url('/m.ckpt'), { signal: controller.signal });
    await expect(call).rejects.toMatchObject({ code: 'aborted', cause: 'enough' });
  });

  test('a file that changes is noticed', async () => {
    const file = folder.write('m.ckpt', kFile);
    const model = await quantizer.open(file);
    appendFileSync(file, 'more');
    await expect(model.read('a.weight')).rejects.toMatchObject({ code: 'unreadable_input', file });
    await model.close();
  });
});

describe('checkpoints of several files', () => {
  const [first, ...rest] = kSmall;
  const write = (...names) => [folder.write(names[0], torchFile([first])), folder.write(names[1], torchFile(rest))];
  const shards = ['pytorch_model-00001-of-00002.bin', 'pytorch_model-00002-of-00002.bin'];
  const index = (map) =>
    folder.write('pytorch_model.bin.index.json', JSON.stringify({ metadata: {}, weight_map: map }));
  const kMap = { 'a.weight': shards[0], 'b.weight': shards[1], 'c.bias': shards[1] };

  test('are read by their index, or by any of them', async () => {
    const files = write(...shards);
    const given = index(kMap);
    for (const source of [given, ...files]) {
      const inspection = await quantizer.inspectFile(source);
      expect(inspection.container).toBe('torch');
      expect(inspection.tensors.map(({ name }) => name)).toEqual(['a.weight', 'b.weight', 'c.bias']);
      expect(inspection.files).toEqual(source === given ? [given, ...files] : files);
    }
  });

  test('are read by their index from a server', async () => {
    write(...shards);
    index(kMap);
    const server = await servers.serve((request, response) => {
      answerFrom(folder.at, request, response);
    });
    const { tensors } = await quantizer.inspectFile(server.url('/pytorch_model.bin.index.json'));
    expect(tensors).toHaveLength(3);
  });

  test.each([
    ['without one of them', () => index({ ...kMap, d: 'x.bin' }), { code: 'missing_shard' }],
    ['without a listed tensor', () => index({ ...kMap, d: shards[0] }), { code: 'missing_tensor', layer: 'd' }],
    [
      'of two formats',
      () => {
        folder.write('b.safetensors', modelFile(rest));
        return index({ 'a.weight': shards[0], 'b.weight': 'b.safetensors' });
      },
      { code: 'invalid_file' },
    ],
  ])('are refused %s', async (_, source, error) => {
    write(...shards);
    await expect(quantizer.inspectFile(source())).rejects.toMatchObject(error);
  });
});

test('a shard of another format is called what it is not', async () => {
  const names = ['m-00001-of-00002.bin', 'm-00002-of-00002.bin'];
  const first = folder.write(names[0], torchFile(kSmall.slice(0, 1)));
  for (const contents of [modelFile(kSmall.slice(1)), Buffer.from('abc\0'), Buffer.from([1])]) {
    const file = folder.write(names[1], contents);
    const map = { 'a.weight': names[0], 'b.weight': names[1] };
    const index = folder.write('m.bin.index.json', JSON.stringify({ weight_map: map }));
    for (const source of [first, index]) {
      await expect(quantizer.inspectFile(source)).rejects.toMatchObject({
        ...{ code: 'invalid_file', file, detail: expect.stringMatching(/^it is no PyTorch checkpoint/) },
      });
    }
  }
});

describe('no checkpoint is written', () => {
  test.each(['ckpt', 'pt', 'pth', 'bin'])('as a name that ends with .%s', async (extension) => {
    const output = folder.path(`out.${extension}`);
    for (const options of [{}, { type: 'Q8_0' }, { container: 'gguf' }]) {
      const call = quantizer.quantizeFile(folder.write('m.safetensors', modelFile(kSmall)), output, options);
      await expect(call).rejects.toMatchObject({
        code: 'invalid_option',
        message: `Invalid option: the output ${JSON.stringify(output)} must end with .safetensors, .gguf or .arrow`,
      });
    }
    expect(folder.list()).toEqual(['m.safetensors']);
  });

  test('as a container', async () => {
    const input = folder.write('m.ckpt', torchFile(kSmall));
    const call = quantizer.quantizeFile(input, folder.path('out.gguf'), { container: 'torch' });
    await expect(call).rejects.toMatchObject({ code: 'invalid_option', message: expect.stringContaining('container') });
  });
});
