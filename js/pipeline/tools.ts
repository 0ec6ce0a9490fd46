import type { FileAccess } from '../io/byte-io.js';
import type { WindowPool } from '../wasm/windows.js';

/** What a call that works on files has to work with. */
export interface FileTools {
  readonly pool: WindowPool;
  readonly files: FileAccess;
  /** Ends the call's reads and writes: for the caller, when the quantizer is disposed, and after the first failure. */
  readonly signal: AbortSignal;
  /** Makes the signal fire because of a failure. */
  readonly fail: (error: unknown) => void;
}
