import { unreadable } from '../failures.js';
import { HUB_URL } from '../http/access.js';

/** A model on a hub, as callers write it. */
export interface HubAddress {
  /** `organization/model`. */
  readonly model: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  /** A file, or a folder, of the model; empty when nothing is said of it. */
  readonly path: string;
  /** The text without the path. */
  readonly repository: string;
}

const DEFAULT_REVISION = 'main';

/** Revisions of pull requests and of converted files have slashes in them. */
const FORM = /^(hf:(?:\/\/)?([^/@]+\/[^/@]+)(?:@(refs\/(?:pr|convert)\/[^/]+|[^/]+))?)(?:\/(.*))?$/is;

/** What names of organizations and models are made of. */
const NAMES = /^[\w.-]+\/[\w.-]+$/;

const ASIDE: readonly string[] = ['datasets', 'spaces', 'models'];

const SHAPE = 'hf:organization/model, with @revision and /file where they are needed';

/** Reads `hf:organization/model[@revision][/file]`. Slashes in the revision may be written `%2F`. */
export function hubAddress(text: string): HubAddress {
  const [, repository = '', model = '', revision = DEFAULT_REVISION, path = ''] = FORM.exec(text) ?? [];
  if (!NAMES.test(model) || /^\.+\/|\/\.+$/.test(model)) throw unreadable(text, `it must be ${SHAPE}`);
  if (ASIDE.includes(model.split('/')[0]?.toLowerCase() ?? '')) {
    throw unreadable(text, `only models of a hub can be read, and it must be ${SHAPE}`);
  }
  const parts = path.replace(/\/$/, '').split('/');
  if (path !== '' && parts.some((part) => ['', '.', '..'].includes(part) || /[\\\p{Cc}]/u.test(part))) {
    throw unreadable(text, 'no file can have that path');
  }
  return { model, revision: decoded(revision, text), path: parts.join('/'), repository };
}

function decoded(revision: string, text: string): string {
  try {
    const plain = decodeURIComponent(revision);
    // "refs" is what a slash has cut off of a longer name.
    if (!/[\p{Cc}\s]|\.\.|^[./]|\/$|^refs$/iu.test(plain)) return plain;
  } catch {
    // It has a "%" that encodes nothing.
  }
  throw unreadable(text, 'no revision can be called that; write "/" in it as %2F');
}

/** The other names of the hub that is meant when none is named. */
const HUB_HOSTS: readonly string[] = ['huggingface.co', 'www.huggingface.co', 'hf.co'];

/** The page of a model, of a folder or of a file of it. */
const PAGE =
  /^\/((?:(?:datasets|spaces)\/)?[^/@]+\/[^/@]+)(?:\/(?:tree|blob)\/((?:refs\/(?:pr|convert)\/)?[^/]+)(?:\/(.+?))?)?\/*$/u;

/** Pages of a hub that are about no model. */
const OTHER_PAGES = /^\/(?:api|blog|collections|docs|learn|organizations|papers|posts|settings|tasks)\//u;

/**
 * What `hubAddress` reads in place of the page that browsers show of a model, `https://huggingface.co/organization/model`, of
 * a folder or of a file of it: without its query and fragment. Null for what is no such page of the hub at `hubUrl`. Datasets
 * and spaces are refused where the text is read.
 */
export function textOfPage(url: URL, hubUrl: string): string | null {
  const place = placeOnHub(url, new URL(hubUrl));
  const [, model, revision, path] = place === null || OTHER_PAGES.test(place) ? [] : (PAGE.exec(place) ?? []);
  if (model === undefined) return null;
  const named = revision === undefined || revision === DEFAULT_REVISION ? model : `${model}@${revision}`;
  return `hf:${named}${path === undefined ? '' : `/${path.split('/').map(decodedPart).join('/')}`}`;
}

/** The path behind the hub's own address; null for what is elsewhere, or says who asks. */
function placeOnHub({ protocol, origin, host, username, password, pathname }: URL, hub: URL): string | null {
  const isUsual = hub.origin === HUB_URL && /^https?:$/u.test(protocol) && HUB_HOSTS.includes(host);
  const base = hub.pathname.replace(/\/+$/u, '');
  if ((origin !== hub.origin && !isUsual) || `${username}${password}` !== '') return null;
  return pathname.startsWith(`${base}/`) ? pathname.slice(base.length) : null;
}

function decodedPart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a file of a model at a commit. */
export function fileUrl(hubUrl: string, model: string, commit: string, path: string): URL {
  const parts = [...model.split('/'), 'resolve', commit, ...path.split('/')];
  return new URL(`${hubUrl}/${parts.map(encodeURIComponent).join('/')}`);
}
