import { unreadable } from '../failures.js';

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

/** The address of a file of a model at a commit. */
export function fileUrl(hubUrl: string, model: string, commit: string, path: string): URL {
  const parts = [...model.split('/'), 'resolve', commit, ...path.split('/')];
  return new URL(`${hubUrl}/${parts.map(encodeURIComponent).join('/')}`);
}
