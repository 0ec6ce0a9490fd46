import { invalidOption, reading } from '../../checks.js';
import { headerPairs, type FetchFunction, type WebOptions } from '../../endpoints.js';
import { QuantizeError } from '../../errors.js';

/** How servers are asked for models; checked, with every default filled in. */
export interface WebAccess {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: FetchFunction | undefined;
  readonly accessToken: string | undefined;
  /** Without a slash at its end. */
  readonly hubUrl: string;
}

/** The hub that is meant when none is named. */
export const HUB_URL = 'https://huggingface.co';

/** What `hubUrlOf` takes, in words. */
export const HUB_URL_FORM = 'an http or https URL, without user name, query and fragment';

/** What every request has one of its own of. */
const OWN_HEADERS: readonly string[] = [
  ...['range', 'host', 'content-length', 'accept-encoding', 'connection', 'keep-alive', 'transfer-encoding'],
  ...['expect', 'upgrade', 'te', 'trailer'],
];

const refused = (detail: string): QuantizeError => new QuantizeError('invalid_option', { detail });

/** What was read already: headers that are given as an iterator can be read once only. */
const accesses = new WeakMap<WebOptions, WebAccess>();

/** Reads the options of a call about servers. No error repeats a value: it may be a secret. */
export function accessOf(options: WebOptions): WebAccess {
  const access = accesses.get(options) ?? reading('invalid_option', () => readAccess(options));
  accesses.set(options, access);
  return access;
}

function readAccess({ headers, fetch, accessToken, hubUrl }: WebOptions): WebAccess {
  if (fetch !== undefined && fetch !== null && typeof fetch !== 'function') {
    throw invalidOption('fetch', fetch, 'a function');
  }
  if (accessToken !== undefined && accessToken !== null && !isToken(accessToken)) {
    throw refused('accessToken must be a text without spaces');
  }
  return {
    headers: headers === undefined || headers === null ? {} : readHeaders(headers),
    fetch: fetch ?? undefined,
    accessToken: accessToken ?? undefined,
    hubUrl: readHubUrl(hubUrl ?? HUB_URL),
  };
}

function readHeaders(given: unknown): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const pair of headerPairs(given)) {
    const [name, value] = Array.isArray(pair) ? (pair as readonly unknown[]) : [];
    if (typeof name !== 'string' || !/^[!#$%&'*+.^`|~\w-]+$/.test(name)) {
      throw refused('headers has a name that no header can have');
    }
    if (typeof value !== 'string' || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      throw refused(`headers has for ${name} what no header can be, it must be a text of one line`);
    }
    const key = name.toLowerCase();
    if (OWN_HEADERS.includes(key)) throw refused(`headers has ${name}, which requests have one of their own of`);
    headers[key] = Object.hasOwn(headers, key) ? `${String(headers[key])}, ${value}` : value;
  }
  return headers;
}

function readHubUrl(value: unknown): string {
  const url = hubUrlOf(value);
  if (url === null) throw refused(`hubUrl must be ${HUB_URL_FORM}`);
  return url;
}

/** The address of a hub, without a slash at its end; null for what is none. */
export function hubUrlOf(value: unknown): string | null {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : null;
  const isPlain = url !== null && `${url.username}${url.password}${url.search}${url.hash}` === '';
  return isPlain && /^https?:$/.test(url.protocol) ? url.href.replace(/\/+$/, '') : null;
}

/** Whether a value can be an access token. */
export const isToken = (value: unknown): value is string => typeof value === 'string' && /^[\x21-\x7e]+$/.test(value);

/** Where the first source of a call is that has headers. */
const origins = new WeakMap<WebOptions, string>();

/** Throws `invalid_option` when the headers of one call would go to two servers: one of them may not be meant. */
export function checkOneServer(options: WebOptions, { origin }: URL): void {
  if (Object.keys(accessOf(options).headers).length === 0) return;
  if ((origins.get(options) ?? origin) !== origin) {
    throw refused('headers are for one server, but the models are on two; give each its own by the option fetch');
  }
  origins.set(options, origin);
}
