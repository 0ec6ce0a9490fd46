import * as format from '../format';
import type { FilePlan } from 'arrowquant';
import { changeSettings } from '../actions';
import { isFolder, type OutputName } from '../outputs';
import { PROGRAM_TITLES } from '../settings';
import { plan, planIsStale, settings, type PlanState } from '../store';

/** What will come out: its size beside the input's, drawn to scale. */
export function PlanSummary() {
  const state = plan.value;
  return (
    <section class="card plan" aria-labelledby="plan-title" aria-busy={state.status === 'none' || planIsStale.value}>
      <h2 id="plan-title">What comes out</h2>
      {state.status === 'none' && <p class="quiet">Planning…</p>}
      {state.status === 'failed' && <Refusal {...state} />}
      {state.status === 'ready' && <Figures plan={state.plan} />}
    </section>
  );
}

function Refusal({ code, message, other }: Extract<PlanState, { status: 'failed' }>) {
  const opensNowhere = code === 'unsupported_model';
  const { program, architecture } = settings.value;
  const chosen = PROGRAM_TITLES.find(([one]) => one === program)?.[1] ?? program;
  const headline = other === null ? 'No program would open this file.' : `${chosen} would not open this file.`;
  return (
    <div class="notice is-bad" role="alert">
      <strong>{opensNowhere ? headline : 'This cannot be done.'}</strong>
      <p>{message}</p>
      {other !== null && (
        <button
          type="button"
          class="button is-small"
          onClick={() => {
            changeSettings({ program: other.program, architecture: null });
          }}
        >
          Make it for {listed(other.opensIn)}
        </button>
      )}{' '}
      {opensNowhere && architecture !== 'none' && (
        <button
          type="button"
          class="button is-small"
          onClick={() => {
            changeSettings({ architecture: 'none' });
          }}
        >
          Write it all the same
        </button>
      )}
    </div>
  );
}

const listed = (names: readonly string[]): string => names.join(', ').replace(/, ([^,]+)$/u, ' and $1');

function Figures({ plan: made }: { plan: FilePlan }) {
  const { totals, output, type, architecture, opensIn, notIn, notes, warnings, dropped } = made;
  const share = totals.bytesBefore === 0 ? 1 : output.bytes / totals.bytesBefore;
  const smaller = output.bytes === 0 ? 1 : totals.bytesBefore / output.bytes;
  return (
    <>
      <dl class="figures">
        <div class="is-large">
          <dt>Size</dt>
          <dd data-testid="planned-size">{format.bytes(output.bytes)}</dd>
        </div>
        <div>
          <dt>Per weight</dt>
          <dd data-testid="planned-bits">{format.bitsPerWeight(totals.bitsPerWeight)}</dd>
        </div>
        <div>
          <dt>{smaller >= 1 ? 'Smaller' : 'Of the size'}</dt>
          <dd>{format.ratio(smaller)}</dd>
        </div>
        <div>
          <dt>Converted</dt>
          <dd>
            {String(totals.converted)} <small>of {String(totals.tensors)}</small>
          </dd>
        </div>
      </dl>
      <div class="scale-bars" aria-hidden="true">
        <ScaleBar label={format.bytes(totals.bytesBefore)} share={Math.min(1, 1 / share)} kind="before" />
        <ScaleBar label={format.bytes(output.bytes)} share={Math.min(1, share)} kind="after" />
      </div>
      <p class="plan-line">
        {type} in {container(output.container, settings.value.output)}
        {architecture !== null && <>, architecture {architecture}</>}
        {opensIn.length > 0 && <>, opens in {listed(opensIn)}</>}
        {notIn.length > 0 && <>, not in {listed(notIn)}</>}
      </p>
      {dropped.length > 0 && (
        <p class="plan-note">
          {dropped.length === 1 ? '1 tensor is' : `${String(dropped.length)} tensors are`} left out
        </p>
      )}
      {notes.map((note) => (
        <p class="plan-note" key={note}>
          {note}
        </p>
      ))}
      {warnings.map(({ message }) => (
        <p class="plan-note is-warning" key={message}>
          <strong>Warning:</strong> {message}
        </p>
      ))}
    </>
  );
}

/** What the file or folder is called in a sentence. */
function container(name: string, output: OutputName): string {
  if (isFolder(output)) return 'a folder';
  return name === 'safetensors' ? 'a safetensors file' : name === 'onnx' ? 'an ONNX file' : 'a GGUF file';
}

function ScaleBar({ label, share, kind }: { label: string; share: number; kind: 'before' | 'after' }) {
  return (
    <div class="scale-row">
      <span
        class={`scale-bar is-${kind}`}
        ref={(element) => element?.style.setProperty('width', `${String(share * 100)}%`)}
      />
      <span class="scale-label">{label}</span>
    </div>
  );
}
