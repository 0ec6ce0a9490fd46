import { unwritable } from '../failures.js';

/** The writes to one file that are under way. */
export class Writes {
  readonly #name: string;
  readonly #underWay = new Set<Promise<void>>();
  #ended = false;

  constructor(name: string) {
    this.#name = name;
  }

  /** Throws after the end. */
  check(): void {
    if (this.#ended) throw unwritable(this.#name, 'it is closed');
  }

  /** Runs a write, unless it comes after the end. */
  async run(write: () => Promise<void>): Promise<void> {
    this.check();
    const running = write();
    const settled = running.catch(() => undefined);
    this.#underWay.add(settled);
    try {
      await running;
    } finally {
      this.#underWay.delete(settled);
    }
  }

  /** Refuses what comes later, and resolves when nothing is under way any more. Gives whether this was the first call. */
  async end(): Promise<boolean> {
    const first = !this.#ended;
    this.#ended = true;
    await Promise.all(this.#underWay);
    return first;
  }
}
