/** Calls a user's callback; what it throws, or what a promise that it returns rejects with, is logged and goes no further. */
export function callSafely<Arguments extends readonly unknown[]>(
  callback: ((...about: Arguments) => unknown) | null | undefined,
  ...about: Arguments
): void {
  if (callback === null || callback === undefined) return;
  try {
    // Promise.resolve also takes promises of other realms, and thenables.
    Promise.resolve(callback(...about)).catch(logError);
  } catch (error) {
    logError(error);
  }
}

function logError(error: unknown): void {
  console.error('Progress callback error (ignored):', error);
}
