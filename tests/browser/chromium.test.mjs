import { describeFiles } from './support/file-tests.mjs';
import { describeForeignServers, describeHub } from './support/hub-tests.mjs';
import { describePlace, kNotIsolatedBackend } from './support/place-tests.mjs';
import { chromiumForPlaces } from './support/places.mjs';
import { withBrowser } from './support/setting.mjs';
import { describeStartUp, kFaultySites } from './support/start-tests.mjs';

const setting = withBrowser(() => chromiumForPlaces(), kFaultySites);

for (const scope of ['page', 'worker']) {
  describePlace(setting, { site: 'isolated', scope, isolated: true, backend: 'threads' });
  describePlace(setting, { site: 'credentialless', scope, isolated: true, backend: 'threads' });
  describePlace(setting, { site: 'plain', scope, isolated: false, backend: kNotIsolatedBackend });
  describeFiles(setting, { site: 'isolated', scope, privateFiles: true });
  describeFiles(setting, { site: 'plain', scope, privateFiles: true });
  describeHub(setting, { scope });
  describeStartUp(setting, scope);
}
for (const entry of ['single.js', 'arrowquant.standalone.js']) describeHub(setting, { scope: 'page', entry });
describeForeignServers(setting);
