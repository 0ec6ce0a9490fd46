import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import path from 'node:path';
import { launchChromium } from '../../browser/support/browsers.mjs';
import { kNotIsolatedBackend } from '../../browser/support/place-tests.mjs';
import { kIsolation, kStrictPolicy, startServer } from '../../browser/support/server.mjs';
import { kLinked } from './applications.mjs';
import { visit } from './pages.mjs';
import { makeApplication, makeProject, outcomeInNode } from './projects.mjs';

/**
 * A project with applications (see applications.mjs), a server for what is built of them, and a browser. Its fields are there
 * once `beforeAll` has run.
 */
export function withApplications(applications) {
  const setting = { project: null, server: null, browser: null, expected: null };
  const all = Object.entries(applications);

  beforeAll(async () => {
    setting.project = await makeProject(kLinked);
    const { folder } = setting.project;
    for (const [name, application] of all) makeApplication(setting.project, name, application);
    const sites = all.flatMap(([name, { served = 'dist', policy = kStrictPolicy }]) => {
      const root = path.join(folder, name, served);
      return [
        [`${name}-isolated`, { root, headers: { ...kIsolation, ...policy } }],
        [`${name}-not-isolated`, { root, headers: policy }],
      ];
    });
    setting.server = await startServer(Object.fromEntries(sites));
    setting.browser = await launchChromium();
    setting.expected = await outcomeInNode(setting.project);
  }, 180_000);

  afterAll(async () => {
    await setting.browser?.close();
    await setting.server?.close();
    setting.project?.remove();
  }, 60_000);
  return setting;
}

/** Builds each of the applications, and looks at what it does in a page that is isolated, and in one that is not. */
export function describeApplications(setting, applications) {
  test('the application does what it is meant to', () => {
    expect(setting.expected).toEqual({
      ...{ sum: expect.any(Number), file: expect.any(Number), groups: 2344 },
      progress: [['layer', 1]],
    });
  });

  describe.each(Object.entries(applications))('%s', (name, { build, served }) => {
    beforeAll(() => build(path.join(setting.project.folder, name)), 120_000);

    test.each([
      ['isolated', 'threads', null],
      ['not-isolated', kNotIsolatedBackend, expect.stringMatching(/^threads: .*cross-origin isolated/)],
    ])("gives Node's bytes, %s, with the backend %s", async (headers, backend, fallback) => {
      const { browser, server, expected } = setting;
      const url = server.url(`${name}-${headers}`, served === '..' ? `${name}/` : '');
      const { outcome, lines } = await visit(browser, url);
      expect({ outcome, lines }).toEqual({ outcome: { ...expected, backend, fallback }, lines: [] });
    });
  });
}
