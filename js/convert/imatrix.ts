import { invalidFile, quoted } from '../containers/invalid-file.js';
import { endpointName } from '../endpoints.js';
import type { ImportanceMatrix } from '../importance/importance.js';
import { readImportanceMatrix } from '../importance/read.js';
import type { ByteSource, ModelSource } from '../io/byte-io.js';
import type { FileTools } from '../pipeline/tools.js';
import type { Importance } from '../plan/importance.js';
import { unusedMatrix, type MatrixOrigin } from '../plan/importance-matrix.js';
import type { FileWarning } from '../plan/report.js';

/** A file of importance, and which of its entries are used: those whose names have one of `include`, or none of `exclude`, in them. */
export interface Imatrix {
  readonly source: ModelSource;
  /** Null: all. */
  readonly include: readonly string[] | null;
  readonly exclude: readonly string[];
}

/** What a quantization has that takes its importance from a file. */
export interface ImatrixQuantization {
  readonly imatrix: Imatrix | null;
}

/** What a quantization gets of the file. */
interface ReadMatrix {
  /** Closed. */
  readonly source: ByteSource;
  readonly importance: Importance | null;
  readonly matrix: MatrixOrigin | null;
  readonly warnings: readonly FileWarning[];
}

/**
 * Reads a file of importance. As llama-quantize has it, one of which nothing is wanted is as none. Rejects with `invalid_file`
 * for what is no such file, and for a value that is used and not finite, or negative; with `unreadable_input`.
 */
export async function readMatrix(imatrix: Imatrix, { files, signal }: FileTools): Promise<ReadMatrix> {
  const source = await files.openSource(imatrix.source, signal);
  try {
    const read = await readImportanceMatrix(source);
    const importance = wanted(read, imatrix);
    for (const [name, values] of importance) checkValues(name, values, source);
    const { datasets, chunks } = read;
    const [file, entries] = [endpointName(imatrix.source), importance.size];
    if (entries === 0) {
      const warnings = [unusedMatrix(file, `none of its ${read.entries.size} entries is to be used`)];
      return { source, importance: null, matrix: null, warnings };
    }
    return { source, importance, matrix: { file, dataset: datasets[0], entries, chunks }, warnings: [] };
  } finally {
    await source.close();
  }
}

/** Reads all of an importance matrix. Rejects with `invalid_file` or `unreadable_input`. */
export async function readImportance({ files, signal }: FileTools, from: ModelSource): Promise<ImportanceMatrix> {
  const source = await files.openSource(from, signal);
  try {
    return await readImportanceMatrix(source);
  } finally {
    await source.close();
  }
}

function wanted({ entries }: ImportanceMatrix, { include, exclude }: Imatrix): Importance {
  const isWanted = (name: string): boolean =>
    (include === null || include.some((text) => name.includes(text))) && !exclude.some((text) => name.includes(text));
  return new Map([...entries].flatMap(([name, { values }]) => (isWanted(name) ? [[name, values] as const] : [])));
}

function checkValues(name: string, values: Float32Array, source: ByteSource): void {
  const bad = values.findIndex((value) => !Number.isFinite(value) || value < 0);
  if (bad < 0) return;
  const detail = `value ${bad} of ${quoted(name)} is ${String(values[bad])}, must be finite and not negative; excludeWeights leaves the tensor out`;
  throw invalidFile(source, detail, { layer: name });
}
