import { ensureNpmPackages } from '../../tools/setup/npm.mjs';
import { inTemporaryFolder } from '../lib/temporary.mjs';

const PAGE = 'bench/browser/page/page.html';

/** A page with the headers that make threads possible, and one without. */
export const SITES = { isolated: 'isolated', plain: 'not isolated' };

/** Whole files take a slow browser seconds. */
const CALL_LIMIT = 300_000;

/**
 * Opens a page of each of `SITES` in a browser, and gives them to `work` with a folder of which they are served files.
 *
 * @param {'chromium' | 'firefox'} name
 * @param {(setting: {pages: Record<string, {run: (name: string, options?: object) => Promise<any>}>, browser: string,
 *   folder: string, addressOf: (file: string) => string}) => Promise<T>} work
 * @template T
 */
export async function withPages(name, work) {
  await ensureNpmPackages(console.error, 'tests/browser');
  const places = await import('../../tests/browser/support/places.mjs');
  const { startServer } = await import('../../tests/browser/support/server.mjs');
  const launch = { chromium: places.chromiumForPlaces, firefox: places.firefoxForPlaces }[name];
  return inTemporaryFolder(async (folder) => {
    const headers = { 'Cross-Origin-Resource-Policy': 'same-origin' };
    const server = await startServer({ models: { root: folder, headers } });
    try {
      const browser = await launch();
      try {
        const pages = await openPages(places, browser, server);
        const { userAgent } = await pages.isolated.run('facts');
        return await work({
          pages,
          browser: versionIn(userAgent),
          folder,
          addressOf: (file) => new URL(server.url('models', file)).pathname,
        });
      } finally {
        await browser.close();
      }
    } finally {
      await server.close();
    }
  });
}

async function openPages({ openPlace }, browser, server) {
  const pages = {};
  for (const site of Object.keys(SITES)) {
    pages[site] = await openPlace(browser, server, { site, scope: 'page', page: PAGE, limit: CALL_LIMIT });
  }
  return pages;
}

const versionIn = (userAgent) => /(?:Chrome|Firefox)\/\d+/.exec(userAgent)?.[0].replace('/', ' ') ?? userAgent;
