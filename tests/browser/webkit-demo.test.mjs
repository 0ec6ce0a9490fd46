import { describe } from '@jest/globals';
import { describeAddresses } from './support/demo-address-tests.mjs';
import { describeFormats } from './support/demo-format-tests.mjs';
import { describeTrials } from './support/demo-trial-tests.mjs';
import { describeDemo, describeResults, useDemo } from './support/demo-tests.mjs';
import { webKitPages } from './support/driven-pages.mjs';

/** It can neither ask people for a file to write to, nor keep files for a page. */
const kTargets = ['memory'];

describe('the demo in WebKitGTK with shared memory', () => {
  const demo = useDemo(() => webKitPages({ sharedMemory: true }));

  describeResults(demo, { sites: ['isolated'], targets: kTargets });
  describeDemo(demo, { targets: kTargets });
  describeTrials(demo);
  describeFormats(demo, { targets: kTargets, folderTargets: kTargets });
  describeAddresses(demo);
});

describe('the demo in WebKitGTK without shared memory', () => {
  const demo = useDemo(() => webKitPages({ sharedMemory: false }));

  describeResults(demo, { sites: ['bare'], targets: kTargets });
});
