/** Importance that a file gives: which tensors get it, and what the output says of it. */

import { codecLabel, EFFORTS, mostEffortOf, traitsOf, weighs } from '../codecs/codec.js';
import type { Fact } from '../containers/container.js';
import { encodeUtf8 } from '../containers/utf8.js';
import { QuantizeError, quoted } from '../errors.js';
import { rowWeights } from '../rules/file-types.js';
import type { Importance } from './importance.js';
import type { FileWarning, PlannedStep } from './report.js';

/** What a report and an output say of a file that gave importance. */
export interface MatrixOrigin {
  /** As the caller named it. */
  readonly file: string;
  /** What the first of the texts is called that it was computed on; undefined where the file does not say. */
  readonly dataset: string | undefined;
  /** Those that the caller wants used. */
  readonly entries: number;
  /** Chunks of the text; 0 where the file does not say. */
  readonly chunks: number;
}

const PREFIX = 'quantize.imatrix.';

/** The keys under which a GGUF says with what importance it was made. */
export const MATRIX_KEYS: readonly string[] = ['file', 'dataset', 'entries_count', 'chunks_count'].map(
  (name) => PREFIX + name,
);

/** llama.cpp has room for so many, and cuts what is longer. */
const MOST_TEXT_BYTES = 127;

/** What llama-quantize writes, in its order. */
export function matrixFacts(matrix: MatrixOrigin | null | undefined): readonly Fact[] {
  if (matrix === null || matrix === undefined) return [];
  const { file, dataset, entries, chunks } = matrix;
  const text = (name: string, value: string): Fact => ({ key: PREFIX + name, type: 'lastText', value: cut(value) });
  const count = (name: string, value: number): Fact => ({ key: PREFIX + name, type: 'u32', value });
  return [
    text('file', file),
    ...(dataset === undefined ? [] : [text('dataset', dataset)]),
    count('entries_count', entries),
    ...(chunks > 0 ? [count('chunks_count', chunks)] : []),
  ];
}

/** As many whole characters as there is room for. */
function cut(text: string): string {
  let bytes = 0;
  let length = 0;
  for (const character of text) {
    bytes += encodeUtf8(character).length;
    if (bytes > MOST_TEXT_BYTES) break;
    length += character.length;
  }
  return text.slice(0, length);
}

/** Matrices of these names mostly are not as large as the table: they are of the multiplication with the same weights. */
const EMBEDDINGS: readonly string[] = ['token_embd.weight', 'per_layer_token_embd.weight'];

/**
 * By the name of the stored tensor, the importance of those that are encoded; `names` are those of the input's tensors. Throws `shape_mismatch` where there is some, but
 * not one number for each column of each matrix; embeddings are without it then.
 */
export function fittingImportance(
  importance: Importance,
  steps: readonly PlannedStep[],
  { file }: Pick<MatrixOrigin, 'file'>,
  names: ReadonlySet<string>,
): Importance {
  const fitting = new Map<string, Float32Array>();
  for (const { stored, planned, kept } of steps) {
    // Where layers are left out, the name in the output is another layer's in the input.
    const renamed = names.has(planned.name) ? undefined : importance.get(planned.name);
    const columns = importance.get(stored.name) ?? renamed;
    const { shape, elements } = planned;
    if (kept || columns === undefined || elements === 0) continue;
    const row = rowWeights(shape);
    const matrices = shape.length < 3 ? 1 : elements / (row * (shape.at(-2) ?? 1));
    if (columns.length === row * matrices) fitting.set(stored.name, columns);
    else if (!EMBEDDINGS.includes(planned.name)) throw misfit(stored.name, columns.length, { row, matrices, file });
  }
  return fitting;
}

function misfit(
  layer: string,
  length: number,
  { row, matrices, file }: { readonly row: number; readonly matrices: number; readonly file: string },
): QuantizeError {
  const needed = matrices === 1 ? `${row}` : `${row} × ${matrices}`;
  const detail = `the importance matrix ${quoted(file)} has ${length} values for it, must have ${needed}; is it of another model? excludeWeights leaves tensors out`;
  return new QuantizeError('shape_mismatch', { layer, detail });
}

/** What a user should know who expects the file to matter; `effort` is that of the call, a place in EFFORTS. */
export function matrixWarnings(
  matrix: MatrixOrigin | null | undefined,
  steps: readonly PlannedStep[],
  effort: number,
): readonly FileWarning[] {
  if (matrix === null || matrix === undefined || steps.some(({ importance }) => importance !== undefined)) return [];
  const codecs = steps.flatMap(({ kept, planned: { target } }) =>
    kept || target.kind !== 'codec' ? [] : [target.codec],
  );
  const able = codecs.find((codec) => weighs(codec, mostEffortOf(codec)));
  const why = codecs.some((codec) => weighs(codec, effort))
    ? 'it has nothing for a tensor whose type uses importance'
    : able === undefined
      ? 'no type of the output uses importance'
      : `${codecLabel(able)} uses importance with the effort ${String(EFFORTS[traitsOf(able).weighsFrom])} alone`;
  return [unusedMatrix(matrix.file, why)];
}

export const unusedMatrix = (file: string, why: string): FileWarning => ({
  code: 'importance_unused',
  message: `the importance matrix ${quoted(file)} has no effect: ${why}`,
});
