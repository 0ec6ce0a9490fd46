import type { ByteSink, ByteWriter, SinkPlan } from '../../io/byte-io.js';
import { unwritable, writeFailure } from '../failures.js';
import { Writes } from './writes.js';

/** What sinks of one file that cannot be resumed have in common. */
export abstract class SingleSink implements ByteSink {
  readonly name: string;
  readonly holds: boolean = false;
  readonly files: readonly ByteWriter[] = [this];
  readonly completed: ReadonlySet<string> = new Set();

  /** No write waits for other bytes, unless the sink holds some. */
  readonly reserve: ByteWriter['reserve'] = () => Promise.resolve();
  readonly stop: (error: unknown) => void = () => undefined;

  constructor(name: string) {
    this.name = name;
  }

  complete(): Promise<void> {
    return Promise.resolve();
  }

  abstract write(bytes: Uint8Array, position: number): Promise<void>;
  abstract commit(proceed: () => void): Promise<void>;
  abstract discard(cause?: unknown): Promise<void>;
}

/** What leads to a file that takes bytes at any position. Its methods may reject with errors of the system. */
export interface OpenFile {
  /** Whether what was written can still be taken back when it is finished. */
  readonly isRevocable: boolean;
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Makes what was written durable. */
  finish(): Promise<void>;
  /** Takes back what was written; no write is under way. */
  drop(cause: unknown): Promise<void>;
}

/** A sink that takes bytes at any position. */
export class RandomAccessSink extends SingleSink {
  readonly #file: OpenFile;
  readonly #writes: Writes;

  constructor(name: string, file: OpenFile) {
    super(name);
    this.#file = file;
    this.#writes = new Writes(name);
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    try {
      await this.#writes.run(() => this.#file.write(bytes, position));
    } catch (error) {
      throw writeFailure(this.name, error);
    }
  }

  async commit(proceed: () => void): Promise<void> {
    this.#writes.check();
    proceed();
    try {
      await this.#file.finish();
    } catch (error) {
      throw writeFailure(this.name, error);
    }
    if (this.#file.isRevocable) proceed();
    await this.#writes.end();
  }

  async discard(cause?: unknown): Promise<void> {
    if (await this.#writes.end()) await this.#file.drop(cause).catch(() => undefined);
  }
}

/** Throws for what only paths can do. */
export function checkSinglePlan(name: string, { files, resume }: SinkPlan): void {
  if (files !== undefined && files.length > 1) throw unwritable(name, 'several files can only be written to a path');
  if (resume !== undefined) throw unwritable(name, 'only what is written to a path can be resumed');
}
