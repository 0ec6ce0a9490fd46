import { AbortActions } from '../../abort-actions.js';
import { endpointName, type ByteStream } from '../../endpoints.js';
import { HELD_BYTES, type PlannedPiece, type SinkPlan } from '../../io/byte-io.js';
import { abortError } from '../../errors.js';
import { checkAborted, unwritable, writeFailure } from '../failures.js';
import { PositionQueue } from './position-queue.js';
import { Room } from './room.js';
import { checkSinglePlan, SingleSink } from './single-sink.js';

/** What lies between pieces is made in stretches of at most this size. */
const PADDING_BYTES = 65_536;

const aborts = new AbortActions();

/** Bytes that wait for those before them. */
interface HeldPiece {
  readonly position: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * A stream that takes bytes in order only. What comes early is copied and held back; until the stream has taken it, it
 * counts. When there is no room, who reserves or writes waits, but never for the bytes that come next.
 */
export class StreamSink extends SingleSink {
  override readonly holds = true;
  readonly #writer: ReturnType<ByteStream['getWriter']>;
  readonly #bytes: number;
  readonly #pieces: readonly PlannedPiece[];
  readonly #room: Room;
  /** Copies of what has been written, until they are next. */
  readonly #held = new PositionQueue<HeldPiece>();
  readonly #revoke: () => void;
  /** All bytes before it have gone to the stream. */
  #next = 0;
  /** The planned piece that `#next` lies in or before. */
  #piece = 0;
  readonly #between: NonNullable<SinkPlan['between']>;
  /** The first of those that ends behind what has been sent of them. */
  #nextBetween = 0;
  #pump: Promise<void> | null = null;
  #failure: { readonly error: unknown } | null = null;
  /** What was told to `stop`: nothing more is taken. */
  #stopped: { readonly error: unknown } | null = null;
  /** Ends the wait for a stream that has none who reads it. There is one such wait at a time. */
  #interrupt: (error: unknown) => void = () => undefined;
  #closing = false;
  #released = false;

  constructor(name: string, stream: ByteStream, { bytes, pieces, between, signal, heldBytes }: SinkPlan) {
    super(name);
    this.#bytes = bytes;
    this.#pieces = pieces ?? [{ begin: 0, bytes }];
    this.#between = between ?? [];
    this.#room = new Room(heldBytes ?? HELD_BYTES);
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
      this.#fail(abortError(signal?.reason));
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

  override readonly reserve = async (position: number, bytes: number): Promise<void> => {
    this.#checkTaking();
    if (bytes === 0) return;
    const end = position + bytes;
    if (position < this.#next || end > this.#bytes) {
      throw new RangeError(`bytes ${position} to ${end} of ${this.name} were not planned`);
    }
    const reserved = this.#room.reserve(position, bytes);
    this.#start();
    await reserved;
    this.#checkTaking();
  };

  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#checkTaking();
    if (bytes.length === 0) return;
    if (!this.#room.isReserved(position)) await this.reserve(position, bytes.length);
    this.#room.use(position, bytes.length);
    // Streams keep what they are given, and many refuse shared memory.
    this.#held.add({ position, bytes: bytes.slice() });
    this.#start();
  }

  override readonly stop = (error: unknown): void => {
    this.#stopped ??= { error };
    this.#room.refuse(error);
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
      await this.#unlessBroken(this.#writer.close());
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

  #checkTaking(): void {
    this.#check();
    if (this.#stopped !== null) throw this.#stopped.error;
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = { error };
    this.#interrupt(error);
    this.#room.refuse(error);
    this.#held.takeAll();
  }

  #start(): void {
    this.#pump ??= this.#run();
  }

  /** Sends everything that is next. */
  async #run(): Promise<void> {
    try {
      for (;;) {
        await this.#sendPadding();
        this.#room.next(this.#next);
        const { first } = this.#held;
        if (first === undefined || first.position > this.#next) return;
        await this.#sendFirst();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      // In the same turn as the look at what is next: no write can come between.
      this.#pump = null;
    }
  }

  /** Sends what lies before the next planned piece, when the next byte is none of a piece. */
  async #sendPadding(): Promise<void> {
    for (;;) {
      const piece = this.#pieces[this.#piece];
      const begin = piece?.begin ?? this.#bytes;
      if (this.#next < begin) await this.#sendZeros(begin);
      if (piece === undefined || this.#next < begin + piece.bytes) return;
      ++this.#piece;
    }
  }

  /** At the end, with everything taken: what is held, and zeros for all that is missing. */
  async #sendRest(): Promise<void> {
    for (let { first } = this.#held; first !== undefined; { first } = this.#held) {
      await this.#sendZeros(first.position);
      await this.#sendFirst();
    }
    await this.#sendZeros(this.#bytes);
  }

  /** Sends the first of what is held, which is next. */
  async #sendFirst(): Promise<void> {
    const first = this.#held.takeFirst();
    if (first === undefined) return;
    const { position, bytes } = first;
    if (position < this.#next) throw new RangeError(`byte ${position} of ${this.name} was written twice`);
    await this.#send(bytes);
  }

  async #sendZeros(end: number): Promise<void> {
    while (this.#next < end) {
      const bytes = Math.min(PADDING_BYTES, end - this.#next);
      this.#room.add(bytes);
      await this.#send(this.#padding(bytes));
    }
  }

  /** The next bytes, which are none of a piece: zeros, but for those that are planned. */
  #padding(length: number): Uint8Array<ArrayBuffer> {
    const padding = new Uint8Array(length);
    const end = this.#next + length;
    for (;;) {
      const known = this.#between[this.#nextBetween];
      if (known === undefined || known.position >= end) return padding;
      const { position, bytes } = known;
      const begin = Math.max(position, this.#next);
      padding.set(bytes.subarray(begin - position, end - position), begin - this.#next);
      if (position + bytes.length > end) return padding;
      ++this.#nextBetween;
    }
  }

  async #send(chunk: Uint8Array<ArrayBuffer>): Promise<void> {
    const { length } = chunk;
    const free = (): void => {
      this.#room.free(length);
    };
    try {
      await this.#unlessBroken(this.#writer.ready);
    } catch (error) {
      throw writeFailure(this.name, error);
    }
    this.#room.give(length);
    // Its failure shows in `closed`, too, which is looked at.
    this.#writer.write(chunk).then(free, free);
    this.#next += length;
  }

  /** Waits for `promise`, but not beyond the first failure. A race would leave something in its loser at every call. */
  #unlessBroken(promise: Promise<unknown>): Promise<unknown> {
    const settled = new Promise((resolve, reject) => {
      this.#interrupt = reject;
      promise.then(resolve, reject);
    });
    if (this.#failure !== null) this.#interrupt(this.#failure.error);
    return settled;
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
