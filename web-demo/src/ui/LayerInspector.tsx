import { useMemo } from 'preact/hooks';
import { selectLayer } from '../actions';
import { histogramOption, mapOption } from '../charts/layer';
import type { Palette } from '../charts/palette';
import type { TensorReport } from 'arrowquant';
import type { LayerView } from '../engine/layer-view';
import * as format from '../format';
import { view } from '../store';
import { Chart } from './Chart';

/** One layer from near: its values before and after, and where in it the error is. */
export function LayerInspector({ reports }: { reports: readonly TensorReport[] }) {
  const state = view.value;
  const name = state.status === 'none' ? '' : state.name;
  const report = reports.find((one) => one.name === name);
  return (
    <section class="card inspector" aria-labelledby="inspector-title" aria-busy={state.status === 'loading'}>
      <div class="figure-head">
        <h3 id="inspector-title">One layer</h3>
        <label class="field inspector-choice">
          <span class="visually-hidden">Layer to look at</span>
          <select name="layer" value={name} onChange={({ currentTarget }) => void selectLayer(currentTarget.value)}>
            {reports.map((one) => (
              <option key={one.name} value={one.name}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
      </div>
      {report !== undefined && <LayerFacts report={report} />}
      {state.status === 'loading' && <p class="quiet">Reading the layer…</p>}
      {state.status === 'failed' && (
        <p class="notice is-bad" role="alert">
          {state.message}
        </p>
      )}
      {state.status === 'ready' && <LayerPlots view={state.view} />}
    </section>
  );
}

function LayerFacts({ report }: { report: TensorReport }) {
  const { shape, from, to, relativeRmse, cosine, maxError } = report;
  return (
    <dl class="figures is-small">
      <Fact title="Shape" value={format.shape(shape)} />
      <Fact title="Type" value={from === to ? `${from}, kept` : `${from} → ${to}`} />
      {relativeRmse !== null && <Fact title="Relative RMSE" value={format.percent(relativeRmse)} />}
      {cosine !== null && <Fact title="Cosine" value={cosine.toFixed(6)} />}
      {maxError !== null && <Fact title="Largest error" value={maxError.toPrecision(3)} />}
    </dl>
  );
}

function Fact({ title, value }: { title: string; value: string }) {
  return (
    <div>
      <dt>{title}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function LayerPlots({ view: layer }: { view: LayerView }) {
  const histogram = useMemo(() => (palette: Palette) => histogramOption(layer, palette), [layer]);
  const weights = useMemo(() => (palette: Palette) => mapOption(layer, 'weights', palette), [layer]);
  const errors = useMemo(() => (palette: Palette) => mapOption(layer, 'errors', palette), [layer]);
  const { map, sampled, elements, name } = layer;
  const [rows, columns] = map.matrix;
  const sample =
    sampled < elements ? ` A sample of ${format.count(sampled)} of its ${format.count(elements)} weights.` : '';
  return (
    <>
      <div class="inspector-plots">
        <figure class="is-wide">
          <figcaption>
            <h4>Values</h4>
            <p class="legend">
              <span class="swatch is-line" /> before <span class="swatch is-after" /> after
            </p>
          </figcaption>
          <Chart kind="histogram" label={`Histogram of the values of ${name}, before and after.`} option={histogram} />
        </figure>
        <figure>
          <figcaption>
            <h4>Weights</h4>
          </figcaption>
          <Chart kind="map" label={`Heat map of the weights of ${name}.`} option={weights} />
        </figure>
        <figure>
          <figcaption>
            <h4>Error</h4>
          </figcaption>
          <Chart kind="map" label={`Heat map of the error of ${name}.`} option={errors} />
        </figure>
      </div>
      <p class="hint">
        {rows} × {columns} weights, output channels downwards.
        {(rows > map.rows || columns > map.columns) &&
          ' A cell of the maps stands for several: the largest weight, the root mean square of the errors.'}
        {sample}
      </p>
    </>
  );
}
