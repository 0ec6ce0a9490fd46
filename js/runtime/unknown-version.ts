/**
 * The version of a source of which nobody says when it changed. No two are the same: an output that was interrupted is begun
 * anew rather than completed with the weights of another file of the same size.
 */
export const unknownVersion = (size: number): string => `${size} bytes of an unknown time (${Math.random()})`;
