import { fieldsOf } from '../../checks.js';
import { shownUrl } from '../../endpoints.js';
import { reasonOf } from '../failures.js';

/** What goes wrong with a request, in words, and the error that may be shown with them. */
export interface Problem {
  readonly text: string;
  /** Undefined when its own words have in them what must not be shown. */
  readonly cause: unknown;
}

/** `fetch` says little itself ("fetch failed"); in Node its cause says more. Deno and Bun repeat the address, which may be signed. */
export function problemOf(error: unknown): Problem {
  const inner = fieldsOf(error)['cause'];
  return { text: withoutQueries(reasonOf(inner ?? error)), cause: [error, inner].some(hasQuery) ? undefined : error };
}

const QUERY = /\bhttps?:\/\/[^\s?]*\?/iu;

function hasQuery(error: unknown): boolean {
  const fields = fieldsOf(error);
  // The stack of an error begins with its message; the rest of it are addresses of scripts.
  const names = Object.getOwnPropertyNames(fields).filter((name) => name !== 'stack');
  return [String(error), ...names.map((name) => fields[name])].some(
    (text) => typeof text === 'string' && QUERY.test(text),
  );
}

/** The text with its addresses as errors show them. What is behind an address in brackets is no part of it. */
const withoutQueries = (text: string): string =>
  text.replace(/\bhttps?:\/\/\S*?(?=[)\]}>"'`.,:;]*(?:\s|$))/giu, (address) =>
    URL.canParse(address) ? shownUrl(new URL(address)) : 'an address',
  );
