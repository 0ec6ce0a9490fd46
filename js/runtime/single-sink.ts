import type { ByteSink, ByteWriter, SinkPlan } from '../files/io.js';
import { unwritable } from './failures.js';

/** What sinks of one file that cannot be resumed have in common. */
export abstract class SingleSink implements ByteSink {
  readonly name: string;
  readonly sequential: boolean = false;
  readonly files: readonly ByteWriter[] = [this];
  readonly completed: ReadonlySet<string> = new Set();

  /** No write waits for other bytes, unless the sink is sequential. */
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

/** Throws for what only paths can do. */
export function checkSinglePlan(name: string, { files, resume }: SinkPlan): void {
  if (files !== undefined && files.length > 1) throw unwritable(name, 'several files can only be written to a path');
  if (resume !== undefined) throw unwritable(name, 'only what is written to a path can be resumed');
}
