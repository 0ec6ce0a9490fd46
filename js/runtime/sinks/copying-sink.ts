import { AbortActions } from '../../abort-actions.js';
import { abortError } from '../../errors.js';
import { HELD_BYTES, type SinkPlan } from '../../io/byte-io.js';
import { unwritable, writeFailure } from '../failures.js';
import { SingleSink } from './single-sink.js';
import { unlessAborted } from '../unless-aborted.js';

const aborts = new AbortActions();

/** What leads to a file that keeps what it is given for as long as it likes. Its methods may reject with any error. */
export interface CopyTarget {
  write(bytes: Uint8Array<ArrayBuffer>, position: number): Promise<void>;
  close(): Promise<void>;
  abort(cause: unknown): Promise<void>;
  /** Whether to wait until it is aborted: it may be somebody else's, who never ends it. */
  readonly waitsForAbort: boolean;
}

/** Who waits for room. */
interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
  readonly refuse: (error: unknown) => void;
}

/**
 * A sink of one file that gets copies, at any position. Whoever writes goes on at once; what the file has not taken yet is
 * held, up to a limit, for which `reserve` waits.
 */
export class CopyingSink extends SingleSink {
  override readonly holds = true;
  readonly #target: CopyTarget;
  readonly #signal: AbortSignal | undefined;
  readonly #limitBytes: number;
  readonly #revoke: () => void;
  /** Reserved bytes that have not been written yet, by position. */
  readonly #reserved = new Map<number, number>();
  readonly #waiting: Waiter[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #heldBytes = 0;
  #failure: { readonly error: unknown } | null = null;
  #ended = false;

  constructor(name: string, target: CopyTarget, { heldBytes = HELD_BYTES, signal }: SinkPlan) {
    super(name);
    this.#target = target;
    this.#signal = signal;
    this.#limitBytes = heldBytes;
    this.#revoke = aborts.add(signal, () => {
      this.#fail(abortError(signal?.reason));
    });
  }

  override readonly reserve = async (position: number, bytes: number): Promise<void> => {
    this.#check();
    await new Promise<void>((grant, refuse) => {
      this.#waiting.push({ bytes, grant, refuse });
      this.#grant();
    });
    this.#reserved.set(position, bytes);
  };

  override readonly stop = (error: unknown): void => {
    this.#fail(error);
  };

  /** Resolves when the bytes have been copied. */
  write(bytes: Uint8Array, position: number): Promise<void> {
    try {
      this.#check();
      this.#use(position, bytes.length);
      // Browsers refuse shared memory here, or write what it holds later.
      this.#begin(bytes.slice(), position);
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(writeFailure(this.name, error));
    }
  }

  #begin(copy: Uint8Array<ArrayBuffer>, position: number): void {
    const writing = unlessAborted(this.#signal, () => this.#target.write(copy, position)).then(
      () => {
        this.#heldBytes -= copy.length;
        this.#grant();
      },
      (error: unknown) => {
        this.#fail(writeFailure(this.name, error));
      },
    );
    this.#underWay.add(writing);
    void writing.then(() => this.#underWay.delete(writing));
  }

  async commit(proceed: () => void): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    this.#check();
    proceed();
    try {
      await this.#target.close();
    } catch (error) {
      throw writeFailure(this.name, error);
    }
    this.#end();
  }

  async discard(cause?: unknown): Promise<void> {
    if (this.#ended) return;
    this.#end();
    this.#fail(cause);
    const aborted = this.#target.abort(cause).catch(() => undefined);
    if (this.#target.waitsForAbort) await aborted;
  }

  #end(): void {
    this.#ended = true;
    this.#revoke();
  }

  #check(): void {
    if (this.#ended) throw unwritable(this.name, 'it is closed');
    if (this.#failure !== null) throw this.#failure.error;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    for (const { refuse } of this.#waiting.splice(0)) refuse(this.#failure.error);
  }

  /** What nobody has reserved counts as well: scales and zero points, which are small beside their levels. */
  #use(position: number, bytes: number): void {
    const reserved = this.#reserved.get(position);
    if (reserved === undefined) {
      this.#heldBytes += bytes;
      return;
    }
    this.#reserved.delete(position);
    if (reserved > bytes) this.#reserved.set(position + bytes, reserved - bytes);
    else this.#heldBytes += bytes - reserved;
  }

  #grant(): void {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || (this.#heldBytes > 0 && this.#heldBytes + first.bytes > this.#limitBytes)) return;
      this.#waiting.shift();
      this.#heldBytes += first.bytes;
      first.grant();
    }
  }
}
