/** Limits of reading over HTTP. */
export interface HttpSettings {
  /** Tries, the first one included, that may fail in a row without bringing `progressBytes`. */
  readonly attempts: number;
  /** The same while the server has not answered at all: the address may be wrong. */
  readonly firstAttempts: number;
  /** Wait before the second try; it doubles with every further one. */
  readonly firstDelay: number;
  /** Longest wait between two tries where the server asks for none. */
  readonly longestDelay: number;
  /** Longest wait between two tries, whatever a server's Retry-After asks for. */
  readonly longestAsked: number;
  /** A connection that brings nothing for this long has failed. Milliseconds, as the delays. */
  readonly stallLimit: number;
  /** A try that brings as many bytes has not failed, though it may have been cut short. */
  readonly progressBytes: number;
  /** Small reads are served from a block of at least and at most this size: it grows while reads go on in order. */
  readonly smallestBlock: number;
  readonly largestBlock: number;
}

export const HTTP_SETTINGS: HttpSettings = {
  attempts: 6,
  firstAttempts: 3,
  firstDelay: 500,
  longestDelay: 30_000,
  longestAsked: 300_000,
  stallLimit: 30_000,
  progressBytes: 65_536,
  smallestBlock: 65_536,
  largestBlock: 1_048_576,
};
