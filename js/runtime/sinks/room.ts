/** Who waits for room. */
interface Waiter {
  readonly position: number;
  readonly bytes: number;
  readonly grant: () => void;
  readonly refuse: (error: unknown) => void;
}

/**
 * Room for the bytes that wait for a stream, given in the order of their positions. The bytes that come next get room
 * even if there is none, when nothing else would ever free some.
 */
export class Room {
  readonly #bytes: number;
  /** Reserved bytes that have not been written yet, by position. */
  readonly #reserved = new Map<number, number>();
  /** By position. */
  readonly #waiting: Waiter[] = [];
  #usedBytes = 0;
  /** Of these, what the stream has been given and has not taken yet. */
  #givenBytes = 0;
  #next = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** Resolves when there is room. */
  reserve(position: number, bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const after = this.#waiting.findIndex((waiter) => waiter.position > position);
      const waiter = { position, bytes, grant: resolve, refuse: reject };
      this.#waiting.splice(after < 0 ? this.#waiting.length : after, 0, waiter);
      this.#grant();
    });
  }

  isReserved(position: number): boolean {
    return this.#reserved.has(position);
  }

  /** Takes the first bytes of what is reserved at `position`; the others stay reserved. */
  use(position: number, bytes: number): void {
    const reserved = this.#reserved.get(position) ?? 0;
    if (reserved < bytes) throw new RangeError(`${bytes} bytes at ${position}, of which ${reserved} are reserved`);
    this.#reserved.delete(position);
    if (reserved > bytes) this.#reserved.set(position + bytes, reserved - bytes);
  }

  /** Counts bytes that nobody has reserved. */
  add(bytes: number): void {
    this.#usedBytes += bytes;
  }

  /** Tells that bytes are given to the stream. */
  give(bytes: number): void {
    this.#givenBytes += bytes;
  }

  /** Gives back the room of bytes that the stream has taken. */
  free(bytes: number): void {
    this.#givenBytes -= bytes;
    this.#usedBytes -= bytes;
    this.#grant();
  }

  /** Tells which bytes come next. */
  next(position: number): void {
    this.#next = position;
    this.#grant();
  }

  /** Ends all that wait. */
  refuse(error: unknown): void {
    for (const { refuse } of this.#waiting.splice(0)) refuse(error);
  }

  #grant(): void {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const { position, bytes, grant } = first;
      // A stream may be given bytes long before it takes them: as long as it has some, room will come.
      const mustGo = position === this.#next && this.#givenBytes === 0;
      if (this.#usedBytes + bytes > this.#bytes && !mustGo) return;
      this.#waiting.shift();
      this.#usedBytes += bytes;
      this.#reserved.set(position, bytes);
      grant();
    }
  }
}
