import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const kScript = fileURLToPath(new URL('many-completions.mjs', import.meta.url));

/**
 * Lets a process of its own write `tensors` tensors into the output at `sink`, to be resumed, and kills it when it has said
 * that `most` of them are complete. Resolves to the names of all that it has said so of.
 */
export function killCompletions(sink, { tensors, most }) {
  const child = spawn(process.execPath, [kScript, sink, String(tensors)], {
    ...{ stdio: ['ignore', 'pipe', 'pipe'], timeout: 50_000 },
  });
  let [stdout, stderr] = ['', ''];
  const said = () => stdout.split('\n').slice(0, -1);
  child.stderr.on('data', (data) => (stderr += data));
  child.stdout.on('data', (data) => {
    stdout += data;
    if (said().length >= most) child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (_, signal) => {
      if (signal === 'SIGKILL') resolve(said());
      else reject(new Error(`it ended by itself: ${stderr}`));
    });
  });
}
