import { AbortActions } from '../abort-actions.js';
import { abortError } from '../errors.js';

const aborts = new AbortActions();

/**
 * Settles as `operation` does, but rejects as soon as the signal fires: what others do may never end. Nothing that is used
 * again may be written to by it.
 */
export async function unlessAborted<Value>(
  signal: AbortSignal | undefined,
  operation: () => Promise<Value>,
): Promise<Value> {
  if (signal?.aborted === true) throw abortError(signal.reason);
  return new Promise((resolve, reject) => {
    const revoke = aborts.add(signal, () => {
      reject(abortError(signal?.reason));
    });
    const run = async (): Promise<Value> => operation();
    void run().then(resolve, reject).finally(revoke);
  });
}
