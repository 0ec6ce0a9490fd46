import { TransformStream } from 'node:stream/web';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';

let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 1 });
});
afterAll(() => quantizer.dispose());

test('who read the other end of a stream waited for ever when the input was bad', async () => {
  const { readable, writable } = new TransformStream();
  const reading = readable.getReader().read();
  const call = quantizer.quantizeFile(new Blob(['no model']), writable, { type: 'Q8_0' });
  await expect(call).rejects.toMatchObject({ code: 'invalid_file' });
  await expect(reading).rejects.toMatchObject({ code: 'invalid_file' });
});
