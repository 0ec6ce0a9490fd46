import { runtime } from '#runtime';
import type { RunningWorker } from '../runtime/types.js';
import type { ParcelWorkers } from '../wasm/module.js';
import type { Reply, WindowCall, WindowOutcome } from './messages.js';

/** What a window weighs in parcels when the next work goes to whom has the least: their sizes, roughly. */
const WINDOW_LOAD = 8;

/** What became of a call on a window, and its memory, which has been away. */
export interface ReturnedWindow {
  readonly outcome: WindowOutcome;
  readonly memory: ArrayBuffer;
}

interface PendingCall {
  readonly resolve: (returned: ReturnedWindow) => void;
  readonly reject: (reason: unknown) => void;
}

/** A worker, and how much it has to do. */
interface Member {
  readonly worker: RunningWorker;
  load: number;
}

/** The first of those with the least to do. */
const idlest = (members: readonly Member[]): Member =>
  members.reduce((least, member) => (member.load < least.load ? member : least));

/** Workers that each have an instance of the single-threaded build, and get what is to be worked on by transfer. */
export class WorkerPool implements ParcelWorkers {
  readonly count: number;
  readonly #script: URL | undefined;
  readonly #onFailure: (error: unknown) => void;
  readonly #makeDisposedError: () => Error;
  readonly #members: Member[] = [];
  readonly #calls = new Map<number, PendingCall>();
  #receive: (parcels: readonly ArrayBuffer[]) => void = () => undefined;
  #ready = 0;
  #onReady: () => void = () => undefined;
  #lastId = 0;
  #hold: ReturnType<typeof setInterval> | undefined;
  #disposed = false;

  /**
   * `script` is where the package's worker.js lies, if elsewhere. `makeDisposedError` makes what pending calls on windows
   * reject with once the pool has been disposed of.
   */
  constructor(
    count: number,
    script: URL | undefined,
    onFailure: (error: unknown) => void,
    makeDisposedError: () => Error,
  ) {
    this.count = count;
    this.#script = script;
    this.#onFailure = onFailure;
    this.#makeDisposedError = makeDisposedError;
  }

  /** Starts the workers, which instantiate `compiled`; resolves when all of them have reported in. */
  start(compiled: WebAssembly.Module): Promise<void> {
    return new Promise((resolve) => {
      this.#onReady = resolve;
      while (this.#members.length < this.count && !this.#disposed) this.#add(compiled);
    });
  }

  onParcels(receive: (parcels: readonly ArrayBuffer[]) => void): void {
    this.#receive = receive;
  }

  /**
   * Each parcel goes to whom has the least to do, those for one worker in one message. Quick ones leave one worker out:
   * the calling thread counts as one then, and one more than there are cores would only be in the others' way.
   */
  send(parcels: readonly ArrayBuffer[], quick: boolean): void {
    const candidates = quick && this.count > 1 ? this.#members.slice(0, -1) : this.#members;
    const shares = new Map<Member, ArrayBuffer[]>();
    for (const parcel of parcels) {
      const member = idlest(candidates);
      ++member.load;
      const share = shares.get(member);
      if (share === undefined) shares.set(member, [parcel]);
      else share.push(parcel);
    }
    for (const [{ worker }, share] of shares) worker.post({ kind: 'parcels', parcels: share }, share);
  }

  /** Has a worker do `call` with a window's memory, which is transferred; it comes back with what the call has written. */
  run(call: WindowCall, memory: ArrayBuffer): Promise<ReturnedWindow> {
    return new Promise((resolve, reject) => {
      if (this.#disposed) {
        reject(this.#makeDisposedError());
        return;
      }
      const id = ++this.#lastId;
      const member = idlest(this.#members);
      member.load += WINDOW_LOAD;
      this.#calls.set(id, { resolve, reject });
      this.#holdProcess();
      member.worker.post({ kind: 'window', id, call, memory }, [memory]);
    });
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const { worker } of this.#members) worker.terminate();
    for (const { reject } of this.#calls.values()) reject(this.#makeDisposedError());
    this.#calls.clear();
    this.#holdProcess();
  }

  #add(compiled: WebAssembly.Module): void {
    const worker = runtime.startWorker(this.#script, {
      onReply: (reply) => {
        this.#take(member, reply);
      },
      onFailure: this.#onFailure,
    });
    const member = { worker, load: 0 };
    this.#members.push(member);
    worker.post({ kind: 'start', compiled }, []);
  }

  #take(member: Member, reply: Reply): void {
    if (this.#disposed) return;
    switch (reply.kind) {
      case 'ready':
        if (++this.#ready === this.count) this.#onReady();
        return;
      case 'failed':
        this.#onFailure(new Error(reply.message));
        return;
      case 'parcels':
        member.load -= reply.parcels.length;
        this.#receive(reply.parcels);
        return;
      case 'window':
        member.load -= WINDOW_LOAD;
        this.#calls.get(reply.id)?.resolve(reply);
        this.#calls.delete(reply.id);
        this.#holdProcess();
    }
  }

  /** Workers do not keep a Node process alive, batches do (src/bindings), and here pending calls on windows do. */
  #holdProcess(): void {
    const needed = this.#calls.size > 0;
    if (needed === (this.#hold !== undefined)) return;
    clearInterval(this.#hold);
    this.#hold = needed ? setInterval(() => undefined, 0x7fffffff) : undefined;
  }
}
