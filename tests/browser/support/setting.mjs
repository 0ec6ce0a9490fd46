import { afterAll, beforeAll } from '@jest/globals';
import { startServer } from './server.mjs';

/**
 * A server and a browser for the tests of a file or of a `describe`.
 *
 * @param {(server: object) => Promise<import('./places.mjs').PlaceBrowser>} startBrowser
 * @param {Record<string, import('./server.mjs').Site>} [sites]
 * @returns {() => {browser: import('./places.mjs').PlaceBrowser, server: object}} gives both once tests run
 */
export function withBrowser(startBrowser, sites) {
  const setting = {};
  beforeAll(async () => {
    setting.server = await startServer(sites);
    setting.browser = await startBrowser(setting.server);
  }, 120_000);
  afterAll(async () => {
    await setting.browser?.close();
    await setting.server?.close();
  }, 60_000);
  return () => setting;
}
