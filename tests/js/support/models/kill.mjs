import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const kScript = fileURLToPath(new URL('blocked-conversion.mjs', import.meta.url));

/** Starts a conversion in a process of its own and kills it when `tensors` of them are done; resolves to their names. */
export function killConversion(source, sink, options, tensors) {
  const parameters = [kScript, source, sink, JSON.stringify(options), String(tensors)];
  const child = spawn(process.execPath, parameters, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 50_000 });
  let [stdout, stderr] = ['', ''];
  child.stderr.on('data', (data) => (stderr += data));
  child.stdout.on('data', (data) => {
    stdout += data;
    if (stdout.endsWith('stopped\n')) child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (_, signal) => {
      if (signal === 'SIGKILL') resolve(stdout.split('\n').slice(0, -2));
      else reject(new Error(`the conversion ended by itself: ${stderr}`));
    });
  });
}
