import { describe } from '@jest/globals';
import { describeAddresses } from './support/demo-address-tests.mjs';
import { describeFormats } from './support/demo-format-tests.mjs';
import { describeTrials } from './support/demo-trial-tests.mjs';
import { describeDemo, describeResults, describeTabs, useDemo } from './support/demo-tests.mjs';
import { firefoxPages } from './support/driven-pages.mjs';

/** It cannot ask people for a file to write to. */
const kTargets = ['storage', 'memory'];

describe('the demo in Firefox', () => {
  const demo = useDemo(firefoxPages);

  describeResults(demo, { sites: ['isolated', 'bare'], targets: kTargets });
  describeDemo(demo, { targets: kTargets });
  describeTabs(demo);
  describeTrials(demo);
  describeFormats(demo, { targets: kTargets, folderTargets: kTargets });
  describeAddresses(demo);
});
