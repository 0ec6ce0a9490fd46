import { afterAll, beforeAll, describe } from '@jest/globals';
import { describePlace, kNotIsolatedBackend } from './support/place-tests.mjs';
import { firefoxForPlaces, plainFirefoxForPlaces } from './support/places.mjs';
import { startServer } from './support/server.mjs';

const kSites = [
  { site: 'isolated', isolated: true, backend: 'threads' },
  { site: 'credentialless', isolated: true, backend: 'threads' },
  { site: 'plain', isolated: false, backend: kNotIsolatedBackend },
];

describe.each([
  ['Firefox over WebDriver BiDi', 'page', firefoxForPlaces],
  ['Firefox without a session', 'worker', plainFirefoxForPlaces],
])('%s', (_, scope, start) => {
  const setting = {};

  beforeAll(async () => {
    setting.server = await startServer();
    setting.browser = await start(setting.server);
  });
  afterAll(async () => {
    await setting.browser?.close();
    await setting.server?.close();
  });

  for (const site of kSites) describePlace(() => setting, { ...site, scope });
});
