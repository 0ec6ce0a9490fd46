/** Shortest stretch that is looked for everywhere in the base; those that go on where the last one ended may be shorter. */
const kSought = 12;
const kContinued = 3;

/** As many places of a stretch are tried: code repeats itself, and the first ones are as good. */
const kPlaces = 64;

/**
 * What js/runtime/differences.ts makes `target` of, given `base`: two builds of the same sources have nearly all of their
 * code in common, but lie too far apart for gzip.
 *
 * Numbers are LEB128, of either sign by zigzag: the size of `target`; then again and again the number of new bytes and those
 * bytes, how far the next stretch of `base` lies from the end of the last one (signed; new bytes move on in `base`, too), and
 * how long it is.
 *
 * @param {Uint8Array} base
 * @param {Uint8Array} target
 * @returns {Uint8Array}
 */
export function differencesOf(base, target) {
  const places = placesIn(base);
  const out = [];
  const write = (value) => {
    for (; value > 127; value >>>= 7) out.push((value & 127) | 128);
    out.push(value);
  };
  write(target.length);
  let position = 0;
  let end = 0;
  while (position < target.length) {
    const begin = position;
    let found = null;
    for (; position < target.length && found === null; ++position) {
      found = stretchAt(base, target, position, end + position - begin, places);
    }
    if (found !== null) --position;
    write(position - begin);
    out.push(...target.subarray(begin, position));
    if (found === null) break;
    const move = found.place - (end + position - begin);
    write(move < 0 ? -2 * move - 1 : 2 * move);
    write(found.length);
    position += found.length;
    end = found.place + found.length;
  }
  return Uint8Array.from(out);
}

const keyAt = (bytes, position) => String.fromCharCode(...bytes.subarray(position, position + kSought));

function placesIn(base) {
  const places = new Map();
  for (let position = 0; position + kSought <= base.length; ++position) {
    const key = keyAt(base, position);
    const known = places.get(key);
    if (known === undefined) places.set(key, [position]);
    else if (known.length < kPlaces) known.push(position);
  }
  return places;
}

/** The stretch of `base` that is best for what begins at `position`; null where none is worth its numbers. */
function stretchAt(base, target, position, expected, places) {
  const lengthFrom = (place) => {
    let length = 0;
    while (position + length < target.length && place + length < base.length) {
      if (base[place + length] !== target[position + length]) break;
      ++length;
    }
    return length;
  };
  const continued = { place: expected, length: lengthFrom(expected) };
  const candidates = (places.get(keyAt(target, position)) ?? []).map((place) => ({ place, length: lengthFrom(place) }));
  const longest = candidates.reduce((best, one) => (one.length > best.length ? one : best), { place: 0, length: 0 });
  if (continued.length >= kContinued && continued.length + kSought >= longest.length) return continued;
  return longest.length >= kSought ? longest : null;
}
