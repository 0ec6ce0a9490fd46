import type { DroppedTensor, FileReport, FileWarning, TensorReport } from '../index.js';
import {
  downloadText,
  formatBytes,
  formatJson,
  formatCosine,
  formatError,
  formatRate,
  formatSeconds,
  formatShare,
  formatShape,
  printable,
} from './format.js';
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

/** Only where more effort was made than the least. */
const SAVED_COLUMN: Column = { title: 'error saved', align: 'right' };

/** Each on a line of stderr: stdout may be read by a program. */
export function printWarnings(warnings: readonly FileWarning[]): void {
  for (const { message } of warnings) process.stderr.write(`warning: ${printable(message)}\n`);
}

/** What the options `--json` and `--quiet` make of a report. */
export function printReport(report: FileReport, options: CommonOptions): void {
  const { part } = report;
  if (options.json === true) process.stdout.write(`${formatJson(report)}\n`);
  else if (part?.leftAlone === true) {
    const files = report.files.map(printable).join(', ');
    if (options.quiet !== true)
      process.stdout.write(`${partText(part)} is complete already, and is left alone: ${files}\n`);
  } else if (options.quiet !== true) process.stdout.write(`${renderReport(report)}\n`);
}

const partText = ({ part, parts }: NonNullable<FileReport['part']>): string => `part ${part} of ${parts}`;

function renderReport({
  part,
  tensors,
  dropped,
  totals,
  files,
  notes,
  type,
  effort,
  weighed,
  architecture,
  opensIn,
  notIn,
}: FileReport): string {
  const saves = effort !== 'reference';
  const columns = saves ? [...COLUMNS, SAVED_COLUMN] : COLUMNS;
  const rows = tensors.map((tensor) => (saves ? [...rowOf(tensor), formatShare(tensor.savedError)] : rowOf(tensor)));
  const table = renderTable(
    columns,
    [...rows, ...dropped.map((one) => droppedRow(one, columns.length))],
    outputWidth(),
  );
  const { converted, kept, bytesBefore, bytesAfter, ratio, bitsPerWeight, seconds, bytesPerSecond, downloadedBytes } =
    totals;
  const change = ratio >= 1 ? `${ratio.toFixed(2)} times smaller` : `${(1 / ratio).toFixed(2)} times larger`;
  return [
    table,
    '',
    ...notes.map((note) => `note: ${printable(note)}`),
    ...programsText(opensIn, notIn),
    `${printable(architecture === null ? type : `${type} (${architecture})`)}: ${converted + kept} tensors, ${converted} converted, ${kept} kept as they were${dropped.length === 0 ? '' : `, ${dropped.length} left out`}`,
    `${formatBytes(bytesBefore)} → ${formatBytes(bytesAfter)} (${change}), ${bitsPerWeight.toFixed(2)} bits a weight${saves ? `, effort ${effort}` : ''}${weighedText(weighed)}`,
    `${formatSeconds(seconds)}, ${formatRate(bytesPerSecond)}${downloadText(downloadedBytes)}`,
    ...(part === undefined ? [] : [partText(part)]),
    ...files.map(printable),
  ].join('\n');
}

/** How many tensors importance was used for; nothing where it was for none. */
export const weighedText = (weighed: number): string =>
  weighed === 0 ? '' : `, ${weighed} ${weighed === 1 ? 'tensor' : 'tensors'} weighed by importance`;

/** Which programs open the output; nothing for formats that are nobody's own. */
export function programsText(opensIn: readonly string[], notIn: readonly string[]): readonly string[] {
  const open = opensIn.length === 0 ? [] : [`opens in ${opensIn.join(', ')}`];
  const closed = notIn.length === 0 ? [] : [`not in ${notIn.join(', ')}`];
  return open.length + closed.length === 0 ? [] : [[...open, ...closed].join('; ')];
}

const rowOf = ({ outputName, outputShape, from, to, kept, rule, ...tensor }: TensorReport): string[] => [
  outputName,
  formatShape(outputShape),
  `${from === to && kept ? `${from} kept` : `${from} → ${to}`}${rule === null ? '' : ` (${rule})`}`,
  from === to && kept
    ? formatBytes(tensor.bytesAfter)
    : `${formatBytes(tensor.bytesBefore)} → ${formatBytes(tensor.bytesAfter)}`,
  formatError(tensor.rmse),
  formatCosine(tensor.cosine),
];

const droppedRow = ({ name, shape, from, bytes, rule }: DroppedTensor, columns: number): string[] => {
  const cells = [name, formatShape(shape), `${from} dropped (${rule})`, formatBytes(bytes)];
  return [...cells, ...Array.from({ length: columns - cells.length }, () => '-')];
};
