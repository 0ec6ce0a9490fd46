import { expect, test } from '@jest/globals';
import { assigned, hullOf } from '../../support/internals.mjs';
import { randomSource } from '../../support/weights.mjs';

const choice = (bytes, error) => ({ bytes, error });
const sumOf = (tensors, places, part) => places.reduce((sum, place, index) => sum + tensors[index][place][part], 0);
const bytesOf = (tensors, places) => sumOf(tensors, places, 'bytes');
const errorOf = (tensors, places) => sumOf(tensors, places, 'error');

/** Tensors of several sizes, with choices whose errors fall about as quantization's do. */
function someTensors(count, seed) {
  const random = randomSource(seed);
  return Array.from({ length: count }, () => {
    const weights = 1 + Math.floor(random() * 50);
    const scale = 0.2 + random();
    return [2, 3, 4, 6, 8].map((bits) => choice(weights * bits, scale * 4 ** -bits * (0.6 + random())));
  });
}

/** The least error of all assignments that fit. */
function leastError(tensors, most) {
  const [first, ...others] = tensors;
  if (first === undefined) return 0;
  return Math.min(
    ...first.flatMap(({ bytes, error }) => (bytes > most ? [] : [error + leastError(others, most - bytes)])),
    Infinity,
  );
}

test('a hull begins with the smallest and has what saves less and less per byte', () => {
  const choices = [
    choice(40, 1),
    choice(20, 9),
    choice(30, 8),
    choice(20, 10),
    choice(80, 0.9),
    choice(90, 0.95),
    choice(10, 20),
  ];
  expect(hullOf(choices)).toEqual([6, 1, 0, 4]);
  expect(hullOf([choice(5, 1)])).toEqual([0]);
  expect(hullOf([choice(5, 1), choice(6, 1), choice(5, 1)])).toEqual([0]);
  expect(hullOf([choice(5, Infinity), choice(9, 2), choice(7, Infinity)])).toEqual([0, 1]);
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'what is assigned fits, loses hardly more than the least, and less with room, seed %i',
  (seed) => {
    const tensors = someTensors(2 + (seed % 5), seed);
    const smallest = bytesOf(tensors, assigned(tensors, 0));
    const finest = tensors.reduce((sum, choices) => sum + Math.max(...choices.map(({ bytes }) => bytes)), 0);
    expect(smallest).toBe(tensors.reduce((sum, choices) => sum + Math.min(...choices.map(({ bytes }) => bytes)), 0));
    // No upgrade saves more than this: greedy is off by less than one.
    const largestStep = Math.max(
      ...tensors.flatMap((choices) => {
        const hull = hullOf(choices);
        return hull.slice(1).map((place, before) => choices[hull[before]].error - choices[place].error);
      }),
    );
    let before = Infinity;
    for (let most = smallest; most <= finest; most += Math.max(1, Math.floor((finest - smallest) / 40))) {
      const places = assigned(tensors, most - smallest);
      expect(bytesOf(tensors, places)).toBeLessThanOrEqual(most);
      const error = errorOf(tensors, places);
      expect(error).toBeLessThanOrEqual(before);
      before = error;
      const least = leastError(tensors, most);
      expect(error).toBeGreaterThanOrEqual(least - 1e-12);
      expect(error - least).toBeLessThan(largestStep);
    }
  },
);

test('at the sizes of its own steps nothing loses less', () => {
  const tensors = someTensors(5, 21);
  const smallest = bytesOf(tensors, assigned(tensors, 0));
  const steps = tensors
    .flatMap((choices) => {
      const hull = hullOf(choices);
      return hull.slice(1).map((place, before) => {
        const [from, to] = [choices[hull[before]], choices[place]];
        return { bytes: to.bytes - from.bytes, gain: (from.error - to.error) / (to.bytes - from.bytes) };
      });
    })
    .sort((a, b) => b.gain - a.gain);
  let room = 0;
  for (const { bytes } of steps) {
    room += bytes;
    const error = errorOf(tensors, assigned(tensors, room));
    expect(Math.abs(error - leastError(tensors, smallest + room))).toBeLessThan(1e-12);
  }
});

test('equal tensors are upgraded in their order', () => {
  const tensors = Array.from({ length: 3 }, () => [choice(10, 4), choice(20, 1)]);
  expect(assigned(tensors, 25)).toEqual([1, 1, 0]);
});
