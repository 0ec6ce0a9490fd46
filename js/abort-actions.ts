/** What one signal sets off. */
interface Entry {
  readonly actions: Set<() => void>;
  readonly listener: () => void;
}

/**
 * What is to be done when signals fire. However many calls share a signal, it has one listener: more than ten on one
 * target make Node warn of a leak.
 */
export class AbortActions {
  readonly #entries = new WeakMap<AbortSignal, Entry>();

  /** Runs `action` when `signal` fires; gives what revokes that. */
  add(signal: AbortSignal | undefined, action: () => void): () => void {
    if (signal === undefined) return () => undefined;
    const entry = this.#entries.get(signal) ?? this.#listen(signal);
    entry.actions.add(action);
    return () => {
      entry.actions.delete(action);
      if (entry.actions.size > 0 || this.#entries.get(signal) !== entry) return;
      this.#entries.delete(signal);
      signal.removeEventListener('abort', entry.listener);
    };
  }

  #listen(signal: AbortSignal): Entry {
    const actions = new Set<() => void>();
    const listener = (): void => {
      for (const action of [...actions]) action();
    };
    const entry = { actions, listener };
    this.#entries.set(signal, entry);
    signal.addEventListener('abort', listener, { once: true });
    return entry;
  }
}
