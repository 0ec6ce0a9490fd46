/** Files in which the sums of other files stand: those are summed up while they are written. */

import type { Digests, FileLayout } from '../containers/container.js';
import type { ByteSink, ByteWriter } from '../io/byte-io.js';
import { md5 } from '@noble/hashes/legacy';
import { bytesToHex } from '@noble/hashes/utils';

/** Bytes that were written before those that lie in front of them. */
interface Piece {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** Passes everything on, and sums it up in the order in which it lies. What comes early is held until its turn. */
class SummingWriter implements ByteWriter {
  readonly name: string;
  readonly #sum = md5.create();
  readonly #output: ByteWriter;
  readonly #early: Piece[] = [];
  #end = 0;

  constructor(output: ByteWriter) {
    this.name = output.name;
    this.#output = output;
  }

  reserve(position: number, bytes: number): Promise<void> {
    return this.#output.reserve(position, bytes);
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#take(bytes, position);
    await this.#output.write(bytes, position);
  }

  #take(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    if (position > this.#end) {
      const before = this.#early.findIndex((piece) => piece.position > position);
      this.#early.splice(before < 0 ? this.#early.length : before, 0, { position, bytes: new Uint8Array(bytes) });
      return;
    }
    this.#sum.update(bytes);
    this.#end += bytes.length;
    while (this.#early[0]?.position === this.#end) {
      const [next] = this.#early.splice(0, 1);
      if (next === undefined) return;
      this.#sum.update(next.bytes);
      this.#end += next.bytes.length;
    }
  }

  digest(bytes: number): string {
    if (this.#end !== bytes) throw new RangeError(`${this.name} has gaps, so that it has no sum`);
    return bytesToHex(this.#sum.digest());
  }
}

/** A sink in the place of another one, and what writes the sums once all other bytes are there. */
export interface Digesting {
  readonly sink: ByteSink;
  readonly finish: () => Promise<void>;
}

export function withDigests(sink: ByteSink, files: FileLayout['files'], digests: Digests): Digesting {
  const summing = new Map(
    digests.files.flatMap((file): [number, SummingWriter][] => {
      const writer = sink.files[file];
      return writer === undefined ? [] : [[file, new SummingWriter(writer)]];
    }),
  );
  const writers = sink.files.map((writer, file) => summing.get(file) ?? writer);
  const finish = async (): Promise<void> => {
    const sums = digests.files.map((file) => summing.get(file)?.digest(files[file]?.fileBytes ?? 0) ?? '');
    for (const { file, position, bytes } of digests.place(sums)) await sink.files[file]?.write(bytes, position);
  };
  return { sink: withFiles(sink, writers), finish };
}

const withFiles = (sink: ByteSink, files: readonly ByteWriter[]): ByteSink => ({
  ...{ name: sink.name, holds: sink.holds, files, completed: sink.completed },
  reserve: (position, bytes) => (files[0] ?? sink).reserve(position, bytes),
  write: (bytes, position) => (files[0] ?? sink).write(bytes, position),
  complete: (tensor) => sink.complete(tensor),
  stop: (error) => {
    sink.stop(error);
  },
  commit: (proceed) => sink.commit(proceed),
  discard: (cause) => sink.discard(cause),
});
