import { describe } from '@jest/globals';
import { describeFiles } from './support/file-tests.mjs';
import { describeForeignServers, describeHub } from './support/hub-tests.mjs';
import { describePlace, kNotIsolatedBackend } from './support/place-tests.mjs';
import { webKitForPlaces } from './support/places.mjs';
import { withBrowser } from './support/setting.mjs';
import { describeStartUp, kFaultySites } from './support/start-tests.mjs';

describe('WebKitGTK with shared memory', () => {
  const setting = withBrowser(() => webKitForPlaces({ sharedMemory: true }), kFaultySites);

  for (const scope of ['page', 'worker']) {
    describePlace(setting, { site: 'isolated', scope, isolated: true, backend: 'threads' });
    describeFiles(setting, { site: 'isolated', scope, privateFiles: false });
    describeHub(setting, { scope });
    describeStartUp(setting, scope, [true]);
  }
  describeForeignServers(setting);
});

describe('WebKitGTK without shared memory', () => {
  const setting = withBrowser(() => webKitForPlaces({ sharedMemory: false }), kFaultySites);

  for (const scope of ['page', 'worker']) {
    describePlace(setting, { site: 'plain', scope, isolated: false, backend: kNotIsolatedBackend });
    describeFiles(setting, { site: 'plain', scope, privateFiles: false });
    describeStartUp(setting, scope, [false]);
    // A value of the header that WebKit does not know yet.
    describePlace(setting, { site: 'credentialless', scope, isolated: false, backend: kNotIsolatedBackend });
  }
});
