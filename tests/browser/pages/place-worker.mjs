import { createPlace, explain } from './agent.mjs';

let run = null;

self.onmessage = async ({ data: { entry, command } }) => {
  try {
    run ??= createPlace(entry);
    self.postMessage({ value: await run(command) });
  } catch (error) {
    self.postMessage({ error: explain(error) });
  }
};
