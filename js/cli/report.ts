import type { FileReport, TensorReport } from '../index.js';
import { formatBytes, formatCosine, formatError, formatRate, formatSeconds, formatShape, printable } from './format.js';
import type { CommonOptions } from './options.js';
import { outputWidth, renderTable, type Column } from './table.js';

const COLUMNS: readonly Column[] = [
  { title: 'tensor', align: 'left' },
  { title: 'shape', align: 'left' },
  { title: 'from → to', align: 'left' },
  { title: 'bytes', align: 'left' },
  { title: 'RMSE', align: 'right' },
  { title: 'cosine', align: 'right' },
];

/** What the options `--json` and `--quiet` make of a report. */
export function printReport(report: FileReport, options: CommonOptions): void {
  if (options.json === true) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else if (options.quiet !== true) process.stdout.write(`${renderReport(report)}\n`);
}

function renderReport({ tensors, totals, output }: FileReport): string {
  const table = renderTable(COLUMNS, tensors.map(rowOf), outputWidth());
  const { converted, kept, bytesBefore, bytesAfter, ratio, seconds, bytesPerSecond } = totals;
  const change = ratio >= 1 ? `${ratio.toFixed(2)} times smaller` : `${(1 / ratio).toFixed(2)} times larger`;
  return [
    table,
    '',
    `${converted + kept} tensors: ${converted} converted, ${kept} kept as they were`,
    `${formatBytes(bytesBefore)} → ${formatBytes(bytesAfter)} (${change}) in ${formatSeconds(seconds)}, ${formatRate(bytesPerSecond)}`,
    printable(output),
  ].join('\n');
}

const rowOf = ({ name, shape, from, to, bytesBefore, bytesAfter, rmse, cosine, rule }: TensorReport): string[] => [
  name,
  formatShape(shape),
  rule === null ? `${from} → ${to}` : `${from} kept (${rule})`,
  rule === null ? `${formatBytes(bytesBefore)} → ${formatBytes(bytesAfter)}` : formatBytes(bytesAfter),
  formatError(rmse),
  formatCosine(cosine),
];
