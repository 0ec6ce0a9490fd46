import { shownUrl, type FetchedResponse, type FetchInit } from '../../endpoints.js';
import { fieldsOf } from '../../checks.js';
import { QuantizeError } from '../../errors.js';
import { unreadable } from '../failures.js';
import type { WebAccess } from './access.js';

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const MOST_REDIRECTS = 10;

/** What came of a request. */
export interface Answer {
  readonly response: FetchedResponse;
  /** Who answered, after redirects. */
  readonly url: URL;
  /** The tag that a hub's redirect says the file to have: it stays when the place that is led to changes. */
  readonly linkedTag: string | null;
}

/** What a request says besides the caller's headers. */
export interface Question {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/**
 * Sends the requests of one source. The caller's headers, and the access token, go to the origin of the address that the
 * caller gave, and to no other one: neither by redirects nor with a remembered address.
 */
export class Client {
  /** Whether the server gets to see an access token, or what else may stand for one. */
  readonly hasToken: boolean;
  readonly isHub: boolean;
  readonly hubUrl: string;
  readonly #access: WebAccess;
  readonly #origin: string;
  readonly #secrets: Readonly<Record<string, string>>;
  /** Names of headers that browsers would hand on when they follow a redirect; `Authorization` they do not. */
  readonly #handedOn: readonly string[];
  #followsItself: boolean;

  /** `followsItself`: redirects show where they lead to, as they do everywhere but in browsers. */
  constructor({ origin }: URL, access: WebAccess, followsItself: boolean) {
    const { headers, accessToken, hubUrl } = access;
    this.hubUrl = hubUrl;
    this.isHub = origin === new URL(hubUrl).origin;
    // A token is a hub's: who gives it once for many sources does not mean other servers.
    const token = this.isHub && accessToken !== undefined ? { authorization: `Bearer ${accessToken}` } : {};
    this.#secrets = { ...token, ...headers };
    this.#handedOn = Object.keys(headers).filter((name) => name !== 'authorization');
    this.hasToken = 'authorization' in this.#secrets;
    this.#access = access;
    this.#origin = origin;
    this.#followsItself = followsItself;
  }

  /** `name` is what errors call the source. */
  async fetch(url: URL, question: Question, name: string): Promise<Answer> {
    if (!this.#followsItself) return this.#fetchAsBrowsersDo(url, question, name);
    let at = url;
    let isOwn = url.origin === this.#origin;
    let linkedTag: string | null = null;
    for (let redirects = 0; ; ++redirects) {
      const response = await this.#send(at, question, 'manual', isOwn);
      if (response.type === 'opaqueredirect') {
        this.#followsItself = false;
        return this.#fetchAsBrowsersDo(url, question, name);
      }
      if (!REDIRECTS.includes(response.status)) return { response, url: at, linkedTag };
      linkedTag = response.headers.get('x-linked-etag') ?? linkedTag;
      discard(response);
      if (redirects === MOST_REDIRECTS) throw unreadable(name, 'the server redirects again and again');
      at = targetOf(response, at, name);
      // Not again when another server redirects back: it would choose what the headers are good for.
      isOwn &&= at.origin === this.#origin;
    }
  }

  /** Browsers do not show where a redirect leads to. They follow it without `Authorization`, but with all other headers. */
  async #fetchAsBrowsersDo(url: URL, question: Question, name: string): Promise<Answer> {
    const isOwn = url.origin === this.#origin;
    const keeps = isOwn && this.#handedOn.length > 0;
    const response = await this.#send(url, question, keeps ? 'manual' : 'follow', isOwn);
    if (REDIRECTS.includes(response.status)) {
      // It shows where it leads to, for once.
      discard(response);
      this.#followsItself = true;
      return this.fetch(url, question, name);
    }
    if (response.type === 'opaqueredirect') {
      const names = this.#handedOn.join(', ');
      const detail = `the server redirects, and browsers would send ${names} there, too; leave that out, or download the file`;
      throw unreadable(name, detail);
    }
    const at = URL.canParse(response.url) ? new URL(response.url) : url;
    if (isDowngrade(url, at)) throw unreadable(name, DOWNGRADE);
    return { response, url: at, linkedTag: null };
  }

  /** What may be the reason when nobody answers: browsers themselves do not say more than that nothing came. */
  hintOn(url: URL): string {
    const isElsewhere = !this.#followsItself && typeof location !== 'undefined' && url.origin !== location.origin;
    return isElsewhere ? FOREIGN : '';
  }

  async #send(
    url: URL,
    { headers, signal }: Question,
    redirect: FetchInit['redirect'],
    isOwn: boolean,
  ): Promise<FetchedResponse> {
    const all = isOwn ? { ...this.#secrets, ...headers } : { ...headers };
    const init: FetchInit = { method: 'GET', headers: all, redirect, ...freshness(), signal };
    const own = this.#access.fetch;
    if (own === undefined) return fetch(url.href, init);
    const response = await own(url.href, init);
    if (isResponse(response)) return response;
    const detail =
      'fetch must give a Response whose body is a ReadableStream, as the fetch of browsers and of Node does';
    throw new QuantizeError('invalid_option', { detail });
  }
}

/** Nothing of a cache, where `fetch` knows any: older Cloudflare Workers throw for the mere word. */
const freshness = (): Pick<FetchInit, 'cache'> =>
  typeof Request !== 'undefined' && !('cache' in Request.prototype) ? {} : { cache: 'no-store' };

/** Lets go of an answer whose body nobody wants, without waiting for what may never end. */
export function discard({ body }: FetchedResponse): void {
  const cancel = async (): Promise<unknown> => body?.cancel();
  void cancel().catch(() => undefined);
}

function isResponse(value: unknown): boolean {
  const { status, headers, body } = fieldsOf(value);
  const isStream = body === null || typeof fieldsOf(body)['getReader'] === 'function';
  return typeof status === 'number' && typeof fieldsOf(headers)['get'] === 'function' && isStream;
}

const FOREIGN =
  '; a server elsewhere has to let pages read what it has (Access-Control-Allow-Origin), and where it redirects to as well; ' +
  'a Content-Security-Policy of the page has to name both in connect-src';

const DOWNGRADE = 'the server redirects from https to http, where everybody could read and change what comes';

const isDowngrade = (from: URL, to: URL): boolean => from.protocol === 'https:' && to.protocol === 'http:';

function targetOf({ headers }: FetchedResponse, from: URL, name: string): URL {
  const location = headers.get('location');
  if (location === null || !URL.canParse(location, from)) {
    throw unreadable(name, 'the server redirects, but does not say to where');
  }
  const target = new URL(location, from);
  if (isDowngrade(from, target)) throw unreadable(name, DOWNGRADE);
  if (!/^https?:$/.test(target.protocol) || target.username !== '' || target.password !== '') {
    throw unreadable(name, `the server redirects to ${shownUrl(target)}, which cannot be fetched`);
  }
  return target;
}
