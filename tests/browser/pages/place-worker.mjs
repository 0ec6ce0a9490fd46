import { createPlace } from './agent.mjs';

let run = null;

self.onmessage = async ({ data: { entry, command } }) => {
  try {
    run ??= createPlace(entry);
    self.postMessage({ value: await run(command) });
  } catch (error) {
    self.postMessage({ error: String(error?.stack ?? error) });
  }
};
