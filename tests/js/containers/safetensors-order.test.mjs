import { describe, expect, test } from '@jest/globals';
import { affineCodec, codecNamed, containerNamed, layoutNamed } from '../support/internals.mjs';
import { coded, contentsOf, copied } from '../support/models/laid-out.mjs';
import { randomSource } from '../support/weights.mjs';

const safetensors = containerNamed('safetensors');
const planes = layoutNamed('planes');
const kElementBytes = { F64: 8, F32: 4, F16: 2, U8: 1 };

/** The entries as they lie in the file, with where they begin. */
function entriesOf(contents) {
  const { files, places } = safetensors.layOut(contents);
  expect(files).toHaveLength(1);
  const entries = contents.groups.flatMap(({ entries }, group) =>
    entries.map(({ name, type, bytes }, plane) => ({
      name,
      type: type.name,
      bytes,
      group,
      plane,
      ...places[group][plane],
    })),
  );
  // What has no bytes lies before what begins at the same byte.
  entries.sort((a, b) => a.position - b.position || a.bytes - b.bytes);
  return { entries, begin: files[0].header.length, end: files[0].fileBytes };
}

const namesIn = (tensors, change) => entriesOf(contentsOf(planes, tensors, change)).entries.map(({ name }) => name);

describe('entries lie', () => {
  const int4 = affineCodec(4, 128, false);
  const kTensors = [
    coded('b', [64, 64], int4),
    copied('odd', [3], { name: 'Z17', unknown: true }, 3),
    coded('norm', [64], codecNamed('F32')),
    coded('a', [3, 128], int4),
    copied('wide', [2], { name: 'Z17', unknown: true }, 16),
    copied('count', [1], { name: 'I64' }, 8),
    coded('half', [5], codecNamed('F16')),
  ];

  test('by falling alignment and then by name', () => {
    expect(namesIn(kTensors)).toEqual([
      ...['count', 'wide', 'a.scales', 'b.scales', 'norm', 'half'],
      ...['a', 'a.zero_points', 'b', 'b.zero_points', 'odd'],
    ]);
  });

  test('tensor by tensor where they are written in order; those of odd sizes come last, with their planes apart', () => {
    // "a" has 192 bytes of levels, 12 of scales and 3 of zero points: no tensor behind it would be aligned.
    expect(namesIn(kTensors, { inOrder: true })).toEqual([
      ...['b', 'b.scales', 'b.zero_points', 'count', 'norm', 'wide'],
      ...['a.scales', 'half', 'a', 'a.zero_points', 'odd'],
    ]);
  });
});

test('whatever their sizes, all entries are aligned, without gaps, and what can lie together does', () => {
  const random = randomSource(20_260_201);
  const upTo = (limit) => Math.floor(random() * limit);
  const pick = (list) => list[upTo(list.length)];
  let together = 0;
  let apart = 0;
  for (let round = 0; round < 400; ++round) {
    const tensors = Array.from({ length: 1 + upTo(12) }, (_, index) => {
      const shape = [1 + upTo(40), pick([1, 3, 16, 32, 64, 128])];
      const codec = affineCodec(pick([2, 4, 8]), pick([0, 32, 64, 128, 256]), random() < 0.5);
      const name = `${pick(['x', 'y', 'ü'])}${index}`;
      if (random() < 0.6) return coded(name, shape, codec);
      return random() < 0.5
        ? coded(name, shape, codecNamed(pick(['F32', 'F16'])))
        : copied(name, shape, { name: 'Z17', unknown: true }, 1 + upTo(50));
    });
    for (const inOrder of [false, true]) {
      const { entries, begin, end } = entriesOf(contentsOf(planes, tensors, { inOrder }));
      let reached = begin;
      for (const { type, bytes, position } of entries) {
        expect(position).toBe(reached);
        expect(position % (kElementBytes[type] ?? 1)).toBe(0);
        reached += bytes;
      }
      expect(reached).toBe(end);
      if (!inOrder) continue;
      tensors.forEach((_, group) => {
        const ofGroup = entries.filter((entry) => entry.group === group);
        const first = entries.indexOf(ofGroup[0]);
        const isTogether = ofGroup.every((entry, index) => entry.plane === index && entries[first + index] === entry);
        if (isTogether) together += ofGroup.length > 1 ? 1 : 0;
        else apart += 1;
        // Levels of whole words, and groups that fill them: nothing stands in the way.
        const bytes = ofGroup.reduce((sum, entry) => sum + entry.bytes, 0);
        const levels = ofGroup.find(({ plane }) => plane === 0).bytes;
        if (levels % 4 === 0 && bytes % 4 === 0) expect(isTogether).toBe(true);
      });
    }
  }
  expect(Math.min(together, apart)).toBeGreaterThan(100);
});
