import { abortError } from '../../errors.js';
import { callSafely } from '../../pipeline/callbacks.js';
import type { FileTools } from '../../pipeline/tools.js';
import type { ProgressCallback } from '../../types.js';
import type { Stretch } from '../../pipeline/stretches.js';
import type { LayerWork } from './layer.js';

interface Turn {
  readonly layer: LayerWork;
  readonly stretch: Stretch;
}

/**
 * Works on layers until all are settled, or one has failed after which nothing is to go on: then all before it are settled,
 * so that it is the first. Those that are done again come before later ones. Progress is told in the order of the layers.
 * When it settles, nothing of it goes on.
 */
export async function workInTurns(
  { pool, signal }: FileTools,
  layers: readonly LayerWork[],
  { continueOnError }: { readonly continueOnError: boolean },
  progress: ProgressCallback | null | undefined,
): Promise<void> {
  let told = 0;
  const tell = (): void => {
    for (let layer = layers[told]; layer?.isSettled === true; layer = layers[told]) {
      if (signal.aborted || (layer.failure !== null && !continueOnError)) return;
      told += 1;
      callSafely(progress, layer.name, told / layers.length);
    }
  };
  let settled = 0;
  const next = (): Turn | null => {
    while (layers[settled]?.isSettled === true && (continueOnError || layers[settled]?.failure === null)) settled += 1;
    for (let index = settled; ; ++index) {
      const layer = layers[index];
      if (layer === undefined || (layer.failure !== null && !continueOnError)) return null;
      const stretch = layer.take();
      if (stretch !== undefined) return { layer, stretch };
    }
  };
  const work = async ({ layer, stretch }: Turn): Promise<void> => {
    await layer.work(stretch, (one) => pool.lease(one, { signal }), signal);
    tell();
  };
  tell();
  await atMost(pool.count, next, work);
  if (signal.aborted) throw abortError(signal.reason);
}

/**
 * Does what `next` gives, `count` at once, until it gives nothing and all is done: what is done may bring more. After a
 * failure, with which it rejects, nothing is begun any more.
 */
async function atMost<Task>(
  count: number,
  next: () => Task | null,
  work: (task: Task) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  await new Promise<void>((resolve) => {
    let underWay = 0;
    const begin = (): void => {
      while (failures.length === 0 && underWay < count) {
        const task = next();
        if (task === null) break;
        underWay += 1;
        work(task).then(ended, failed);
      }
      if (underWay === 0) resolve();
    };
    const ended = (): void => {
      underWay -= 1;
      begin();
    };
    const failed = (error: unknown): void => {
      failures.push(error);
      ended();
    };
    begin();
  });
  if (failures.length > 0) throw failures[0];
}
