import { afterAll, beforeAll } from '@jest/globals';
import { describePlace, kNotIsolatedBackend } from './support/place-tests.mjs';
import { chromiumForPlaces } from './support/places.mjs';
import { startServer } from './support/server.mjs';

const setting = {};

beforeAll(async () => {
  setting.server = await startServer();
  setting.browser = await chromiumForPlaces();
});
afterAll(async () => {
  await setting.browser?.close();
  await setting.server?.close();
});

for (const scope of ['page', 'worker']) {
  describePlace(() => setting, { site: 'isolated', scope, isolated: true, backend: 'threads' });
  describePlace(() => setting, { site: 'credentialless', scope, isolated: true, backend: 'threads' });
  describePlace(() => setting, { site: 'plain', scope, isolated: false, backend: kNotIsolatedBackend });
}
