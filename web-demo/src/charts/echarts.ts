/** ECharts with nothing but the charts that the page draws. */

import { BarChart, HeatmapChart, LineChart, TreemapChart } from 'echarts/charts';
import {
  AriaComponent,
  DataZoomComponent,
  GridComponent,
  TooltipComponent,
  VisualMapContinuousComponent,
} from 'echarts/components';
import * as echarts from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';

echarts.use([
  ...[BarChart, HeatmapChart, LineChart, TreemapChart],
  ...[AriaComponent, DataZoomComponent, GridComponent, TooltipComponent, VisualMapContinuousComponent],
  CanvasRenderer,
]);

export const createChart = (element: HTMLElement): echarts.ECharts => echarts.init(element);

/**
 * Ends a plot. A large one is painted over several frames, and the library paints on after it has been disposed of, which
 * fails: only another painting, of nothing, ends the one before.
 */
export function disposeChart(chart: echarts.ECharts): void {
  chart.clear();
  chart.getZr().refreshImmediately();
  chart.dispose();
}
