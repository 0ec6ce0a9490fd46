#!/usr/bin/env node
/**
 * `npm start`: quantizes a model with the freshly built command, after setting up and building whatever is missing.
 *
 *   npm start                                         two sample models, made at the first run
 *   npm start -- path/to/model.safetensors --bits 4   a model of yours; everything goes on to `arrowquant quantize`
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { build } from './build.mjs';
import { inProject, projectRoot } from './lib/paths.mjs';
import { runMain } from './lib/run.mjs';
import { kSampleKinds, sampleInput, writeSample } from './sample/write.mjs';

const kFolder = 'build/sample';

runMain(async () => {
  await build();
  const wanted = process.argv.slice(2);
  // npm runs scripts in the project's folder; the paths were typed in another one perhaps.
  if (wanted.length > 0) return void (await runCommand(wanted, process.env.INIT_CWD ?? process.cwd()));
  for (const kind of kSampleKinds) {
    const input = path.join(kFolder, sampleInput(kind));
    if (!existsSync(inProject(input))) {
      console.log(`[sample] making ${input}`);
      writeSample(inProject(kFolder), kind);
    }
    const output = `${input.replace(/\.safetensors$/, '')}-Q4_K_M.gguf`;
    if (!(await runCommand([input, output, '--type', 'Q4_K_M'], projectRoot))) return;
  }
});

/** Whether it went well; the exit code is the command's. */
async function runCommand(parameters, cwd) {
  // Ctrl-C reaches the command itself, which tidies up; this process waits for it to have done so.
  process.on('SIGINT', () => {});
  const command = [inProject('dist/cli/main.js'), 'quantize', ...parameters];
  process.exitCode = await new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command, { cwd, stdio: 'inherit' });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
  return process.exitCode === 0;
}
