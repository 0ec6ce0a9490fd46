import type { LayerView } from '../engine/layer-view';
import { axisStyle, base, indexOf, tooltip, type ChartOption } from './options';
import type { Palette } from './palette';

const shown = (value: number): string => value.toPrecision(3);

/** How often each value occurs before (an outline) and after (bars: only the levels are left). */
export function histogramOption({ histogram }: LayerView, palette: Palette): ChartOption {
  const { low, high, before, after } = histogram;
  const step = before.length > 1 ? (high - low) / (before.length - 1) : 0;
  const middles = Array.from(before, (_, index) => low + index * step);
  return {
    ...base(palette),
    grid: { left: 8, right: 12, top: 16, bottom: 8, containLabel: true },
    xAxis: {
      type: 'category',
      data: middles.map(shown),
      ...axisStyle(palette),
      axisLabel: { color: palette.muted, fontSize: 11, interval: Math.ceil(middles.length / 6), showMinLabel: true },
    },
    yAxis: {
      type: 'value',
      ...axisStyle(palette),
      axisLabel: { color: palette.muted, fontSize: 11, formatter: compact },
    },
    tooltip: tooltip(palette, 'axis', (about) => {
      const index = indexOf(about);
      const count = (bins: Float64Array): string => (bins[index] ?? 0).toLocaleString('en');
      return `around ${shown(middles[index] ?? 0)}\nbefore ${count(before)}\nafter ${count(after)}`;
    }),
    series: [
      {
        name: 'after',
        type: 'bar',
        data: [...after],
        barCategoryGap: '10%',
        itemStyle: { color: palette.after, opacity: 0.75 },
      },
      {
        name: 'before',
        type: 'line',
        step: 'middle',
        symbol: 'none',
        data: [...before],
        lineStyle: { color: palette.ink, width: 1.5 },
        itemStyle: { color: palette.ink },
      },
    ],
  };
}

const compact = (value: number): string => Intl.NumberFormat('en', { notation: 'compact' }).format(value);

export type MapKind = 'weights' | 'errors';

/** The layer as a matrix, output channels downwards. */
export function mapOption({ map }: LayerView, kind: MapKind, palette: Palette): ChartOption {
  const { rows, columns, matrix } = map;
  const values = map[kind];
  const largest = spread(values);
  const cells = Array.from(values, (value, cell) => [cell % columns, Math.floor(cell / columns), value]);
  const [matrixRows, matrixColumns] = matrix;
  const span = (index: number, cellCount: number, count: number): string => {
    const [begin, end] = [Math.floor((index * count) / cellCount), Math.ceil(((index + 1) * count) / cellCount) - 1];
    return begin >= end ? String(begin) : `${String(begin)}–${String(end)}`;
  };
  const hidden = { show: false, type: 'category' as const };
  return {
    ...base(palette),
    animation: false,
    grid: { left: 0, right: 0, top: 0, bottom: 44 },
    xAxis: { ...hidden, data: Array.from({ length: columns }, (_, index) => index) },
    yAxis: { ...hidden, data: Array.from({ length: rows }, (_, index) => index), inverse: true },
    tooltip: tooltip(palette, 'item', (about) => {
      const [column = 0, row = 0, value = 0] = cells[indexOf(about)] ?? [];
      const place = `row ${span(row, rows, matrixRows)}, column ${span(column, columns, matrixColumns)}`;
      return `${place}\n${kind === 'weights' ? 'largest weight' : 'RMS error'} ${shown(value)}`;
    }),
    visualMap: {
      type: 'continuous',
      min: kind === 'weights' ? -largest : 0,
      max: largest,
      calculable: false,
      orient: 'horizontal',
      left: 'center',
      bottom: 4,
      itemWidth: 10,
      itemHeight: 150,
      precision: 4,
      text: [shown(largest), kind === 'weights' ? shown(-largest) : '0'],
      textStyle: { color: palette.muted, fontSize: 11 },
      inRange: {
        color: kind === 'weights' ? [palette.cool, palette.middle, palette.warm] : [palette.middle, palette.bad],
      },
    },
    series: [{ type: 'heatmap', data: cells, progressive: 2000, itemStyle: { borderWidth: 0 } }],
  };
}

/** The magnitude that 99 in 100 cells stay below: one outlier would leave all the others pale. */
function spread(values: Float32Array): number {
  const sorted = values.map(Math.abs).sort();
  const usual = sorted[Math.floor((sorted.length - 1) * 0.99)] ?? 0;
  return usual > 0 ? usual : (sorted.at(-1) ?? 0) || 1;
}
