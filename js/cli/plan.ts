import type { DroppedTensor, FilePlan, TensorPlan } from '../index.js';
import { printWarnings, programsText, weighedText } from './report.js';
import { formatBytes, formatJson, formatShape, printable } from './format.js';
import { outputWidth, renderTable, type Column } from './table.js';

const COLUMNS: readonly Column[] = [
  { title: 'tensor', align: 'left' },
  { title: 'shape', align: 'left' },
  { title: 'from → to', align: 'left' },
  { title: 'bytes', align: 'left' },
  { title: 'bits/weight', align: 'right' },
  { title: 'rule', align: 'left' },
];

/** Prints what a conversion would do. */
export function printPlan(plan: FilePlan, { json }: { readonly json?: boolean | undefined }): void {
  printWarnings(plan.warnings);
  process.stdout.write(`${json === true ? formatJson(plan) : render(plan)}\n`);
}

function render({
  tensors,
  dropped,
  totals,
  output,
  architecture,
  type,
  effort,
  weighed,
  notes,
  opensIn,
  notIn,
}: FilePlan): string {
  const { converted, kept, bytesBefore, bytesAfter, bitsPerWeight } = totals;
  const files = output.files === 1 ? 'one file' : `${output.files} files`;
  return [
    renderTable(COLUMNS, [...tensors.map(rowOf), ...dropped.map(droppedRow)], outputWidth()),
    '',
    ...notes.map((note) => `note: ${printable(note)}`),
    ...programsText(opensIn, notIn),
    `${type}${architecture === null ? '' : ` (${printable(architecture)})`}: ${converted} tensors to convert, ${kept} to keep${dropped.length === 0 ? '' : `, ${dropped.length} to leave out`}`,
    `${formatBytes(bytesBefore)} → ${formatBytes(bytesAfter)}, ${bitsPerWeight.toFixed(2)} bits a weight, effort ${effort}${weighedText(weighed)}`,
    `${output.container}, ${files} of ${output.bytes} bytes; nothing was written`,
  ].join('\n');
}

const rowOf = (tensor: TensorPlan): string[] => [
  tensor.outputName,
  formatShape(tensor.outputShape),
  tensor.from === tensor.to ? `${tensor.from} kept` : `${tensor.from} → ${tensor.to}`,
  tensor.from === tensor.to
    ? formatBytes(tensor.bytesAfter)
    : `${formatBytes(tensor.bytesBefore)} → ${formatBytes(tensor.bytesAfter)}`,
  tensor.bitsPerWeight.toFixed(2),
  tensor.rule ?? '',
];

const droppedRow = ({ name, shape, from, bytes, rule }: DroppedTensor): string[] => [
  ...[name, formatShape(shape), `${from} dropped`, formatBytes(bytes), '-', rule],
];
