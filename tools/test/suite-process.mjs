import { endOwnTree } from '../lib/process-tree.mjs';
import { SetupError } from '../lib/run.mjs';
import { failure } from './suite.mjs';

/**
 * What the process of a suite does for `runSuites`: its work, and telling what came of it.
 *
 * @param {() => Promise<import('./suite.mjs').Outcome>} work
 */
export async function tellOutcome(work) {
  // Who started this has been killed, and will not end what is running here.
  process.on('disconnect', endOwnTree);
  process.channel.unref();
  const outcome = await work().catch(failedToRun);
  process.off('disconnect', endOwnTree);
  await new Promise((resolve) => process.send(outcome, resolve));
  process.disconnect();
}

function failedToRun(error) {
  console.log(error instanceof SetupError ? error.message : error);
  return failure(`could not run: ${error.message.split('\n')[0]}`);
}
