/** What is read from servers: loaded by browsers when there is something to read from one. */

import { isHubText } from '../../endpoints.js';
import type { ByteSource } from '../../io/byte-io.js';
import { textOfPage } from '../hub/address.js';
import { openHub } from '../hub/open.js';
import { accessOf } from './access.js';
import { openHttp, type WebReading } from './source.js';

/** Opens a model on a hub, by a text or by the address of its page, or what another http or https URL leads to. */
export async function openRemote(address: string | URL, reading: WebReading): Promise<ByteSource> {
  if (typeof address === 'string' && isHubText(address)) return openHub(address, reading);
  const url = new URL(address);
  const text = textOfPage(url, accessOf(reading.options ?? {}).hubUrl);
  return text === null ? openHttp(url, reading) : openHub(text, reading);
}
