import { useEffect, useRef, useState } from 'preact/hooks';
import * as format from '../format';
import { trial, type TrialAnswer } from '../store';
import { askModel, endTrial, stopAnswer } from '../trial/actions';
import type { TrialKind } from '../trial/llama';

/** The file that was just made, in llama.cpp. */
export function TrialPanel() {
  const state = trial.value;
  if (state.status === 'none') return null;
  return (
    <section id="try" class="card trial" aria-labelledby="try-title" aria-busy={state.status === 'loading'}>
      <div class="trial-head">
        <h2 id="try-title">Try it</h2>
        <button
          type="button"
          class="button is-small"
          onClick={() => {
            endTrial();
            document.getElementById('try-it')?.focus();
          }}
        >
          {CLOSING[state.status]}
        </button>
      </div>
      {state.status === 'loading' && <Loading />}
      {state.status === 'failed' && (
        <div class="notice is-bad" role="alert">
          <strong>It cannot be tried here.</strong>
          <p>{state.message}</p>
        </div>
      )}
      {state.status === 'ready' && <Talk kind={state.kind} answer={state.answer} />}
    </section>
  );
}

const CLOSING = { loading: 'Cancel', failed: 'Close', ready: 'Unload' } as const;

function Loading() {
  const line = useRef<HTMLParagraphElement>(null);
  // What was pressed is above it, and may be a screen away.
  useEffect(() => line.current?.scrollIntoView({ block: 'nearest' }), []);
  return (
    <>
      <p ref={line} role="status">
        Loading llama.cpp, and the model into it…
      </p>
      <div class="bar is-endless">
        <span />
      </div>
    </>
  );
}

interface Wording {
  readonly about: string;
  readonly field: string;
  readonly example: string;
  readonly go: string;
}

const WORDING: Readonly<Record<TrialKind, Wording>> = {
  text: {
    about: 'llama.cpp runs the file that was just made, in this page. The model goes on with what you type.',
    field: 'Beginning of a text',
    example: 'The model',
    go: 'Go on',
  },
  chat: {
    about: 'llama.cpp runs the file that was just made, in this page. Each question is a new conversation.',
    field: 'Question',
    example: 'Hello! Who are you?',
    go: 'Ask',
  },
  embedding: {
    about:
      'llama.cpp runs the file that was just made, in this page. The model writes no text: it makes a vector of one.',
    field: 'Text',
    example: 'A text that others are compared with.',
    go: 'Make a vector',
  },
};

function Talk({ kind, answer }: { kind: TrialKind; answer: TrialAnswer | null }) {
  const { about, field, example, go } = WORDING[kind];
  const [prompt, setPrompt] = useState(example);
  const input = useRef<HTMLTextAreaElement>(null);
  useEffect(() => input.current?.focus(), []);
  const isRunning = answer?.status === 'running';
  return (
    <>
      <p class="quiet">{about}</p>
      <form
        class="trial-form"
        onSubmit={(event) => {
          event.preventDefault();
          void askModel(prompt);
        }}
      >
        <label class="field">
          <span class="field-title">{field}</span>
          <textarea
            ref={input}
            name="prompt"
            rows={2}
            value={prompt}
            onInput={({ currentTarget }) => {
              setPrompt(currentTarget.value);
            }}
          />
        </label>
        <div class="button-row">
          <button type="submit" class="button is-primary" disabled={isRunning || prompt === ''}>
            {go}
          </button>
          <button type="button" class="button" disabled={!isRunning} onClick={stopAnswer}>
            Stop
          </button>
        </div>
      </form>
      {answer !== null && <Answer kind={kind} answer={answer} />}
    </>
  );
}

function Answer({ kind, answer }: { kind: TrialKind; answer: TrialAnswer }) {
  const { prompt, text, status, message } = answer;
  return (
    <div class="trial-answer">
      {/* Read out when it is complete. */}
      <p class="trial-text" data-testid="trial-text" aria-live="polite" aria-busy={status === 'running'}>
        {kind === 'text' && <span class="quiet">{prompt}</span>}
        {text}
      </p>
      {status === 'failed' && (
        <p class="notice is-bad" role="alert">
          {message}
        </p>
      )}
      <p class="hint" data-testid="trial-figures">
        {figures(answer)}
      </p>
    </div>
  );
}

function figures({ tokens, seconds, status }: TrialAnswer): string {
  const speed = tokens === 0 || seconds === 0 ? '' : `, ${(tokens / seconds).toFixed(1)} a second`;
  const count = tokens === 0 ? format.duration(seconds) : `${String(tokens)} tokens${speed}`;
  return status === 'running' ? `${count}…` : status === 'stopped' ? `Stopped after ${count}.` : `${count}.`;
}
