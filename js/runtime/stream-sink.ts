import { AbortActions } from '../abort-actions.js';
import { endpointName, type ByteStream } from '../endpoints.js';
import { QuantizeError } from '../errors.js';
import type { PlannedPiece, SinkPlan } from '../files/io.js';
import { checkAborted, unwritable, writeFailure } from './failures.js';
import { checkSinglePlan, SingleSink } from './single-sink.js';

/** Bytes that may be held back because earlier ones have not come yet. */
export const HELD_BYTES = 33_554_432;

/** Zeros between pieces are made in stretches of at most this size. */
const PADDING_BYTES = 65_536;

const aborts = new AbortActions();

/** Bytes that came before earlier ones did. They are the writer's until there is room to hold a copy of them. */
interface Early {
  readonly position: number;
  readonly bytes: Uint8Array;
  readonly held: boolean;
  /** Settles the write. */
  readonly accept: () => void;
  readonly refuse: (error: unknown) => void;
}

/**
 * A stream that takes bytes in order only. Bytes that come early are held back, and when there are too many of them their
 * writers wait. That cannot last: work on pieces begins in the order of their positions, so whoever writes the next bytes
 * is not among those who wait, and the next bytes are always taken.
 */
export class StreamSink extends SingleSink {
  override readonly sequential = true;
  readonly #writer: ReturnType<ByteStream['getWriter']>;
  readonly #bytes: number;
  readonly #pieces: readonly PlannedPiece[];
  readonly #early = new Map<number, Early>();
  readonly #revoke: () => void;
  #heldBytes = 0;
  /** All bytes before it have gone to the stream. */
  #next = 0;
  /** The planned piece that `#next` lies in or before. */
  #piece = 0;
  #pump: Promise<void> | null = null;
  #failure: { readonly error: unknown } | null = null;
  /** What was told to `stop`: nothing more is taken. */
  #stopped: { readonly error: unknown } | null = null;
  #failed: (error: unknown) => void = () => undefined;
  /** Rejects with the first failure, so that nothing waits for a stream that has none who reads it. */
  readonly #broken: Promise<never>;
  #closing = false;
  #released = false;

  constructor(name: string, stream: ByteStream, { bytes, pieces, signal }: SinkPlan) {
    super(name);
    this.#bytes = bytes;
    this.#pieces = pieces ?? [{ begin: 0, bytes }];
    this.#broken = new Promise((_, reject) => {
      this.#failed = reject;
    });
    this.#broken.catch(() => undefined);
    this.#writer = stream.getWriter();
    this.#writer.closed.then(
      () => {
        if (!this.#closing) this.#fail(unwritable(this.name, 'the stream was closed by someone else'));
      },
      (error: unknown) => {
        this.#fail(writeFailure(this.name, error));
      },
    );
    this.#revoke = aborts.add(signal, () => {
      this.#fail(new QuantizeError('aborted', { cause: signal?.reason }));
    });
  }

  /** Rejects when the stream has ended already. */
  async checkOpen(): Promise<void> {
    // A closed stream's promises are settled: they come first.
    const later = Promise.resolve(false).then(() => Promise.resolve(false));
    const isClosed = await Promise.race([this.#writer.closed.then(() => true), later]).catch((error: unknown) => {
      throw writeFailure(this.name, error);
    });
    if (isClosed) throw unwritable(this.name, 'the stream is closed');
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#check();
    if (this.#stopped !== null) throw this.#stopped.error;
    if (bytes.length === 0) return;
    if (position < this.#next || this.#early.has(position) || position + bytes.length > this.#bytes) {
      throw new RangeError(`bytes ${position} to ${position + bytes.length} of ${this.name} were not planned`);
    }
    const accepted = new Promise<void>((accept, refuse) => {
      this.#early.set(position, { position, bytes, held: false, accept, refuse });
    });
    this.#hold();
    this.#start();
    await accepted;
  }

  override readonly stop = (error: unknown): void => {
    this.#stopped ??= { error };
    for (const early of this.#early.values()) if (early.position !== this.#next) early.refuse(error);
  };

  async commit(proceed: () => void): Promise<void> {
    proceed();
    this.#check();
    await this.#pump;
    this.#check();
    // What was never written is zero, planned or not.
    await this.#sendRest();
    proceed();
    this.#closing = true;
    try {
      await Promise.race([this.#writer.close(), this.#broken]);
    } catch (error) {
      throw writeFailure(this.name, error);
    }
    this.release();
  }

  async discard(cause?: unknown): Promise<void> {
    if (this.#released) return;
    const error = cause ?? unwritable(this.name, 'it was given up');
    this.#fail(error);
    // Not waited for: what the stream leads to may take as long as it likes to hear of it.
    this.#writer.abort(error).catch(() => undefined);
    await this.#pump;
    this.release();
  }

  /** Gives the stream back as it is. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#revoke();
    this.#writer.releaseLock();
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure.error;
    if (this.#released) throw unwritable(this.name, 'it is closed');
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = { error };
    this.#failed(error);
    for (const early of this.#early.values()) early.refuse(error);
    this.#early.clear();
  }

  /** Copies early bytes, those of the lowest positions first, while there is room, and lets their writers go on. */
  #hold(): void {
    const waiting = [...this.#early.values()].filter(({ held }) => !held).sort((a, b) => a.position - b.position);
    for (const early of waiting) {
      const { position, bytes } = early;
      if (position === this.#next) continue;
      if (this.#heldBytes + bytes.length > HELD_BYTES) return;
      this.#heldBytes += bytes.length;
      this.#early.set(position, { ...early, bytes: bytes.slice(), held: true });
      early.accept();
    }
  }

  #start(): void {
    this.#pump ??= this.#run();
  }

  /** Sends everything that is next. */
  async #run(): Promise<void> {
    try {
      for (;;) {
        await this.#sendPadding();
        const early = this.#early.get(this.#next);
        if (early === undefined) return;
        // Streams keep what they are given, and many refuse shared memory.
        await this.#send(early.held ? early.bytes : early.bytes.slice());
        this.#early.delete(early.position);
        if (early.held) this.#heldBytes -= early.bytes.length;
        else early.accept();
        this.#hold();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      // In the same turn as the look at what is next: no write can come between.
      this.#pump = null;
    }
  }

  /** Sends the zeros before the next planned piece, when the next byte is none of a piece. */
  async #sendPadding(): Promise<void> {
    for (;;) {
      const piece = this.#pieces[this.#piece];
      const begin = piece?.begin ?? this.#bytes;
      if (this.#next < begin) await this.#sendZeros(begin);
      if (piece === undefined || this.#next < begin + piece.bytes) return;
      ++this.#piece;
    }
  }

  /** At the end, with everything accepted: what is held, and zeros for all that is missing. */
  async #sendRest(): Promise<void> {
    const rest = [...this.#early.values()].sort((a, b) => a.position - b.position);
    this.#early.clear();
    for (const { position, bytes } of rest) {
      await this.#sendZeros(position);
      await this.#send(bytes);
    }
    await this.#sendZeros(this.#bytes);
  }

  async #sendZeros(end: number): Promise<void> {
    while (this.#next < end) await this.#send(new Uint8Array(Math.min(PADDING_BYTES, end - this.#next)));
  }

  async #send(chunk: Uint8Array): Promise<void> {
    const writer = this.#writer;
    const { length } = chunk;
    try {
      await Promise.race([writer.ready, this.#broken]);
      // Its failure shows in `closed`, too, which is looked at.
      writer.write(chunk as Uint8Array<ArrayBuffer>).catch(() => undefined);
    } catch (error) {
      throw writeFailure(this.name, error);
    }
    this.#next += length;
  }
}

/** Rejects for streams that cannot be written to, and for plans whose bytes do not come in order. */
export async function openStream(stream: ByteStream, plan: SinkPlan): Promise<StreamSink> {
  const name = endpointName(stream);
  checkSinglePlan(name, plan);
  checkAborted(plan.signal);
  if (stream.locked) throw unwritable(name, 'the stream is locked: its writer has to be released first');
  let reached = 0;
  for (const { begin, bytes } of plan.pieces ?? []) {
    if (begin < reached) {
      throw unwritable(name, 'a stream takes its bytes in order, and those of this format do not come so; give a path');
    }
    reached = begin + bytes;
  }
  const sink = new StreamSink(name, stream, plan);
  try {
    await sink.checkOpen();
  } catch (error) {
    sink.release();
    throw error;
  }
  return sink;
}
