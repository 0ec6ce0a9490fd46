import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { ArrowQuant, QuantizeError } from 'arrowquant';
import { ERROR_CODES } from './support/internals.mjs';

test('the documentation has a line for every code of an error, and for no other', () => {
  const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const [, table] = text.split('\n| `code` | when |');
  const documented = [...table.matchAll(/^\| `(\w+)` \| [^|\n]+ \| [^|\n]+ \|$/gm)].map(([, code]) => code);
  expect(documented).toEqual(ERROR_CODES);
});

test('every text is one sentence, whatever is known of the error', () => {
  const about = { layer: 'a.weight', file: 'in.gguf', index: 7, detail: 'seven' };
  for (const code of ERROR_CODES) {
    for (const { message } of [new QuantizeError(code), new QuantizeError(code, about)]) {
      expect(message).toMatch(/^\S[^\n]*[^.\s]$/);
      expect(message).not.toMatch(/undefined|null|\[object/);
    }
  }
});

test.each([
  ['no reason', undefined, { name: 'AbortError' }],
  ['a reason', new Error('enough'), { message: 'enough' }],
])('a call that is aborted for %s rejects with `aborted` and has it as the cause', async (_, reason, cause) => {
  const quantizer = await ArrowQuant.create({ backend: 'single' });
  const controller = new AbortController();
  controller.abort(reason);
  const { signal } = controller;
  for (const call of [
    quantizer.quantizeBatch({ a: new Float32Array(64) }, 4, { signal }),
    quantizer.inspectFile(new Uint8Array(8), { signal }),
  ]) {
    const error = await call.catch((failure) => failure);
    expect(error).toBeInstanceOf(QuantizeError);
    expect(error).toMatchObject({ name: 'QuantizeError', code: 'aborted', cause });
    expect(error.cause).toBe(signal.reason);
  }
  await quantizer.dispose();
});
