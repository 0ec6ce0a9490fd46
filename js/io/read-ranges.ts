import type { ByteRange } from './byte-io.js';
export const readRanges = (ranges: readonly ByteRange[]): Promise<Uint8Array[]> => Promise.all(ranges.map(async ({ source, begin, bytes }) => { const own = new Uint8Array(bytes); await source.read(own, begin); return own; }));
