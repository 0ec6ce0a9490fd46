import { columns } from './columns.js';
import type { Layout } from './layout.js';
import { plain } from './plain.js';
import { planes } from './planes.js';

/** Every way in which tensors lie in files; each takes what it knows, the last one what the others leave. */
export const LAYOUTS = [columns, planes, plain] as const;

/** Names of the layouts. */
export type LayoutName = (typeof LAYOUTS)[number]['name'];

/** Keys of the texts of all layouts: no output may have others under them, whatever layout it has itself. */
export const LAYOUT_KEYS: readonly string[] = LAYOUTS.flatMap((layout): readonly string[] => layout.keys);

/** The columns that layouts look at in files that are tables. */
export const LAYOUT_COLUMNS: ReadonlySet<string> = new Set(LAYOUTS.flatMap((layout: Layout) => layout.columns ?? []));

/** Throws a RangeError where there is no layout of that name. */
export function layoutNamed(name: string): Layout {
  const layout = LAYOUTS.find((one) => one.name === name);
  if (layout === undefined) throw new RangeError(`there is no layout ${name}`);
  return layout;
}
