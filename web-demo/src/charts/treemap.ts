import type { TensorReport } from 'arrowquant';
import * as format from '../format';
import { base, shortName, tooltip, type ChartOption } from './options';
import type { Palette } from './palette';

interface Leaf {
  readonly name: string;
  readonly fullName: string;
  readonly value: number;
}

interface Group {
  readonly name: string;
  readonly fullName: string;
  readonly value: number;
  readonly children: readonly Leaf[];
}

/** Layers of a part beyond these are drawn as one. */
const MOST_LEAVES = 40;

/** Layers by the part of the model that they belong to. */
function groupsOf(reports: readonly TensorReport[], bytesOf: (report: TensorReport) => number): readonly Group[] {
  const parts = new Map<string, Leaf[]>();
  for (const report of reports) {
    const part = partOf(report.name);
    const leaf = { name: report.name.slice(part.length + 1), fullName: report.name, value: bytesOf(report) };
    const leaves = parts.get(part);
    if (leaves === undefined) parts.set(part, [leaf]);
    else leaves.push(leaf);
  }
  return [...parts].map(([name, leaves]) => {
    const sorted = leaves.sort((a, b) => b.value - a.value);
    const rest = sorted.slice(MOST_LEAVES).reduce((sum, { value }) => sum + value, 0);
    const restName = `${String(sorted.length - MOST_LEAVES)} more`;
    const others: Leaf[] = rest > 0 ? [{ name: restName, fullName: `${name}: ${restName}`, value: rest }] : [];
    const value = sorted.reduce((sum, leaf) => sum + leaf.value, 0);
    return { name, fullName: name, value, children: [...sorted.slice(0, MOST_LEAVES), ...others] };
  });
}

/** Up to the first number, which counts blocks, with it: `transformer_blocks.0`; two components where there is none. */
function partOf(name: string): string {
  const components = name.split('.');
  const number = components.findIndex((component) => /^\d+$/.test(component));
  const length = number > 0 ? Math.min(number + 1, components.length - 1) : Math.min(2, components.length - 1);
  return components.slice(0, Math.max(1, length)).join('.');
}

/** Bytes before and after, drawn to the same scale: the second map is smaller by what was saved. */
export function treemapOption(reports: readonly TensorReport[], isWide: boolean, palette: Palette): ChartOption {
  const before = groupsOf(reports, ({ bytesBefore }) => bytesBefore);
  const after = groupsOf(reports, ({ bytesAfter }) => bytesAfter);
  const total = (groups: readonly Group[]): number => groups.reduce((sum, { value }) => sum + value, 0);
  const side = Math.sqrt(total(after) / Math.max(1, total(before)));
  const scale = Math.min(1, side);
  const grow = Math.max(1, side);
  const share = (fraction: number): string => `${String(fraction * (isWide ? 49 : 100))}%`;
  const height = (fraction: number): string => `${String(fraction * (isWide ? 100 : 49))}%`;
  const place = (fraction: number) => ({ width: share(fraction), height: height(fraction) });
  return {
    ...base(palette),
    tooltip: tooltip(palette, 'item', (about) => {
      const { data } = about as { data?: { fullName?: string; value?: number } };
      return `${shortName(data?.fullName ?? '', 60)}\n${format.bytes(data?.value ?? 0)}`;
    }),
    series: [
      { ...treemapSeries('before', before, palette.before, palette.ink, palette), left: 0, top: 0, ...place(1 / grow) },
      {
        ...treemapSeries('after', after, palette.after, palette.onAfter, palette),
        ...(isWide ? { left: '51%', top: 0 } : { left: 0, top: '51%' }),
        ...place(scale),
      },
    ],
  };
}

function treemapSeries(name: string, data: readonly Group[], color: string, labelColor: string, palette: Palette) {
  return {
    ...{ name, data, type: 'treemap' as const },
    ...{ roam: false as const, nodeClick: false as const, breadcrumb: { show: false }, animation: false },
    label: { show: true, color: labelColor, fontSize: 11, overflow: 'truncate' as const, padding: [3, 4] },
    upperLabel: { show: true, height: 20, color: palette.ink, fontSize: 11, overflow: 'truncate' as const },
    itemStyle: { color, borderColor: palette.card, borderWidth: 1, gapWidth: 1 },
    levels: [
      {
        itemStyle: { color: 'transparent', borderColor: 'transparent', borderWidth: 0, gapWidth: 3 },
        upperLabel: { show: false },
      },
      { itemStyle: { color, borderColor: palette.line, borderWidth: 1, gapWidth: 1 } },
      { itemStyle: { color, borderColor: palette.card, borderWidth: 0, gapWidth: 1 }, upperLabel: { show: false } },
    ],
  };
}
