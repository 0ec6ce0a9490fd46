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
