import { useMemo, useState } from 'preact/hooks';
import { downloadReport, selectLayer } from '../actions';
import { errorOf, errorOption, isMeasured, worstLayers, type ErrorMeasure, type MeasuredLayer } from '../charts/errors';
import type { Palette } from '../charts/palette';
import { treemapOption } from '../charts/treemap';
import * as format from '../format';
import type { Result } from '../store';
import { Chart } from './Chart';
import { LayerName } from './LayerName';
import { LayerInspector } from './LayerInspector';
import { Segments } from './settings/fields';

const MOST_WORST = 5;
/** From this width on, two maps stand side by side. */
const WIDE = 640;

/** What was lost, where, and what was gained. */
export default function Understand({ result }: { result: Result }) {
  const { tensors, type } = result.report;
  const measured = useMemo(() => tensors.filter(isMeasured), [tensors]);
  return (
    <section id="understand" class="understand" tabIndex={-1} aria-labelledby="understand-title">
      <div class="understand-head">
        <div>
          <h2 id="understand-title">What {type} did to it</h2>
          <p class="quiet">
            Every converted layer was decoded again and compared with what it was. Figures are of the file just made.
          </p>
        </div>
        <button type="button" class="button" onClick={downloadReport}>
          Report (JSON)
        </button>
      </div>
      {measured.length === 0 ? (
        <p class="card notice">No layer was quantized, so that there is no error to show.</p>
      ) : (
        <Errors layers={measured} />
      )}
      <LayerInspector reports={tensors} />
      <Sizes result={result} />
    </section>
  );
}

function Errors({ layers }: { layers: readonly MeasuredLayer[] }) {
  const [measure, setMeasure] = useState<ErrorMeasure>('relativeRmse');
  const worst = useMemo(() => worstLayers(layers, measure, MOST_WORST), [layers, measure]);
  const option = useMemo(() => {
    const names = new Set(worst.map(({ name }) => name));
    return (palette: Palette) => errorOption(layers, measure, names, palette);
  }, [layers, measure, worst]);
  const show = (layer: MeasuredLayer): string =>
    measure === 'relativeRmse' ? format.percent(layer.relativeRmse) : (layer.cosine ?? 1).toFixed(6);
  return (
    <figure class="card" aria-labelledby="errors-title">
      <figcaption class="figure-head">
        <h3 id="errors-title">Error by layer</h3>
        <Segments
          title="Measure"
          name="measure"
          value={measure}
          choices={[
            ['relativeRmse', 'Relative RMSE'],
            ['cosine', '1 − cosine'],
          ]}
          onChange={setMeasure}
        />
      </figcaption>
      <div class="errors-body">
        <Chart
          kind="errors"
          label={`Bar chart of the error of ${String(layers.length)} layers. The worst ones are listed beside it.`}
          option={option}
          onPick={(index) => {
            const layer = layers[index];
            if (layer !== undefined) void selectLayer(layer.name);
          }}
        />
        <div>
          <h4>The worst layers</h4>
          <ol class="worst">
            {worst.map((layer) => (
              <li key={layer.name}>
                <button type="button" class="link-button" onClick={() => void selectLayer(layer.name)}>
                  <LayerName name={layer.name} />
                </button>
                <span class="worst-figure">
                  {layer.to} <b>{show(layer)}</b>
                </span>
                <WorstBar
                  share={errorOf(layer, measure) / Math.max(Number.MIN_VALUE, errorOf(worst[0] ?? layer, measure))}
                />
              </li>
            ))}
          </ol>
        </div>
      </div>
    </figure>
  );
}

function WorstBar({ share }: { share: number }) {
  return (
    <span
      class="worst-bar"
      aria-hidden="true"
      ref={(bar) => bar?.style.setProperty('width', `${String(share * 100)}%`)}
    />
  );
}

function Sizes({ result: { report } }: { result: Result }) {
  const { bytesBefore, bytesAfter } = report.totals;
  const option = useMemo(
    () => (palette: Palette, width: number) => treemapOption(report.tensors, width >= WIDE, palette),
    [report],
  );
  return (
    <figure class="card" aria-labelledby="sizes-title">
      <figcaption class="figure-head">
        <h3 id="sizes-title">Where the bytes are</h3>
        <p class="legend">
          <span class="swatch is-before" /> before, {format.bytes(bytesBefore)}
          <span class="swatch is-after" /> after, {format.bytes(bytesAfter)}
          <span class="quiet"> to the same scale</span>
        </p>
      </figcaption>
      <Chart
        kind="treemap"
        label={`Two treemaps of the bytes of all layers: ${format.bytes(bytesBefore)} before, ${format.bytes(bytesAfter)} after.`}
        option={option}
      />
    </figure>
  );
}
