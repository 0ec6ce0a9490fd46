import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inProject } from '../../tools/lib/paths.mjs';
import { makeProjectWithPackage, runProgram } from '../places/installed.mjs';
import { installed } from './support/programs.mjs';

const kJest = inProject('node_modules/jest/bin/jest.js');
const kVitest = installed('vitest/vitest.mjs');
/** Somebody's Jest has its presets beside it. */
const kBabelJest = inProject('node_modules/babel-jest');

/** What they test: the result of a real quantization, with the backend that is to be had. */
const quantize = (backend) => `async () => {
  const quantizer = await ArrowQuant.create({ backend: '${backend}', threads: 2 });
  const result = await quantizer.quantizeBatch({ layer: new Float32Array(3000).fill(0.5) }, 4);
  expect(result.get('layer').quantizedData).toHaveLength(1500);
  expect(quantizer.backend).toBe('${backend}');
  await quantizer.dispose();
}`;
const backends = ['threads', 'workers', 'single'];
const kCommonJs = `const { ArrowQuant } = require('arrowquant');
${backends.map((backend) => `test('${backend}', ${quantize(backend)});`).join('\n')}`;
const kModule = `import { ArrowQuant } from 'arrowquant';
${backends.map((backend) => `test('${backend}', ${quantize(backend)});`).join('\n')}`;
/** With `vm` of jsdom, globals are those of a page: there are no workers in it that Node could start. */
const kInJsdom = `const { ArrowQuant, QuantizeError } = require('arrowquant');
test('is there when it is imported', () => expect([typeof ArrowQuant.create, typeof document]).toEqual(['function', 'object']));
test('quantizes', async () => {
  const quantizer = await ArrowQuant.create();
  const result = await quantizer.quantizeBatch({ layer: new Float32Array(3000).fill(0.5) }, 4);
  expect(result.get('layer').quantizedData).toHaveLength(1500);
  await quantizer.dispose();
});`;

/** Makes sure that neither a transform nor a configuration of this project takes part. */
const kProjects = {
  commonjs: {
    files: { 'use.test.js': kCommonJs, 'jest.config.json': '{ "transform": {} }' },
    command: [kJest, '--config=jest.config.json'],
  },
  babel: {
    files: {
      'use.test.js': kModule,
      'jest.config.json': JSON.stringify({ transform: { '\\.js$': ['<rootDir>/../node_modules/babel-jest', {}] } }),
      'babel.config.json': JSON.stringify({ plugins: [installed('@babel/plugin-transform-modules-commonjs')] }),
    },
    command: [kJest, '--config=jest.config.json'],
  },
  jsdom: {
    files: {
      'use.test.js': kInJsdom,
      'jest.config.json': JSON.stringify({ transform: {}, testEnvironment: installed('jest-environment-jsdom') }),
    },
    command: [kJest, '--config=jest.config.json'],
  },
  vitest: {
    files: {
      'use.test.mjs': `import { expect, test } from 'vitest';\n${kModule}`,
      'vitest.config.mjs': 'export default { test: { include: ["use.test.mjs"] } };',
    },
    command: [kVitest, 'run'],
  },
};

let project;

beforeAll(async () => {
  project = await makeProjectWithPackage();
  symlinkSync(kBabelJest, path.join(project.folder, 'node_modules/babel-jest'));
  symlinkSync(installed('vitest'), path.join(project.folder, 'node_modules/vitest'));
  for (const [name, { files }] of Object.entries(kProjects)) {
    mkdirSync(path.join(project.folder, name));
    // As most projects that use Jest: not `"type": "module"`.
    writeFileSync(path.join(project.folder, name, 'package.json'), '{ "private": true }');
    for (const [file, text] of Object.entries(files)) writeFileSync(path.join(project.folder, name, file), text);
  }
}, 60_000);
afterAll(() => project?.remove());

/** Without the flags and variables of the Jest that runs this. */
const kVariables = {
  ...process.env,
  NODE_OPTIONS: '',
  JEST_WORKER_ID: undefined,
  NO_COLOR: '1',
  FORCE_COLOR: undefined,
};

test.each(Object.entries(kProjects))('really quantizes in %s', async (name, { command }) => {
  const options = { cwd: path.join(project.folder, name), env: kVariables };
  const { stdout, stderr } = await runProgram(process.execPath, command, options);
  expect(`${stdout}${stderr}`).toMatch(/Tests:? +\d+ passed/);
  expect(`${stdout}${stderr}`).not.toMatch(/failed|did not exit|open handle/i);
});
