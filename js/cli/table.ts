import { printable, shorten } from './format.js';

export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
}

/** Narrower than this, names tell nothing any more. */
const NARROWEST_NAME = 24;
const GAP = '  ';

/**
 * Lines of a table with a title line. Columns are as wide as their widest cell; if that makes lines longer than `width`,
 * the first column is cut down.
 */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): string {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => row.map(printable))];
  // Not spread to Math.max: a call with as many arguments as a hostile file has tensors overflows the stack.
  const widths = columns.map((_, column) => cells.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), 0));
  const [first = 0, ...others] = widths;
  const rest = others.reduce((sum, one) => sum + one + GAP.length, 0);
  widths[0] = Math.min(first, Math.max(NARROWEST_NAME, width - rest));
  const lines = cells.map((row) =>
    columns
      .map(({ align }, column) => {
        const limit = widths[column] ?? 0;
        const text = shorten(row[column] ?? '', limit);
        return align === 'left' ? text.padEnd(limit) : text.padStart(limit);
      })
      .join(GAP)
      .trimEnd(),
  );
  const rule = widths.map((one) => '─'.repeat(one)).join(GAP);
  return [lines[0] ?? '', rule, ...lines.slice(1)].join('\n');
}

/** Width of the terminal; unlimited when the output goes elsewhere. */
export const outputWidth = (): number => (process.stdout.isTTY ? process.stdout.columns : Infinity);
