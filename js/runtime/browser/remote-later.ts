import { part } from '../../part.js';
import type { openRemote as open } from '../http/remote.js';

/** In the place of remote.ts, for pages without a bundler: loaded when there is something to read from a server. */
export const openRemote: typeof open = async (address, reading) => {
  const remote = await part(() => import('../http/remote.js'));
  return remote.openRemote(address, reading);
};
