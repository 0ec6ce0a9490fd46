import { afterAll, beforeAll, describe } from '@jest/globals';
import { describePlace, kNotIsolatedBackend } from './support/place-tests.mjs';
import { webKitForPlaces } from './support/places.mjs';
import { startServer } from './support/server.mjs';

const kSharing = [{ site: 'isolated', isolated: true, backend: 'threads' }];
const kNotSharing = [
  // A header that WebKit does not know yet.
  { site: 'credentialless', isolated: false, backend: kNotIsolatedBackend },
  { site: 'plain', isolated: false, backend: kNotIsolatedBackend },
];

describe.each([
  ['WebKitGTK with shared memory', true, kSharing],
  ['WebKitGTK without shared memory', false, kNotSharing],
])('%s', (_, sharedMemory, sites) => {
  const setting = {};

  beforeAll(async () => {
    setting.server = await startServer();
    setting.browser = await webKitForPlaces({ sharedMemory });
  });
  afterAll(async () => {
    await setting.browser?.close();
    await setting.server?.close();
  });

  for (const scope of ['page', 'worker']) {
    for (const site of sites) describePlace(() => setting, { ...site, scope });
  }
});
