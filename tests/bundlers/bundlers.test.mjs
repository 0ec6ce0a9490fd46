import { expect, test } from '@jest/globals';
import path from 'node:path';
import { describeApplications, withApplications } from './support/application-tests.mjs';
import { kApplications, kUnread } from './support/applications.mjs';
import { visit } from './support/pages.mjs';
import { readText } from './support/projects.mjs';

const setting = withApplications({ ...kApplications, ...kUnread });

describeApplications(setting, kApplications);

test.each(Object.entries(kUnread))('%s says what is missing, and what to do', async (name, { build }) => {
  await build(path.join(setting.project.folder, name));
  const { outcome } = await visit(setting.browser, setting.server.url(`${name}-isolated`, ''));
  const message = expect.stringMatching(
    /\/arrowquant-single\.wasm was answered with 404.*serve arrowquant\/dist\/wasm.* wasmUrl.* arrowquant\/standalone/,
  );
  expect(outcome).toEqual({ code: 'startup_failed', message });
});

test('no bundler has changed what the project depends on', () => {
  const { folder } = setting.project;
  expect(Object.keys(JSON.parse(readText(folder, 'package.json')).dependencies)).toEqual(['arrowquant']);
  expect(readText(folder, 'parcel/package.json')).toBe(kApplications.parcel.files['package.json']);
});
