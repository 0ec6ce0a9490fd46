/** What is read from servers: loaded by browsers when there is something to read from one. */

import { isHubText } from '../../endpoints.js';
import type { ByteSource } from '../../io/byte-io.js';
import { openHub } from '../hub/open.js';
import { openHttp, type WebReading } from './source.js';

/** Opens a model on a hub (a text), or what an http or https URL leads to. */
export const openRemote = (address: string | URL, reading: WebReading): Promise<ByteSource> =>
  typeof address === 'string' && isHubText(address) ? openHub(address, reading) : openHttp(new URL(address), reading);
