import { TransformStream, WritableStream } from 'node:stream/web';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { float32Tensor, modelFile } from '../support/models/safetensors.mjs';

let quantizer;
let disposed;
beforeAll(async () => {
  [quantizer, disposed] = await Promise.all([1, 1].map((threads) => ArrowQuant.create({ threads })));
  await disposed.dispose();
});
afterAll(() => quantizer.dispose());

const kModel = new Blob([modelFile([float32Tensor('a.weight', [32, 32], 1)])]);
const kNoModel = new Blob(['no model']);
const ended = { signal: AbortSignal.abort('enough') };
const throwing = {
  get signal() {
    throw new Error('a getter of the caller');
  },
};

describe.each(['quantizeFile', 'dequantizeFile'])(
  '%s: who read the other end of a stream waited for ever',
  (method) => {
    test.each([
      ['when the input was bad', () => quantizer, kNoModel, {}, 'invalid_file'],
      ['when there was no input', () => quantizer, undefined, {}, 'invalid_option'],
      ['when an option was invalid', () => quantizer, kModel, { groupSize: 7, dtype: 'F7' }, 'invalid_option'],
      ['when an option of all calls was invalid', () => quantizer, kModel, { resume: 'yes' }, 'invalid_option'],
      ['when the options were none', () => quantizer, kModel, 7, 'invalid_option'],
      ['when reading the options threw', () => quantizer, kModel, throwing, 'invalid_option'],
      ['when the signal had fired', () => quantizer, kModel, ended, 'aborted'],
      ['when the quantizer was disposed', () => disposed, kModel, {}, 'disposed'],
    ])('%s', async (_title, one, source, options, code) => {
      const { readable, writable } = new TransformStream();
      const reading = readable.getReader().read();
      const aborted = [];
      const file = Object.fromEntries(
        ['seek', 'truncate', 'write', 'close'].map((name) => [name, () => Promise.resolve()]),
      );
      const writableFile = { ...file, locked: false, abort: async (reason) => void aborted.push(reason) };
      await expect(one()[method](source, writable, options)).rejects.toMatchObject({ code });
      await expect(reading).rejects.toMatchObject({ code });
      expect(writable.locked).toBe(false);
      await expect(one()[method](source, writableFile, options)).rejects.toMatchObject({ code });
      expect(aborted[0]).toMatchObject({ code });
    });
  },
);

test('the call waited for a stream that never ends its abort', async () => {
  const stuck = new WritableStream({ abort: () => new Promise(() => undefined) });
  await expect(quantizer.quantizeFile(kNoModel, stuck)).rejects.toMatchObject({ code: 'invalid_file' });
  expect(stuck.locked).toBe(false);
});
