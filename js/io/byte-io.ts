/**
 * How container code reaches bytes. js/runtime implements it for paths, URLs, Blobs, bytes, handles and streams.
 * Everything rejects with a `QuantizeError` whose `file` is the `name`, or whose code is `aborted`.
 */

import type { ModelSink, ModelSource, WebOptions } from '../endpoints.js';
import type { OutputFiles, PlannedPart } from './part-files.js';

export type { ModelSink, ModelSource } from '../endpoints.js';

/** What sinks hold when they are not told how much: their share of the memory that is used by default. */
export const HELD_BYTES = 9 * 2 ** 20;

/** Bytes that can be read at any position. */
export interface ByteSource {
  /** What error messages call it: a path as the caller wrote it, a URL without its query, … */
  readonly name: string;
  /** The file's own name, without folders and with nothing encoded, as `sibling` takes names; empty where it is not known. */
  readonly fileName: string;
  /** The name of the folder that the file lies in, with nothing encoded; absent or empty where it is not known. */
  readonly folderName?: string;
  readonly size: number;
  /** Another one when the bytes may be others: made of size and time of the last change, or of a server's tag. */
  readonly version: string;
  /**
   * What a server says of the bytes, on every machine the same; null where it says nothing. Only sources have it that are read
   * from one.
   */
  readonly tag?: string | null;
  /** When the bytes were last changed, in milliseconds since 1970; only sources have it that are files of this machine. */
  readonly changedAt?: number;
  /** How many bytes have come over the network until now; only sources have it that are read from there. */
  readonly downloadedBytes?: number;
  /** Fills all of `into` with the bytes from `position` on. `into` may lie on shared memory. Several may be under way. */
  read(into: Uint8Array, position: number): Promise<void>;
  /**
   * Gives `bytes` bytes from `position` on in memory of their own. Only sources have it whose reads may wait for others,
   * such as a server, or which make a copy anyway: nothing that others need should be held while they read.
   */
  readAside?(position: number, bytes: number): Promise<Uint8Array>;
  /**
   * The same, for bytes around which nothing else will be asked for. Only sources have it that otherwise fetch more than
   * they are asked for.
   */
  readAlone?(position: number, bytes: number): Promise<Uint8Array>;
  /**
   * The source called `name` beside this one (a shard beside its index), or in a folder beside it when there are slashes in
   * the name; it must be well-formed Unicode. Rejects with `missing_shard` if there is none.
   */
  sibling(name: string): Promise<ByteSource>;
  /**
   * The names of what is in the folder of this file, or in one beside it when `folder` is not empty, in any order; folders
   * may be among them. None where there is no such folder. Only sources have it that can tell.
   */
  list?(folder: string): Promise<readonly string[]>;
  /**
   * Rejects with `unreadable_input` when the bytes are no longer those that there were when it was opened. What a source
   * notices on every read by itself it need not look for again.
   */
  checkUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/** Where the bytes of one file go. */
export interface ByteWriter {
  readonly name: string;
  /**
   * Resolves when the sink can take `bytes` bytes from `position` on without making their writer wait for others; they are
   * then written in order, by one write or several. To be called in the order of the positions, before anything is taken
   * that others need: then the bytes that come next always get their room. Rejects as `write` does. Resolves at once unless
   * the sink holds bytes.
   */
  reserve(position: number, bytes: number): Promise<void>;
  /**
   * Writes all of `bytes` at `position`; positions that are never written read as zero. `bytes` may be shared memory.
   * Several may be under way. A stream's write waits until there is room for bytes that were not reserved.
   */
  write(bytes: Uint8Array, position: number): Promise<void>;
}

/** Bytes that appear under their final name only when all of them are there. Of several files, `write` writes the first. */
export interface ByteSink extends ByteWriter {
  /** Whether copies are held until others have taken them. They count as memory of the call. */
  readonly holds: boolean;
  /** One for each planned file, in the same order. */
  readonly files: readonly ByteWriter[];
  /** What `complete` was called with in the run that this one goes on with: those tensors need not be written again. */
  readonly completed: ReadonlySet<string>;
  /**
   * Notes that all bytes of `tensor` have been written, so that a later run need not write them again; resolves when that
   * is durable. Calls may overlap. Does nothing unless `resume` was planned.
   */
  complete(tensor: string): Promise<void>;
  /**
   * To be called at the first failure, before what else is under way is waited for: writes and reservations that wait for
   * bytes that will never come reject with `error`, and so do later ones.
   */
  stop(error: unknown): void;
  /**
   * Makes what was written durable, if that was planned, and visible under the final name, in place of what was there.
   * `proceed` is called before anything is done and again when only the name is missing, as the first may take long; when it
   * throws, this rejects with that.
   */
  commit(proceed: () => void): Promise<void>;
  /**
   * Throws away what was written; what had the final name before is untouched. May be called at any time. With `resume`,
   * what was completed is kept for a later run when `cause` does not say that it would fail again.
   */
  discard(cause?: unknown): Promise<void>;
}

/** A stretch of a source. */
export interface ByteRange {
  readonly source: ByteSource;
  readonly begin: number;
  readonly bytes: number;
}

/** One of several files to be written beside the path that was given. */
export interface PlannedFile {
  /** The folder, if it has one, is the output's. */
  readonly name: string;
  readonly bytes: number;
}

/** Bytes that will be written, from `begin` on. */
export interface PlannedPiece {
  readonly begin: number;
  readonly bytes: number;
}

/** Bytes that are known before anything is written. */
export interface PlacedBytes {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** What is going to be written. */
export interface SinkPlan {
  /** Of all files together. */
  readonly bytes: number;
  /** None of them is overwritten. */
  readonly inputs: readonly ByteSource[];
  /** Several files instead of one; only paths can have them. All are complete before the first takes its name. */
  readonly files?: readonly PlannedFile[] | undefined;
  /** Whether what is given is a folder for the files, which is made if it is not there. */
  readonly isFolder?: boolean | undefined;
  /**
   * For streams: the stretches that will be written, in the order in which work on them begins. What is not in
   * them is padding. A stream rejects when they do not rise. Default: one stretch of all bytes.
   */
  readonly pieces?: readonly PlannedPiece[] | undefined;
  /** For streams: bytes between the pieces that are no zeros, in the order of their positions. */
  readonly between?: readonly PlacedBytes[] | undefined;
  /** For sinks that hold bytes: the most of them. Only a single larger piece goes beyond. */
  readonly heldBytes?: number | undefined;
  /**
   * Whether `commit` waits until the disk has what was written; default true. Only paths and FileHandles of Node can wait.
   * What is to be resumed is durable in any case.
   */
  readonly durable?: boolean | undefined;
  /** Keep what is complete after a failure, and go on with it when the fingerprint is the same. Only paths can have it. */
  readonly resume?: { readonly fingerprint: string } | undefined;
  /** Present where others write the other parts of the output. Only paths can have it. */
  readonly part?: PlannedPart | undefined;
  /** Ends waiting writes: with its reason where that is a QuantizeError, else with `aborted`. */
  readonly signal?: AbortSignal | undefined;
}

/** Opens sources and sinks; only js/runtime knows how. */
export interface FileAccess {
  /** Absent where there are no paths. */
  readonly outputs?: OutputFiles | undefined;
  /** `signal` ends reads that wait, for as long as the source is open; `web` says how servers are asked. */
  openSource(source: ModelSource, signal?: AbortSignal, web?: WebOptions): Promise<ByteSource>;
  /**
   * Prepares to write. Rejects with `unwritable_output` when that cannot work or when the sink is one of the inputs, and
   * with `disk_full` when there is no room; nothing has been changed then.
   */
  openSink(sink: ModelSink, plan: SinkPlan): Promise<ByteSink>;
}
