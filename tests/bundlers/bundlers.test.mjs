import { expect, test } from '@jest/globals';
import { readdirSync } from 'node:fs';
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

test('no bundle says where on the machine the package was when it was made', () => {
  const bundlers = Object.keys(kApplications).filter((name) => name !== 'plain');
  const scripts = bundlers.flatMap((name) => {
    const dist = path.join(setting.project.folder, name, 'dist');
    const files = readdirSync(dist, { recursive: true }).filter((file) => file.endsWith('.js'));
    return files.map((file) => [`${name}/${file}`, readText(dist, file)]);
  });
  expect(scripts.length).toBeGreaterThanOrEqual(bundlers.length);
  expect(scripts.filter(([, text]) => text.includes('file:///')).map(([file]) => file)).toEqual([]);
});

test('no bundler has changed what the project depends on', () => {
  const { folder } = setting.project;
  expect(Object.keys(JSON.parse(readText(folder, 'package.json')).dependencies)).toEqual(['arrowquant']);
  expect(readText(folder, 'parcel/package.json')).toBe(kApplications.parcel.files['package.json']);
});
