import type { FetchedResponse } from '../../endpoints.js';
import type { Client } from './client.js';

const HOW = 'an access token (accessToken, for the command HF_TOKEN)';

/** Answers that a login might change. */
const FORBIDDEN: readonly number[] = [401, 403];

/** Who has refused what. */
export interface Refused {
  /** Who has answered, after redirects. */
  readonly url: URL;
  /** Who was asked. */
  readonly asked: URL;
  readonly client: Client;
  /** Whether a file was asked for, which hubs redirect on purpose. */
  readonly isFile: boolean;
}

/** What a hub calls the reason why it gives something not; null when it says nothing of it. */
export const errorCodeOf = ({ headers }: Pick<FetchedResponse, 'headers'>): string | null =>
  headers.get('x-error-code');

/** `the server answers 404 (Not Found)`. */
export const statusText = ({ status, statusText: text }: Pick<FetchedResponse, 'status' | 'statusText'>): string =>
  `the server answers ${status}${text === '' ? '' : ` (${text})`}`;

/** What to do about an answer of 400 or more; empty when nobody knows. It goes behind what the server says. */
export function adviceOn(response: FetchedResponse, refused: Refused): string {
  const { url, asked, client, isFile } = refused;
  return url.origin === asked.origin
    ? ownAdvice(response, asked, client)
    : adviceElsewhere(response, url, isFile && client.isHub);
}

/** Who is redirected to gets no token, and says nothing of the model. */
function adviceElsewhere({ status }: FetchedResponse, { origin }: URL, isMeant: boolean): string {
  if (isMeant || !FORBIDDEN.includes(status)) return '';
  return `; the server redirects to ${origin}, which gets no headers and no token: give that address if it is meant`;
}

function ownAdvice(response: FetchedResponse, url: URL, { isHub, hasToken, hubUrl }: Client): string {
  const { status } = response;
  const code = errorCodeOf(response);
  if (code === 'GatedRepo') {
    return hasToken
      ? `; the model is gated: accept its terms at ${pageOf(url, hubUrl)} as the owner of the access token`
      : `; the model is gated: accept its terms at ${pageOf(url, hubUrl)}, and give ${HOW}`;
  }
  if (code === 'DisabledRepo') return '; the hub has disabled the model';
  if (code === 'RevisionNotFound') return '; the model has no such revision';
  if (code === 'EntryNotFound') return '; the model has no such file';
  if (isHub || code === 'RepoNotFound') return adviceOnRepository(status, hasToken);
  if (!FORBIDDEN.includes(status)) return '';
  return hasToken
    ? '; the Authorization that was given is not enough'
    : '; if it wants a login, give the option headers (for the command --header), or download the file first';
}

function adviceOnRepository(status: number, hasToken: boolean): string {
  if (status === 401) {
    return hasToken ? '; the access token is wrong, or has expired' : `; there is no such model, or it needs ${HOW}`;
  }
  if (status === 403) return hasToken ? '; the access token has no right to read the model' : `; it needs ${HOW}`;
  if (status !== 404) return '';
  return hasToken
    ? '; there is none, or the owner of the access token may not read it'
    : `; there is none, or it is private and needs ${HOW}`;
}

/** The page of the model that an address of a hub, or of a copy of one elsewhere, is about. */
function pageOf({ origin, pathname, href }: URL, hubUrl: string): string {
  const isHubs = href.startsWith(`${hubUrl}/`);
  const [base, path] = isHubs ? [hubUrl, href.slice(hubUrl.length)] : [origin, pathname];
  const [, model = ''] = /^\/(?:api\/models\/|api\/resolve-cache\/models\/)?([^/?#]+\/[^/?#]+)/.exec(path) ?? [];
  return `${base}/${model}`;
}
