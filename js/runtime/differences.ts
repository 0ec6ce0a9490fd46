/**
 * Makes of `base` what `differences` (tools/build/differences.mjs, which says how they are written) were made from. Throws a
 * RangeError when they are not of that base, or cut off.
 */
export function withDifferences(base: Uint8Array, differences: Uint8Array): Uint8Array<ArrayBuffer> {
  let at = 0;
  const read = (): number => {
    for (let value = 0, unit = 1; ; unit *= 128) {
      const byte = differences[at++];
      if (byte === undefined) throw new RangeError('The differences are cut off.');
      value += (byte & 127) * unit;
      if (byte < 128) return value;
    }
  };
  const target = new Uint8Array(read());
  let end = 0;
  for (let position = 0; position < target.length;) {
    const fresh = read();
    if (at + fresh > differences.length) throw new RangeError('The differences are cut off.');
    target.set(differences.subarray(at, at + fresh), position);
    at += fresh;
    position += fresh;
    if (position >= target.length) break;
    const move = read();
    const place = end + fresh + (move % 2 === 0 ? move / 2 : -(move + 1) / 2);
    end = place + read();
    if (end > base.length || end <= place) throw new RangeError('The differences are of something else.');
    target.set(base.subarray(place, end), position);
    position += end - place;
  }
  return target;
}
