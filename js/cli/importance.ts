/** Importance matrices as `inspect` prints them. */

import { looksLikeDat } from '../importance/dat-form.js';
import type { ImportanceMatrix } from '../importance/importance.js';
import { readImportanceMatrix } from '../importance/read.js';
import { statisticsOf } from '../importance/statistics.js';
import type { ByteSource } from '../io/byte-io.js';
import type { Model } from '../models/model.js';
import { formatJson, formatShare, printable } from './format.js';
import { outputWidth, renderTable, type Column } from './table.js';

const COLUMNS: readonly Column[] = [
  { title: 'tensor', align: 'left' },
  { title: 'columns', align: 'right' },
  { title: 'matrices', align: 'right' },
  { title: 'count', align: 'right' },
  { title: 'mean', align: 'right' },
  { title: 'largest', align: 'right' },
  { title: 'zeros', align: 'right' },
];

/** The importance matrix that a file is which no model can be; null where it may be one. The source stays open. */
export async function importanceIn(source: ByteSource): Promise<ImportanceMatrix | null> {
  const head = new Uint8Array(Math.min(source.size, 16));
  await source.read(head, 0);
  return looksLikeDat(head) ? readImportanceMatrix(source) : null;
}

/** The importance matrix that a GGUF says it is; null where it is anything else. */
export async function importanceOf({ fact, sources }: Model): Promise<ImportanceMatrix | null> {
  const [source] = sources;
  return fact('general.type') === 'imatrix' && source !== undefined ? readImportanceMatrix(source) : null;
}

export function renderImportance(matrix: ImportanceMatrix, { json }: { readonly json?: boolean | undefined }): string {
  const { entries, ...about } = matrix;
  const statistics = [...entries].map(([name, entry]) => ({ name, ...statisticsOf(entry) }));
  if (json === true) return formatJson({ ...about, entries: statistics });
  const rows = statistics.map(({ name, columns, matrices, unseen, leastCount, mostCount, mean, max, zeros }) => [
    ...[name, String(columns), `${matrices}${unseen === 0 ? '' : ` (${unseen} unseen)`}`],
    leastCount === mostCount ? String(mostCount) : `${leastCount}–${mostCount}`,
    ...[mean.toExponential(2), max.toExponential(2), formatShare(zeros)],
  ]);
  return [renderTable(COLUMNS, rows, outputWidth()), '', ...summary(matrix)].join('\n');
}

function summary({ form, datasets, chunks, chunkSize, entries }: ImportanceMatrix): readonly string[] {
  const ofTokens = chunkSize === 0 ? '' : ` of ${chunkSize} tokens`;
  return [
    `importance matrix, ${form === 'gguf' ? 'as a GGUF' : 'in the form .dat'}, for ${entries.size} tensors`,
    ...(chunks === 0 ? [] : [`${chunks} chunks${ofTokens}`]),
    ...datasets.map((name) => printable(`dataset: ${name}`)),
  ];
}
