/** What all plots have in common. */

import type { EChartsCoreOption } from 'echarts/core';
import type { Palette } from './palette';

export type ChartOption = EChartsCoreOption;

/** A tooltip that is drawn on the canvas: one of HTML would need styles that the policy forbids. */
export const tooltip = (palette: Palette, trigger: 'item' | 'axis', formatter: (about: unknown) => string) => ({
  trigger,
  formatter,
  renderMode: 'richText' as const,
  confine: true,
  backgroundColor: palette.card,
  borderColor: palette.line,
  borderWidth: 1,
  textStyle: { color: palette.ink, fontSize: 12 },
});

export const axisStyle = (palette: Palette) => ({
  axisLine: { lineStyle: { color: palette.line } },
  axisTick: { show: false },
  axisLabel: { color: palette.muted, fontSize: 11 },
  splitLine: { lineStyle: { color: palette.line, type: 'dashed' as const } },
  nameTextStyle: { color: palette.muted, fontSize: 11 },
});

export const base = (palette: Palette): ChartOption => ({
  animation: !matchMedia('(prefers-reduced-motion: reduce)').matches,
  animationDuration: 350,
  textStyle: { fontFamily: palette.font, color: palette.ink },
});

/** Index of the datum that a tooltip or click is about. */
export function indexOf(about: unknown): number {
  const first: unknown = Array.isArray(about) ? about[0] : about;
  const { dataIndex } = (first ?? {}) as { dataIndex?: unknown };
  return typeof dataIndex === 'number' ? dataIndex : -1;
}

/** The end of a long name, which tells layers apart. */
export const shortName = (name: string, most = 38): string => (name.length > most ? `…${name.slice(1 - most)}` : name);
