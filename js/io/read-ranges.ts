import type { ByteRange, ByteSource } from './byte-io.js';

/** Ranges with fewer bytes between them are read together: a server takes longer to answer twice than to send them. */
const GAP_BYTES = 65_536;
/** No more are read together, unless one range is larger. */
const MOST_BYTES = 2 ** 20;
/** So many reads are under way at once. */
const MOST_READS = 32;

/** A range, and its number among those that were asked for. */
interface Wanted extends ByteRange {
  readonly order: number;
}

/** What one read brings. */
interface Stretch {
  readonly source: ByteSource;
  readonly begin: number;
  end: number;
  /** In the order in which they lie in the source. */
  readonly ranges: Wanted[];
}

/**
 * Reads small ranges, of one source or several, all at once: those that lie close together by one read, 32 reads at a time.
 * Gives the bytes of each range in memory of its own, in the order of `ranges`, which may overlap. When reads fail, that of
 * the first range counts; nothing is under way any more when this rejects.
 */
export async function readRanges(ranges: readonly ByteRange[]): Promise<Uint8Array[]> {
  const read = ranges.map(() => new Uint8Array());
  const stretches = stretchesOf(ranges);
  const failures: { readonly order: number; readonly error: unknown }[] = [];
  let next = 0;
  const readOn = async (): Promise<void> => {
    // What comes later than a failure cannot count any more.
    while (failures.length === 0) {
      const order = next++;
      const stretch = stretches[order];
      if (stretch === undefined) return;
      try {
        await readStretch(stretch, read);
      } catch (error) {
        failures.push({ order, error });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(MOST_READS, stretches.length) }, readOn));
  const [first] = failures.sort((a, b) => a.order - b.order);
  if (first !== undefined) throw first.error;
  return read;
}

/** What to read, in the order of the first range in each. */
function stretchesOf(ranges: readonly ByteRange[]): Stretch[] {
  const bySource = new Map<ByteSource, Wanted[]>();
  for (const [order, { source, begin, bytes }] of ranges.entries()) {
    const wanted = { source, begin, bytes, order };
    const others = bySource.get(source);
    if (others === undefined) bySource.set(source, [wanted]);
    else others.push(wanted);
  }
  const stretches = [...bySource.values()].flatMap(joined);
  const firsts = new Map(stretches.map((stretch) => [stretch, firstOf(stretch)]));
  return stretches.sort((a, b) => (firsts.get(a) ?? 0) - (firsts.get(b) ?? 0));
}

const firstOf = ({ ranges }: Stretch): number => ranges.reduce((least, { order }) => Math.min(least, order), Infinity);

/** Joins ranges of one source that lie close together. */
function joined(wanted: readonly Wanted[]): Stretch[] {
  const stretches: Stretch[] = [];
  for (const range of [...wanted].sort((a, b) => a.begin - b.begin)) {
    const { source, begin, bytes } = range;
    const end = begin + bytes;
    const last = stretches.at(-1);
    if (last === undefined || begin - last.end >= GAP_BYTES || Math.max(end, last.end) - last.begin > MOST_BYTES) {
      stretches.push({ source, begin, end, ranges: [range] });
    } else {
      last.end = Math.max(end, last.end);
      last.ranges.push(range);
    }
  }
  return stretches;
}

async function readStretch({ source, begin, end, ranges }: Stretch, read: Uint8Array[]): Promise<void> {
  const all = await readAlone(source, begin, end - begin);
  // Copies, or one range would keep all the others and what lies between them.
  for (const range of ranges) {
    const at = range.begin - begin;
    read[range.order] = ranges.length === 1 ? all : all.slice(at, at + range.bytes);
  }
}

/** Bytes of a source in memory of their own, without what lies around them. */
async function readAlone(source: ByteSource, position: number, bytes: number): Promise<Uint8Array> {
  if (source.readAlone !== undefined) return source.readAlone(position, bytes);
  if (source.readAside !== undefined) return source.readAside(position, bytes);
  const own = new Uint8Array(bytes);
  await source.read(own, position);
  return own;
}
