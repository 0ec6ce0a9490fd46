/** What a file says of how much each column of a model's matrices counts. */

/** One tensor of a model. */
export interface ImportanceEntry {
  /**
   * Mean square of the activations that each column of a row was multiplied with, matrix after matrix: as many as a row has
   * weights, or, for stacked matrices such as experts, as many for each of them. 1 for all of a matrix that has seen nothing.
   */
  readonly values: Float32Array;
  /** How much of the text each matrix has seen, or all of them together: in tokens, and in a `.dat` in chunks. */
  readonly counts: readonly number[];
}

/** An importance matrix, as llama.cpp's `llama-imatrix` writes it. */
export interface ImportanceMatrix {
  /** What error messages call it. */
  readonly file: string;
  /** The file's form: `gguf`, or the older one, which is mostly called `.dat`. */
  readonly form: 'gguf' | 'dat';
  /** What the activations were computed on, as the file names it. */
  readonly datasets: readonly string[];
  /** Of that text; 0 where the file does not say. */
  readonly chunks: number;
  /** Tokens of a chunk; 0 where the file does not say. */
  readonly chunkSize: number;
  /** By the name of the tensor in a GGUF of the model, in sorted order. */
  readonly entries: ReadonlyMap<string, ImportanceEntry>;
}

/** The same entries in sorted name order. */
export const sortedEntries = (
  entries: Iterable<readonly [string, ImportanceEntry]>,
): ReadonlyMap<string, ImportanceEntry> => new Map([...entries].sort(([a], [b]) => (a < b ? -1 : Number(a > b))));

/**
 * Divides sums by a count, in f32 as llama.cpp does; a count that is not above 0 leaves them as they are, or makes all of them
 * `otherwise`.
 */
export function divide(sums: Float32Array, count: number, otherwise?: number): void {
  const divisor = Math.fround(count);
  if (divisor > 0) for (let at = 0; at < sums.length; ++at) sums[at] = (sums[at] ?? 0) / divisor;
  else if (otherwise !== undefined) sums.fill(otherwise);
}
