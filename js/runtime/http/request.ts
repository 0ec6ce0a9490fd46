import { aboutWebPage } from '../../addresses.js';
import type { FetchedResponse } from '../../endpoints.js';
import { QuantizeError } from '../../errors.js';
import { changed, checkAborted, unreadable } from '../failures.js';
import { discard, type Answer, type Client } from './client.js';
import { adviceOn, statusText } from './refusals.js';
import { Connection, Retries, TransientFailure, retryDelay } from './retries.js';
import type { HttpSettings } from './settings.js';

/** Answers that another try may change. */
const TRANSIENT: readonly number[] = [408, 429, 500, 502, 503, 504];

const GONE: readonly number[] = [404, 410];

/** What a signed address that has expired answers with. */
const EXPIRED: readonly number[] = [400, 401, 403, 404, 410];

/** Which file a server has under an address: as long as it is the same, so are these. */
export interface FileVersion {
  readonly size: number;
  /** The entity tag without the mark of weakness, else the date of the last change, else null. */
  readonly tag: string | null;
}

/** What to say of a file that a server does not give. */
export interface Absence {
  readonly missing: 'missing_shard' | 'unreadable_input';
  /** What else may be the reason; it goes behind what the server says. */
  readonly hint: string;
}

/** What all requests for one file have in common. */
export interface FileContext {
  readonly client: Client;
  readonly settings: HttpSettings;
  readonly signal: AbortSignal | undefined;
}

/** Throws for an answer that another try may change. */
export function checkTransient(response: FetchedResponse): void {
  if (!TRANSIENT.includes(response.status)) return;
  const delay = retryDelay(response.headers.get('retry-after'), Date.now());
  throw new TransientFailure(statusText(response), { answered: true, delay });
}

/** Reads stretches of one address. */
export class HttpFile {
  readonly name: string;
  readonly #url: URL;
  readonly #context: FileContext;
  readonly #absence: Absence;
  #version: FileVersion | null = null;
  /** Where redirects have led to, when that is another server: it need not be asked for each stretch. */
  #target: URL | null = null;
  #linkedTag: string | null = null;
  #downloadedBytes = 0;

  constructor(name: string, url: URL, context: FileContext, absence: Absence) {
    this.name = name;
    this.#url = url;
    this.#context = context;
    this.#absence = absence;
  }

  /** All that has come until now, that of tries that failed included. */
  get downloadedBytes(): number {
    return this.#downloadedBytes;
  }

  /**
   * Fills `into` with the bytes from `position` on, as they arrive. The first call learns the file's size and may find it
   * shorter than `into`. Returns how many bytes there are, and what the file is.
   */
  async read(into: Uint8Array, position: number): Promise<{ readonly bytes: number; readonly version: FileVersion }> {
    const { settings, signal } = this.#context;
    const retries = new Retries(this.name, settings, signal);
    let done = 0;
    let wanted = into.length;
    for (;;) {
      const before = done;
      let promised = Infinity;
      try {
        checkAborted(signal);
        await this.#request(position + done, wanted - done, (chunk, version, part) => {
          promised = part;
          wanted = Math.min(wanted, version.size - position);
          if (chunk.length > wanted - done)
            throw unreadable(this.name, 'the server sent more bytes than were asked for');
          into.set(chunk, done);
          done += chunk.length;
        });
        if (this.#version !== null && done >= Math.min(wanted, this.#version.size - position)) {
          return { bytes: done, version: this.#version };
        }
        // Servers may give shorter parts than they are asked for, and say so.
        if (done > before && done - before === promised) continue;
        throw new TransientFailure('the connection ended early', { answered: true });
      } catch (error) {
        await retries.after(error, { progress: done - before, isKnown: this.#version !== null });
      }
    }
  }

  /**
   * One request for `bytes` bytes; each chunk of the answer goes to `take`, with how many bytes the answer says to have, an
   * empty file's answer as an empty chunk.
   */
  async #request(
    position: number,
    bytes: number,
    take: (chunk: Uint8Array, version: FileVersion, part: number) => void,
  ): Promise<void> {
    const { client, settings, signal } = this.#context;
    const connection = new Connection(settings.stallLimit, signal, client.hintOn(this.#url));
    try {
      const answer = await this.#ask(position, bytes, connection);
      const version = this.#check(answer, position);
      const part = partOf(answer.response);
      take(new Uint8Array(), version, part);
      const { body } = answer.response;
      // An answer without bytes is that an empty file has none.
      if (version.size === 0 || body === null) return;
      const reader = body.getReader();
      for (;;) {
        const { value } = await connection.guard(reader.read());
        if (value === undefined) return;
        this.#downloadedBytes += value.length;
        take(value, version, part);
      }
    } catch (error) {
      checkAborted(signal);
      // Nobody knows whether the address that was remembered is the reason.
      this.#target = null;
      throw error;
    } finally {
      connection.end();
    }
  }

  /** Asks where the last answer came from; when that has expired, the given address again. */
  async #ask(position: number, bytes: number, connection: Connection): Promise<Answer> {
    const question = {
      // Some ask for compressed parts by themselves, and a part of something compressed is no part of the file.
      headers: { range: `bytes=${position}-${position + bytes - 1}`, 'accept-encoding': 'identity' },
      signal: connection.signal,
    };
    const send = (url: URL): Promise<Answer> => connection.guard(this.#context.client.fetch(url, question, this.name));
    if (this.#target !== null) {
      const answer = await send(this.#target);
      if (!EXPIRED.includes(answer.response.status)) return answer;
      discard(answer.response);
    }
    const answer = await send(this.#url);
    this.#target = answer.url.origin === this.#url.origin ? null : answer.url;
    this.#linkedTag = answer.linkedTag;
    if (this.#target === null || answer.response.status !== 200) return answer;
    // WebKit forgets the range where it follows a redirect for a page with a service worker.
    discard(answer.response);
    return send(this.#target);
  }

  /** Throws when the answer is not a part of the file that earlier answers were parts of. */
  #check({ response, url }: Answer, position: number): FileVersion {
    const { status, headers } = response;
    const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
    const empty =
      (status === 416 && position === 0 && range?.[2] === '0') ||
      (status === 200 && headers.get('content-length') === '0');
    if (!empty) this.#checkStatus(response, url);
    if (!empty && range === null) throw unreadable(this.name, explanationOf(headers));
    if (!empty && Number(range?.[1]) !== position) {
      throw unreadable(this.name, 'the server sent another part of the file than was asked for');
    }
    const size = empty ? 0 : Number(range?.[2]);
    if (!Number.isSafeInteger(size)) throw unreadable(this.name, 'the server does not tell how long the file is');
    const tag = (this.#linkedTag ?? headers.get('etag'))?.replace(/^W\//, '') ?? headers.get('last-modified');
    this.#version ??= { size, tag };
    if (this.#version.size !== size || this.#version.tag !== tag) throw this.#changed();
    return this.#version;
  }

  #checkStatus(response: FetchedResponse, url: URL): void {
    const { status, headers } = response;
    if (status === 206) return;
    if (status === 200) {
      if (isWebPage(headers)) throw unreadable(this.name, aboutWebPage(this.name));
      throw unreadable(this.name, 'the server does not support range requests; download the file first');
    }
    checkTransient(response);
    if (this.#version !== null && status === 416) throw this.#changed();
    const { missing, hint } = this.#absence;
    const code = GONE.includes(status) ? missing : 'unreadable_input';
    const advice = adviceOn(response, { url, asked: this.#url, client: this.#context.client, isFile: true });
    const detail = statusText(response) + (hint === '' ? advice : hint);
    throw new QuantizeError(code, { file: this.name, detail });
  }

  #changed(): QuantizeError {
    return changed(this.name, 'the file on the server changed while it was read; start again');
  }
}

/** How many bytes an answer says to have. */
function partOf({ headers }: FetchedResponse): number {
  const [, first, last] = /^bytes (\d+)-(\d+)\//.exec(headers.get('content-range') ?? '') ?? [];
  return Number(last) - Number(first) + 1;
}

const isWebPage = (headers: FetchedResponse['headers']): boolean =>
  /^(text\/html|application\/xhtml)/i.test(headers.get('content-type') ?? '');

/** Why an answer with a part of the file does not say which part. */
const explanationOf = (headers: FetchedResponse['headers']): string =>
  headers.get('content-type')?.startsWith('multipart/') === true
    ? 'the server sent several parts where one was asked for'
    : 'the server does not say which bytes it sent; if it is of another origin, it has to send ' +
      '"Access-Control-Expose-Headers: Content-Range, ETag"';
