import { AbortActions } from '../../abort-actions.js';
import { aboutWebPage } from '../../addresses.js';
import { fieldsOf } from '../../checks.js';
import { QuantizeError } from '../../errors.js';
import { changed, checkAborted, reasonOf, unreadable } from '../failures.js';
import type { HttpSettings } from './settings.js';

/** Answers that another try may change. */
const TRANSIENT: readonly number[] = [408, 429, 502, 503, 504];

const GONE: readonly number[] = [404, 410];

const FORBIDDEN: readonly number[] = [401, 403];

const aborts = new AbortActions();

/** A failure after which it is worth trying again; `delay` in milliseconds is what the server asks for. */
class TransientFailure extends Error {
  readonly delay: number;
  /** Whether there was an answer at all. */
  readonly answered: boolean;

  constructor(message: string, { cause, answered, delay = 0 }: { cause?: unknown; answered: boolean; delay?: number }) {
    super(message, { cause });
    this.answered = answered;
    this.delay = delay;
  }
}

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

/** Reads stretches of one address. */
export class HttpFile {
  readonly name: string;
  readonly #url: string;
  readonly #signal: AbortSignal | undefined;
  readonly #settings: HttpSettings;
  readonly #absence: Absence;
  #version: FileVersion | null = null;

  constructor(name: string, url: string, settings: HttpSettings, signal: AbortSignal | undefined, absence: Absence) {
    this.name = name;
    this.#url = url;
    this.#settings = settings;
    this.#signal = signal;
    this.#absence = absence;
  }

  /**
   * Fills `into` with the bytes from `position` on, as they arrive. The first call learns the file's size and may find it
   * shorter than `into`. Returns how many bytes there are, and what the file is.
   */
  async read(into: Uint8Array, position: number): Promise<{ readonly bytes: number; readonly version: FileVersion }> {
    let done = 0;
    let wanted = into.length;
    for (let failed = 0; ;) {
      const before = done;
      try {
        checkAborted(this.#signal);
        await this.#request(position + done, wanted - done, (chunk, version) => {
          wanted = Math.min(wanted, version.size - position);
          if (chunk.length > wanted - done)
            throw unreadable(this.name, 'the server sent more bytes than were asked for');
          into.set(chunk, done);
          done += chunk.length;
        });
        if (this.#version !== null && done >= Math.min(wanted, this.#version.size - position)) {
          return { bytes: done, version: this.#version };
        }
        throw new TransientFailure('the connection ended early', { answered: true });
      } catch (error) {
        if (!(error instanceof TransientFailure)) throw error;
        failed = done - before >= this.#settings.progressBytes ? 0 : failed + 1;
        const { attempts, firstAttempts } = this.#settings;
        const most = error.answered || this.#version !== null ? attempts : firstAttempts;
        if (failed >= most) throw this.#givenUp(error, failed);
        if (failed > 0) await this.#wait(failed, error.delay);
      }
    }
  }

  #givenUp(error: TransientFailure, failed: number): QuantizeError {
    const detail = `${error.message} (tried ${failed} times)`;
    return new QuantizeError('unreadable_input', { file: this.name, detail, cause: error.cause });
  }

  /** One request for `bytes` bytes; each part of the answer goes to `take`, an empty file's answer as an empty part. */
  async #request(
    position: number,
    bytes: number,
    take: (chunk: Uint8Array, version: FileVersion) => void,
  ): Promise<void> {
    const connection = new Connection(this.#settings.stallLimit, this.#signal);
    try {
      const response = await connection.guard(
        fetch(this.#url, {
          headers: { Range: `bytes=${position}-${position + bytes - 1}` },
          cache: 'no-store',
          signal: connection.signal,
        }),
      );
      const version = this.#check(response, position);
      take(new Uint8Array(), version);
      // An answer without bytes is that an empty file has none.
      if (version.size === 0 || response.body === null) return;
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await connection.guard(reader.read());
        if (done) return;
        take(value, version);
      }
    } catch (error) {
      checkAborted(this.#signal);
      throw error;
    } finally {
      connection.end();
    }
  }

  /** Throws when the answer is not a part of the file that earlier answers were parts of. */
  #check(response: Response, position: number): FileVersion {
    const { status, headers } = response;
    const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
    const empty =
      (status === 416 && position === 0 && range?.[2] === '0') ||
      (status === 200 && headers.get('content-length') === '0');
    if (!empty) this.#checkStatus(response);
    if (!empty && range === null) throw unreadable(this.name, explanationOf(headers));
    if (!empty && Number(range?.[1]) !== position) {
      throw unreadable(this.name, 'the server sent another part of the file than was asked for');
    }
    const size = empty ? 0 : Number(range?.[2]);
    if (!Number.isSafeInteger(size)) throw unreadable(this.name, 'the server does not tell how long the file is');
    const tag = headers.get('etag')?.replace(/^W\//, '') ?? headers.get('last-modified');
    this.#version ??= { size, tag };
    if (this.#version.size !== size || this.#version.tag !== tag) throw this.#changed();
    return this.#version;
  }

  #checkStatus({ status, statusText, headers }: Response): void {
    if (status === 206) return;
    if (status === 200) {
      if (isWebPage(headers)) throw unreadable(this.name, aboutWebPage(this.name));
      throw unreadable(this.name, 'the server does not support range requests; download the file first');
    }
    const text = `the server answers ${status}${statusText === '' ? '' : ` (${statusText})`}`;
    if (TRANSIENT.includes(status)) throw new TransientFailure(text, { answered: true, delay: retryAfter(headers) });
    if (this.#version !== null && status === 416) throw this.#changed();
    const { missing, hint } = this.#absence;
    const code = GONE.includes(status) ? missing : 'unreadable_input';
    const login = FORBIDDEN.includes(status) ? LOGIN_HINT : '';
    throw new QuantizeError(code, { file: this.name, detail: text + (hint === '' ? login : hint) });
  }

  #changed(): QuantizeError {
    return changed(this.name, 'the file on the server changed while it was read; start again');
  }

  /** Waits before the next try, longer each time; the signal ends it. */
  async #wait(failed: number, asked: number): Promise<void> {
    const { firstDelay, longestDelay } = this.#settings;
    const delay = Math.min(longestDelay, Math.max(asked, firstDelay * 2 ** (failed - 1)));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(end, delay);
      const revoke = aborts.add(this.#signal, end);
      function end(): void {
        clearTimeout(timer);
        revoke();
        resolve();
      }
    });
    checkAborted(this.#signal);
  }
}

const LOGIN_HINT = '; if it wants a login, download the file first';

const isWebPage = (headers: Headers): boolean =>
  /^(text\/html|application\/xhtml)/i.test(headers.get('content-type') ?? '');

/** Why an answer with a part of the file does not say which part. */
const explanationOf = (headers: Headers): string =>
  headers.get('content-type')?.startsWith('multipart/') === true
    ? 'the server sent several parts where one was asked for'
    : 'the server does not say which bytes it sent; if it is of another origin, it has to send ' +
      '"Access-Control-Expose-Headers: Content-Range, ETag"';

/** Milliseconds that a server asks to wait; 0 when it asks for none. A date instead of seconds is not heeded. */
function retryAfter(headers: Headers): number {
  const seconds = Number(headers.get('retry-after') ?? 0);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
}

/** Ends a request when its bytes stall, when the job is aborted, and when it is over. */
class Connection {
  readonly #controller = new AbortController();
  readonly #stallLimit: number;
  readonly #revoke: () => void;
  #stalled = false;

  constructor(stallLimit: number, signal: AbortSignal | undefined) {
    this.#stallLimit = stallLimit;
    this.#revoke = aborts.add(signal, () => {
      this.#controller.abort();
    });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Waits for a step of the request, not for ever; what goes wrong with it is a transient failure. */
  async guard<Value>(step: Promise<Value>): Promise<Value> {
    const timer = setTimeout(() => {
      this.#stalled = true;
      this.#controller.abort();
    }, this.#stallLimit);
    try {
      return await step;
    } catch (error) {
      const text = this.#stalled ? `nothing came for ${this.#stallLimit / 1000} seconds` : networkProblem(error);
      throw new TransientFailure(text, { cause: error, answered: false });
    } finally {
      clearTimeout(timer);
    }
  }

  end(): void {
    this.#revoke();
    this.#controller.abort();
  }
}

/** `fetch` says little itself ("fetch failed"); in Node the cause says more. */
const networkProblem = (error: unknown): string => reasonOf(fieldsOf(error)['cause'] ?? error);
