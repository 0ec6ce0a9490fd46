import { describe } from '@jest/globals';
import { describeFiles } from './support/file-tests.mjs';
import { describeForeignServers, describeHub } from './support/hub-tests.mjs';
import { describePlace, kNotIsolatedBackend } from './support/place-tests.mjs';
import { firefoxForPlaces, plainFirefoxForPlaces } from './support/places.mjs';
import { withBrowser } from './support/setting.mjs';
import { describeStartUp, kFaultySites } from './support/start-tests.mjs';

describe.each([
  ['Firefox over WebDriver BiDi', 'page', () => firefoxForPlaces()],
  ['Firefox without a session', 'worker', plainFirefoxForPlaces],
])('%s', (_, scope, start) => {
  const setting = withBrowser(start, kFaultySites);

  describePlace(setting, { site: 'isolated', scope, isolated: true, backend: 'threads' });
  describePlace(setting, { site: 'credentialless', scope, isolated: true, backend: 'threads' });
  describePlace(setting, { site: 'plain', scope, isolated: false, backend: kNotIsolatedBackend });
  describeFiles(setting, { site: 'isolated', scope, privateFiles: true });
  describeFiles(setting, { site: 'plain', scope, privateFiles: true });
  describeHub(setting, { scope });
  if (scope === 'page') describeForeignServers(setting);
  describeStartUp(setting, scope);
});
