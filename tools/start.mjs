#!/usr/bin/env node
/**
 * `npm start`: quantizes a model with the freshly built command, after setting up and building whatever is missing.
 *
 *   npm start                                         a sample model, made at the first run
 *   npm start -- path/to/model.safetensors --bits 4   a model of yours; everything goes on to `arrowquant quantize`
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { build } from './build.mjs';
import { inProject, projectRoot } from './lib/paths.mjs';
import { runMain } from './lib/run.mjs';
import { makeSampleModel } from './make-sample-model.mjs';

const kSample = inProject('build/sample/sample-model.safetensors');

runMain(async () => {
  await build();
  const wanted = process.argv.slice(2);
  // npm runs scripts in the project's folder; the paths were typed in another one perhaps.
  const cwd = wanted.length > 0 ? (process.env.INIT_CWD ?? process.cwd()) : projectRoot;
  process.exitCode = await runCommand(['quantize', ...(wanted.length > 0 ? wanted : sampleArguments())], cwd);
});

function sampleArguments() {
  if (!existsSync(kSample)) {
    console.log(`[sample] making ${path.relative(projectRoot, kSample)}`);
    makeSampleModel(kSample);
  }
  return [path.relative(projectRoot, kSample)];
}

function runCommand(parameters, cwd) {
  // Ctrl-C reaches the command itself, which tidies up; this process waits for it to have done so.
  process.on('SIGINT', () => {});
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [inProject('dist/cli/main.js'), ...parameters], { cwd, stdio: 'inherit' });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}
