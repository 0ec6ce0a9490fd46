import type { TensorReport } from 'arrowquant';
import * as format from '../format';
import { axisStyle, base, indexOf, shortName, tooltip, type ChartOption } from './options';
import type { Palette } from './palette';

export type ErrorMeasure = 'relativeRmse' | 'cosine';

/** A layer that was quantized and measured. */
export type MeasuredLayer = TensorReport & { readonly relativeRmse: number };

export const isMeasured = (report: TensorReport): report is MeasuredLayer => report.relativeRmse !== null;

/** How far the layer is off: relative RMSE, or what its cosine lacks to 1. */
export const errorOf = (report: MeasuredLayer, measure: ErrorMeasure): number =>
  measure === 'relativeRmse' ? report.relativeRmse : Math.max(0, 1 - (report.cosine ?? 1));

export const worstLayers = (layers: readonly MeasuredLayer[], measure: ErrorMeasure, most: number) =>
  [...layers].sort((a, b) => errorOf(b, measure) - errorOf(a, measure)).slice(0, most);

/** More bars than these get a slider beneath them. */
const MOST_BARS = 160;

/** A bar a layer, in the order of the model; the worst ones stand out. */
export function errorOption(
  layers: readonly MeasuredLayer[],
  measure: ErrorMeasure,
  worst: ReadonlySet<string>,
  palette: Palette,
): ChartOption {
  const show = measure === 'relativeRmse' ? format.percent : (value: number) => value.toExponential(1);
  return {
    ...base(palette),
    grid: { left: 8, right: 8, top: 16, bottom: layers.length > MOST_BARS ? 36 : 8, containLabel: true },
    xAxis: {
      type: 'category',
      data: layers.map(({ name }) => name),
      ...axisStyle(palette),
      axisLabel: { show: false },
    },
    yAxis: { type: 'value', ...axisStyle(palette), axisLabel: { color: palette.muted, fontSize: 11, formatter: show } },
    tooltip: tooltip(palette, 'axis', (about) => {
      const layer = layers[indexOf(about)];
      if (layer === undefined) return '';
      const cosine = layer.cosine === null ? '' : `\ncosine ${layer.cosine.toFixed(6)}`;
      return `${shortName(layer.name, 52)}\n${layer.to}\nrelative RMSE ${format.percent(layer.relativeRmse)}${cosine}`;
    }),
    ...(layers.length > MOST_BARS && {
      dataZoom: [{ type: 'slider', height: 18, bottom: 4, start: 0, end: (100 * MOST_BARS) / layers.length }],
    }),
    series: [
      {
        type: 'bar',
        barCategoryGap: '25%',
        cursor: 'pointer',
        data: layers.map((layer) => ({
          value: errorOf(layer, measure),
          itemStyle: {
            color: worst.has(layer.name) ? palette.bad : palette.after,
            opacity: worst.has(layer.name) ? 1 : 0.6,
            borderRadius: [2, 2, 0, 0],
          },
        })),
      },
    ],
  };
}
