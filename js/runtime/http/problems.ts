import { fieldsOf } from '../../checks.js';
import { shownUrl } from '../../endpoints.js';
import { reasonOf } from '../failures.js';

/** What goes wrong with a request, in words, and the error that may be shown with them. */
export interface Problem {
  readonly text: string;
  /** Undefined when its own words have in them what must not be shown. */
  readonly cause: unknown;
}

/** `fetch` says little itself ("fetch failed"); in Node its cause says more. Deno repeats the address, which may be signed. */
export function problemOf(error: unknown): Problem {
  const inner = fieldsOf(error)['cause'];
  const text = withoutQueries(reasonOf(inner ?? error));
  const isOpen = [error, inner].every((one) => withoutQueries(textOf(one)) === textOf(one));
  return { text, cause: isOpen ? error : undefined };
}

function textOf(error: unknown): string {
  const { message } = fieldsOf(error);
  return typeof message === 'string' ? message : String(error);
}

/** The text with its addresses as errors show them. What is behind an address in brackets is no part of it. */
const withoutQueries = (text: string): string =>
  text.replace(/\bhttps?:\/\/\S*?(?=[)\]}>"'`.,:;]*(?:\s|$))/giu, (address) =>
    URL.canParse(address) ? shownUrl(new URL(address)) : 'an address',
  );
