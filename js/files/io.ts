/**
 * How container code reaches bytes. Files (js/runtime/node-files.ts) implement it; so can blobs, URLs and streams.
 * Everything rejects with a `QuantizeError` whose `file` is the `name`.
 */

/** Bytes that can be read at any position. */
export interface ByteSource {
  /** What error messages call it: a path as the caller wrote it, a URL, … */
  readonly name: string;
  readonly size: number;
  /** Fills all of `into` with the bytes from `position` on. `into` may lie on shared memory. */
  read(into: Uint8Array, position: number): Promise<void>;
  /** The source called `name` beside this one (a shard beside its index); rejects with `missing_shard` if there is none. */
  sibling(name: string): Promise<ByteSource>;
  close(): Promise<void>;
}

/** Bytes that appear under their final name only when all of them are there. */
export interface ByteSink {
  readonly name: string;
  /** Writes all of `bytes` at `position`; positions that are never written read as zero. `bytes` may be shared memory. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /**
   * Makes what was written durable and visible under the final name, in place of what was there. `proceed` is called
   * before anything is done and again when only the name is missing, as the first may take long; when it throws, this
   * rejects with that.
   */
  commit(proceed: () => void): Promise<void>;
  /** Throws away what was written; what had the final name before is untouched. May be called at any time. */
  discard(): Promise<void>;
}

/** A stretch of a source. */
export interface ByteRange {
  readonly source: ByteSource;
  readonly begin: number;
  readonly bytes: number;
}

/** Opens paths; only js/runtime knows how. */
export interface FileAccess {
  openSource(path: string): Promise<ByteSource>;
  /**
   * Prepares to write `bytes` bytes to `path`. Rejects with `unwritable_output` when that cannot work or when `path` is
   * one of the `inputs`, and with `disk_full` when there is no room.
   */
  openSink(path: string, bytes: number, inputs: readonly ByteSource[]): Promise<ByteSink>;
}
