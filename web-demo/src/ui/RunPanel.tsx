import { cancel, downloadReport, downloadResult, quantize } from '../actions';
import type { Progress } from '../engine/protocol';
import * as format from '../format';
import { chosenTarget, plan, planIsStale, reports, result, run, target, targets, type Result } from '../store';
import { startTrial } from '../trial/actions';

export function RunPanel() {
  const state = run.value;
  return (
    <section class="card run" aria-labelledby="run-title">
      <h2 id="run-title">{state.status === 'done' ? 'Done' : state.status === 'running' ? 'Quantizing' : 'Go'}</h2>
      {state.status === 'running' ? (
        <Running progress={state.progress} cancelling={state.cancelling} />
      ) : (
        <>
          {state.status === 'done' && result.value !== null && <Finished result={result.value} />}
          {state.status === 'cancelled' && <p class="notice">Cancelled. Nothing was kept.</p>}
          {state.status === 'failed' && (
            <div class="notice is-bad" role="alert">
              <strong>It did not work; nothing was kept.</strong>
              <p>{state.message}</p>
            </div>
          )}
          <Start again={state.status === 'done'} />
        </>
      )}
    </section>
  );
}

function Start({ again }: { again: boolean }) {
  const chosen = target.value;
  const isReady = plan.value.status === 'ready' && !planIsStale.value;
  return (
    <div class="start">
      <label class="field">
        <span class="field-title">Where the result goes</span>
        <select
          name="target"
          value={chosen?.kind}
          onChange={({ currentTarget }) => {
            chosenTarget.value = targets.value.find(({ kind }) => kind === currentTarget.value)?.kind ?? null;
          }}
        >
          {targets.value.map(({ kind: value, title }) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
        </select>
        <span class="hint">{chosen?.explanation}</span>
      </label>
      <button
        type="button"
        class={`button is-wide ${again ? '' : 'is-primary'}`}
        disabled={!isReady}
        onClick={() => void quantize(chosen?.kind ?? 'memory')}
      >
        {again ? 'Quantize again' : 'Quantize'}
      </button>
    </div>
  );
}

function Running({ progress, cancelling }: { progress: Progress | null; cancelling: boolean }) {
  const total = plan.value.status === 'ready' ? plan.value.plan.totals.tensors : 0;
  const fraction = progress === null || progress.totalBytes === 0 ? 0 : progress.doneBytes / progress.totalBytes;
  const text = progressText(progress);
  return (
    <div class="running">
      <p class="running-percent" aria-hidden="true">
        {Math.floor(fraction * 100)}
        <small>%</small>
      </p>
      <div
        class="bar"
        role="progressbar"
        aria-label="Quantized"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.floor(fraction * 100)}
        aria-valuetext={text}
      >
        <span ref={(element) => element?.style.setProperty('transform', `scaleX(${String(fraction)})`)} />
      </div>
      <p class="running-figures" data-testid="running-figures">
        {text}
      </p>
      <p class="running-layer">
        {String(reports.value.size)} of {String(total)} layers
        {progress !== null && <span class="mono">{progress.tensor}</span>}
      </p>
      <button type="button" class="button is-wide" onClick={cancel} disabled={cancelling}>
        {cancelling ? 'Cancelling…' : 'Cancel'}
      </button>
    </div>
  );
}

function progressText(progress: Progress | null): string {
  if (progress === null) return 'Starting…';
  const { doneBytes, totalBytes, bytesPerSecond, secondsLeft, downloadedBytes } = progress;
  const parts = [`${format.bytes(doneBytes)} of ${format.bytes(totalBytes)}`];
  if (bytesPerSecond > 0) parts.push(format.rate(bytesPerSecond));
  if (downloadedBytes > 0) parts.push(`${format.bytes(downloadedBytes)} downloaded`);
  if (Number.isFinite(secondsLeft)) parts.push(`${format.duration(secondsLeft)} left`);
  return parts.join(' · ');
}

function Finished({ result: { report, name, bytes, file, written } }: { result: Result }) {
  const { bytesBefore, seconds, bytesPerSecond } = report.totals;
  return (
    <div class="finished">
      <p>
        <strong class="mono">{name}</strong>
      </p>
      <p data-testid="finished-figures">
        {format.bytes(bytesBefore)} became {format.bytes(bytes)} in {format.duration(seconds)}, at{' '}
        {format.rate(bytesPerSecond)}.
      </p>
      {report.opensIn.length > 0 && <p class="quiet">It opens in {report.opensIn.join(' and ')}.</p>}
      {file === null ? (
        <p class="hint">It is in the place that you chose.</p>
      ) : (
        <button type="button" class="button is-primary is-wide" onClick={downloadResult}>
          Download {format.bytes(file.size)}
        </button>
      )}
      {written !== null && report.opensIn.includes('llama.cpp') && (
        <button type="button" id="try-it" class="button is-wide" onClick={() => void startTrial()}>
          Try it
        </button>
      )}
      <div class="button-row is-even">
        <a class="button" href="#understand">
          What it did
        </a>
        <button type="button" class="button" onClick={downloadReport}>
          Report
        </button>
      </div>
    </div>
  );
}
