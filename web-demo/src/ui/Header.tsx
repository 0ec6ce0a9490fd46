import type { EngineInfo } from '../engine/protocol';
import { engine } from '../store';
import { theme, toggleTheme } from '../theme';

export function Header() {
  const other = theme.value === 'dark' ? 'light' : 'dark';
  return (
    <header class="page-header">
      <a class="brand" href="./" aria-label="ArrowQuant, start page">
        <svg viewBox="0 0 32 32" aria-hidden="true" class="brand-mark">
          <path class="mark-curve" d="M3 27 C 12 27, 14 6, 29 5" />
          <path class="mark-steps" d="M3 27 H10 V20 H16 V12.5 H22.5 V5 H29" />
        </svg>
        ArrowQuant
      </a>
      <EngineChip />
      <button type="button" class="icon-button" onClick={toggleTheme} aria-label={`Use the ${other} theme`}>
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <circle cx="12" cy="12" r="8.5" class="theme-ring" />
          <path d="M12 3.5 a8.5 8.5 0 0 1 0 17 z" class="theme-half" />
        </svg>
      </button>
    </header>
  );
}

/** What does the work, and why nothing better does. */
function EngineChip() {
  const state = engine.value;
  if (state.status === 'starting') return <p class="engine-chip is-waiting">Starting WebAssembly…</p>;
  if (state.status === 'failed') {
    return (
      <p class="engine-chip is-bad" role="alert">
        {state.message}
      </p>
    );
  }
  const { info } = state;
  return (
    <details class="engine-details">
      <summary class={`engine-chip ${info.isolated ? 'is-good' : 'is-fair'}`}>
        <span>
          {chipText(info)}
          <span class="engine-cores"> of {plural(info.cores, 'core')}</span>
        </span>
      </summary>
      <div class="engine-explanation">
        {explanation(info).map((sentence) => (
          <p key={sentence}>{sentence}</p>
        ))}
      </div>
    </details>
  );
}

const plural = (count: number, noun: string): string => `${String(count)} ${noun}${count === 1 ? '' : 's'}`;

function chipText({ backend, threads }: EngineInfo): string {
  return plural(backend === 'single' ? 1 : threads, backend === 'workers' ? 'worker' : 'thread');
}

function explanation({ backend, threads, isolated }: EngineInfo): readonly string[] {
  const isolation = isolated
    ? 'The page is cross-origin isolated, so that threads can share memory.'
    : 'The page is not cross-origin isolated: its host does not send the headers COOP and COEP, and without them browsers allow no shared memory.';
  switch (backend) {
    case 'threads':
      return [`WebAssembly with ${plural(threads, 'thread')} and SIMD.`, isolation];
    case 'workers':
      return [
        isolation,
        `${plural(threads, 'worker')} with a WebAssembly instance each do the work all the same. The bytes are the same; copying to and from the workers costs some speed.`,
      ];
    case 'single':
      return [isolation, 'One thread does all the work. The bytes are the same, it takes longer.'];
  }
}
