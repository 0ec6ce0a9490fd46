import { lazy, Suspense } from 'preact/compat';
import { closeModel } from '../actions';
import * as format from '../format';
import { isBusy, layers, model, result } from '../store';
import { LayerTable } from './LayerTable';
import { PlanSummary } from './PlanSummary';
import { RunPanel } from './RunPanel';
import { SettingsPanel } from './settings/SettingsPanel';
import { TrialPanel } from './TrialPanel';

/** With the plots, which are by far the largest part of the page. */
const Understand = lazy(() => import('./Understand'));

export function Workspace() {
  return (
    <div class="workspace">
      <ModelHeading />
      <div class="workspace-grid">
        <div class="side-column">
          <SettingsPanel />
          <RunPanel />
        </div>
        <div class="main-column">
          <PlanSummary />
          <LayerTable rows={layers.value} />
        </div>
      </div>
      <TrialPanel />
      {result.value !== null && (
        <Suspense fallback={<p class="loading-line">Loading the plots…</p>}>
          <Understand result={result.value} />
        </Suspense>
      )}
    </div>
  );
}

function ModelHeading() {
  const state = model.value;
  if (state.status !== 'open') return null;
  const { container, tensors, elements, files } = state.inspection;
  const shards = files.length > 1 ? `, ${String(files.length)} files` : '';
  return (
    <section class="model-heading" aria-labelledby="model-name">
      <div>
        <h1 id="model-name">{state.name}</h1>
        <p class="model-facts">
          {container}
          {shards} · {format.count(tensors.length)} tensors · {format.count(elements)} weights ·{' '}
          {format.bytes(state.bytes)}
        </p>
      </div>
      <button type="button" class="button" onClick={closeModel} disabled={isBusy.value}>
        Another model
      </button>
    </section>
  );
}
