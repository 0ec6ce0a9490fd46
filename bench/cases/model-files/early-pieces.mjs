import { WritableStream } from 'node:stream/web';
import { measure } from '../../lib/measure.mjs';
import { besideBefore, importInternal, openPackages } from '../../lib/packages.mjs';

const COUNTS = [8000, 16_000, 32_000];
const PIECE_BYTES = 256;
/** Less than all pieces take: most of them wait for room. */
const HELD_BYTES = 65_536;

/** All pieces of an output come before its first one, which a stream has to be given first. */
async function writeEarly(StreamSink, pieces) {
  const bytes = pieces.length * PIECE_BYTES;
  const sink = new StreamSink('the stream', new WritableStream(), { bytes, pieces, heldBytes: HELD_BYTES });
  const data = new Uint8Array(PIECE_BYTES);
  const [first, ...rest] = pieces;
  const early = rest.map(({ begin }) => sink.write(data, begin));
  await sink.write(data, first.begin);
  await Promise.all(early);
  await sink.commit(() => undefined);
}

/** What it costs to put pieces into order for a stream: with twice as many it should take twice as long. */
export async function earlyPieces({ rounds, against }) {
  const cases = [];
  for (const build of await openPackages(against)) {
    const { StreamSink } = await importInternal(build, 'stream-sink.js');
    for (const count of COUNTS) {
      const pieces = Array.from({ length: count }, (_, i) => ({ begin: i * PIECE_BYTES, bytes: PIECE_BYTES }));
      cases.push({ name: `${build.label}${count} pieces`, bytes: 0, run: () => writeEarly(StreamSink, pieces) });
    }
  }
  return {
    id: 'stream',
    title: 'A stream whose first piece comes last',
    reference: 'before',
    results: besideBefore(await measure(cases, rounds)),
  };
}
