import { expect } from '@jest/globals';

/** Fails unless the call is refused for its options, in one sentence that has `text`. */
export async function expectRefusal(call, text) {
  const error = await call.then(
    () => null,
    (failure) => failure,
  );
  expect(error).toMatchObject({ name: 'QuantizeError', code: 'invalid_option' });
  expect(error.message).toMatch(text);
  expect(error.message).not.toMatch(/\n|[.!?](?:\s|$)/u);
  return error;
}
