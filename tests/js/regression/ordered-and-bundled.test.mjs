/** What small tensors, streams and servers did to each other. */
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { WritableStream } from 'node:stream/web';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { answer, useServers } from '../runtime/support/server.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { float32Tensor, floatsOf, modelFile, readModel } from '../support/models/safetensors.mjs';
import { sameBytes } from '../support/weights.mjs';

const folder = useFolder();
const servers = useServers();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

function collecting() {
  const chunks = [];
  const stream = new WritableStream({ write: (chunk) => void chunks.push(Buffer.from(chunk)) });
  return { stream, bytes: () => Buffer.concat(chunks) };
}

test('affine levels from a server to a stream waited for memory that was held for them', async () => {
  const tensors = Array.from({ length: 6 }, (_, i) => float32Tensor(`t${i}.weight`, [1024, 1024], i + 1));
  const contents = modelFile(tensors);
  // All that is asked for at once is answered at once, later.
  const { url } = await servers.serve((request, response) => {
    setImmediate(() => setImmediate(() => answer(request, response, contents, { etag: '"1"' })));
  });
  const { stream, bytes } = collecting();
  await quantizer.quantizeFile(url('/m.safetensors'), stream, { bits: 4, container: 'safetensors' });
  expect(readModel(bytes()).tensors.size).toBe(3 * tensors.length);
});

test('bundles of small tensors were written to a slow file without waiting for room', async () => {
  const tensors = Array.from({ length: 700 }, (_, i) => float32Tensor(`t${i}.weight`, [16, 1024], i + 1));
  let held = 0;
  let most = 0;
  const waiting = [];
  const file = new WritableStream();
  Object.assign(file, {
    write: ({ data }) => {
      held += data.byteLength;
      most = Math.max(most, held);
      return new Promise((resolve) => {
        waiting.push(() => {
          held -= data.byteLength;
          resolve();
        });
        // Only when nothing else comes any more.
        setTimeout(() => waiting.shift()?.(), 1);
      });
    },
    ...{ seek: async () => {}, truncate: async () => {}, close: async () => {}, abort: async () => {} },
  });
  const options = { type: 'F32', container: 'safetensors', memoryLimit: 16 * 2 ** 20 };
  await quantizer.quantizeFile(new Blob([modelFile(tensors)]), file, options);
  expect(most).toBeLessThan(16 * 2 ** 20);
});

test('small tensors that lie far apart were all asked for at once', async () => {
  const tensors = Array.from({ length: 150 }, (_, i) => [
    float32Tensor(`l${i}.weight`, [64, 1024], i + 1),
    float32Tensor(`l${i}.norm`, [256], i + 1),
  ]).flat();
  const contents = modelFile(tensors);
  let open = 0;
  let most = 0;
  const { url } = await servers.serve((request, response) => {
    most = Math.max(most, ++open);
    // All that is asked for at once is under way at once.
    setTimeout(() => {
      --open;
      answer(request, response, contents, { etag: '"1"' });
    }, 30);
  });
  const output = folder.path('out.safetensors');
  await quantizer.quantizeFile(url('/m.safetensors'), output, { bits: 4, rules: [['norm', 'keep']] });
  expect(most).toBeLessThan(120);
  expect(readModel(readFileSync(output)).tensors.size).toBe(150 * 4);
});

test('an empty tensor made the bytes of a stream come out of order', async () => {
  const empty = { name: 'a', dtype: 'F32', shape: [0], bytes: Buffer.alloc(0) };
  const input = new Blob([modelFile([float32Tensor('b', [4], 1), empty])]);
  for (const options of [
    { type: 'F16', container: 'safetensors' },
    { bits: 4, mode: 'base' },
  ]) {
    const { stream, bytes } = collecting();
    await quantizer.quantizeFile(input, stream, options);
    expect(readModel(bytes()).tensors.get('a').shape).toEqual([0]);
  }
});

test('a K type without a suffix gave a GGUF without its keys', async () => {
  const input = new Blob([modelFile([float32Tensor('a.weight', [64, 256], 1)])]);
  await quantizer.quantizeFile(input, folder.path('a.gguf'), { type: 'q4_k', architecture: 'none' });
  await quantizer.quantizeFile(input, folder.path('b.gguf'), { type: 'Q4_K_M', architecture: 'none' });
  expect(readFileSync(folder.path('a.gguf')).equals(readFileSync(folder.path('b.gguf')))).toBe(true);
});

test('scaled fp8 that a rule made F16 in affine output lost its factor, and kept it with a float type', async () => {
  const weight = { name: 'x.weight', dtype: 'F8_E4M3', shape: [2, 4], bytes: Buffer.alloc(8, 0x38) };
  const factor = float32Tensor('x.scale_weight', [], 1);
  factor.bytes.writeFloatLE(3);
  const input = new Blob([modelFile([factor, weight])]);
  const output = folder.path('out.safetensors');
  const call = quantizer.quantizeFile(input, output, { bits: 8, rules: [['x.weight', 'F16']] });
  await expect(call).rejects.toThrow(/x\.weight.*fp8 with a factor in another tensor/);
  await quantizer.quantizeFile(input, output, { type: 'F16', rules: [['x.weight', 'keep']] });
  const { tensors } = readModel(readFileSync(output));
  expect([...tensors.keys()]).toEqual(['x.weight']);
  expect(sameBytes(floatsOf(tensors.get('x.weight')), new Float32Array(8).fill(3))).toBe(true);
});

test('a file that was being opened stayed open when its quantizer ended', async () => {
  const path = folder.write('in.safetensors', modelFile([float32Tensor('a', [4], 1)]));
  const own = await ArrowQuant.create({ threads: 1 });
  const opening = own.open(path);
  await own.dispose();
  await expect(opening).rejects.toMatchObject({ code: 'disposed' });
  expect(openFiles()).not.toContain(path);
});

/** The files that this process has open; none where the system does not tell. */
const openFiles = () =>
  existsSync('/proc/self/fd')
    ? readdirSync('/proc/self/fd').flatMap((descriptor) => {
        try {
          return [readlinkSync(`/proc/self/fd/${descriptor}`)];
        } catch {
          return [];
        }
      })
    : [];

test('nothing but metadata can be asked to be split', async () => {
  const input = new Blob([modelFile([], { note: 'x'.repeat(1_200_000) })]);
  const { files } = await quantizer.quantizeFile(input, folder.path('a.safetensors'), { type: 'F16', splitSize: 1e6 });
  expect(files).toEqual([folder.path('a.safetensors')]);
});
