import { batchInPages } from './batch.mjs';
import { filesInPages } from './files.mjs';
import { kernelsInPages } from './kernels.mjs';
import { withPages } from './pages.mjs';

export const BROWSERS = ['chromium', 'firefox'];
export const PAGE_GROUPS = { kernels: kernelsInPages, batch: batchInPages, files: filesInPages };

/** Measures groups of `PAGE_GROUPS` in pages of a browser; `onGroup` gets each when it is done. */
export function measureInPages(name, groups, rounds, onGroup) {
  return withPages(name, async (setting) => {
    for (const group of groups) onGroup(await PAGE_GROUPS[group]({ ...setting, rounds }));
    return setting.browser;
  });
}
