import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { inProject } from '../../tools/lib/paths.mjs';

const kTimeLimit = 120_000;

/** Runs a program to its end and resolves to what it printed; anything but exit code 0 rejects with what it printed. */
export async function runProgram(program, parameters, options) {
  const run = promisify(execFile)(program, parameters, { timeout: kTimeLimit, maxBuffer: 1 << 26, ...options });
  return run.catch(({ code, signal, stdout, stderr }) => {
    const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
    throw new Error(`${program} ended with ${how}\n${stdout}\n${stderr}`.trim());
  });
}

/** A new folder with somebody's project in it that has the package installed, as `npm publish` would ship it. */
export async function makeProjectWithPackage() {
  const folder = mkdtempSync(path.join(tmpdir(), 'arrowquant places '));
  const npm = (...parameters) => runProgram('npm', parameters, { cwd: folder });
  writeFileSync(
    path.join(folder, 'package.json'),
    '{ "name": "somebodys-project", "private": true, "type": "module" }',
  );
  const { stdout } = await npm('pack', '--ignore-scripts', '--json', '--pack-destination', folder, inProject('.'));
  const [{ filename }] = JSON.parse(stdout);
  await npm('install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', `./${filename}`);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
