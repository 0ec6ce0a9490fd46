import { describe, expect, test } from '@jest/globals';
import { BytesSource, QuantizeError, codecNamed, weightOperations } from '../../support/internals.mjs';

const { cast, constant, joined, permutedHeads, plusOne, renamed, reshaped, rows, stacked, transposed } =
  weightOperations;

const kArrays = { F32: Uint32Array, F16: Uint16Array, BF16: Uint16Array };

/** A source that gives what it reads in memory of its own, as those of servers do. */
class AsideSource extends BytesSource {
  async readAside(position, bytes) {
    const own = new Uint8Array(bytes);
    await this.read(own, position);
    return own;
  }
}

/** Weights with these bits, in two ranges of a file that begins with others. */
function weightOf(patterns, shape, dtype, Source = BytesSource) {
  const array = kArrays[dtype].from(patterns);
  const bytes = new Uint8Array(array.buffer);
  const before = 12;
  const file = new Uint8Array(before + bytes.length).fill(0xee);
  file.set(bytes, before);
  const half = Math.floor(array.length / 2) * array.BYTES_PER_ELEMENT;
  const source = new Source(file);
  const planes = [
    [
      { source, begin: before, bytes: half },
      { source, begin: before + half, bytes: bytes.length - half },
    ],
  ];
  return { name: 'w', shape, elements: array.length, dtype, codec: codecNamed(dtype), planes };
}

/** Numbers that look random. */
function numbered(count, most = 2 ** 32) {
  let state = 12345;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state % most;
  });
}

/** The bits of weights, read in stretches of `step` elements, as pipelines read them. */
async function readAll(weight, step) {
  const Type = kArrays[weight.codec.name];
  const width = Type.BYTES_PER_ELEMENT;
  const whole = Buffer.alloc(weight.elements * width);
  const [plane] = weight.planes;
  expect(plane.reduce((sum, range) => sum + range.bytes, 0)).toBe(whole.length);
  let before = 0;
  for (const { source, begin, bytes } of plane) {
    for (let at = 0; at < bytes; at += step * width) {
      const count = Math.min(step * width, bytes - at);
      const into = whole.subarray(before + at, before + at + count);
      if (source.readAside === undefined) await source.read(into, begin + at);
      else into.set(await source.readAside(begin + at, count));
    }
    before += bytes;
  }
  return new Type(whole.buffer, whole.byteOffset, weight.elements);
}

const read = async (weight, step = weight.elements) => [...(await readAll(weight, step))];

/** reshape(heads, 2, rows / heads / 2, row).swapaxes(1, 2) */
function permutedPlainly(values, heads, count, row) {
  const half = count / heads / 2;
  const result = [];
  for (let head = 0; head < heads; ++head)
    for (let pair = 0; pair < half; ++pair)
      for (let side = 0; side < 2; ++side)
        for (let at = 0; at < row; ++at) result.push(values[((head * 2 + side) * half + pair) * row + at]);
  return result;
}

describe('permuted heads', () => {
  test.each([
    ['F32', 2, [8, 3]],
    ['F16', 4, [24, 5]],
    ['BF16', 1, [14, 40]],
    ['BF16', 3, [12]],
    ['F16', 2, [32]],
    ['F32', 2, [4, 6]],
    ['F16', 2, [8, 3, 5]],
    ['F32', 2, [8, 20_000]],
    ['BF16', 2, [4096, 300]],
    ['BF16', 1, [4, 300_000]],
  ])('%s of %i heads: %j', async (dtype, heads, shape) => {
    const [count, ...rest] = shape;
    const row = rest.reduce((product, size) => product * size, 1);
    const values = numbered(count * row, dtype === 'F32' ? 2 ** 32 : 65536);
    const expected = permutedPlainly(values, heads, count, row);
    for (const Source of [BytesSource, AsideSource]) {
      const weight = permutedHeads(weightOf(values, shape, dtype, Source), heads);
      expect(weight).toMatchObject({ name: 'w', shape, dtype });
      for (const step of [weight.elements, Math.ceil(weight.elements / 3), row * 2, 7]) {
        if (weight.elements / step > 1000) continue;
        const found = await readAll(weight, step);
        expect(found.findIndex((bits, index) => bits !== expected[index])).toBe(-1);
      }
    }
  });

  test.each([
    [[6, 4], 2],
    [[4, 4], 4],
    [[8, 4], 0],
    [[8, 4], -2],
    [[8, 4], 1.5],
    [[8, 4], NaN],
    [[], 1],
  ])('of %j in %d heads are refused', (shape, heads) => {
    const count = shape.reduce((product, size) => product * size, 1);
    expect(() => permutedHeads(weightOf(numbered(count), shape, 'F32'), heads)).toThrow(
      expect.objectContaining({ code: 'invalid_file', layer: 'w', file: expect.any(String) }),
    );
  });

  test('half a head is read by two reads', async () => {
    const asked = [];
    class CountedSource extends BytesSource {
      read(into, position) {
        asked.push([position - 12, into.length]);
        return super.read(into, position);
      }
    }
    const weight = weightOf(numbered(256 * 64, 65536), [256, 64], 'F16', CountedSource);
    const whole = { ...weight, planes: [[{ ...weight.planes[0][0], bytes: 256 * 128 }]] };
    const [[{ source }]] = permutedHeads(whole, 2).planes;
    await source.readAside(0, 64 * 128);
    expect(asked).toEqual([
      [0, 32 * 128],
      [64 * 128, 32 * 128],
    ]);
  });
});

test('a matrix is transposed; other shapes are refused', async () => {
  const values = numbered(15);
  const weight = transposed(weightOf(values, [3, 5], 'F32'));
  expect(weight.shape).toEqual([5, 3]);
  expect(await read(weight, 4)).toEqual(values.map((_, index) => values[(index % 3) * 5 + Math.floor(index / 3)]));
  const row = transposed(weightOf(values, [1, 15], 'F32'));
  expect([row.shape, await read(row)]).toEqual([[15, 1], values]);
  for (const shape of [[15], [1, 3, 5]]) {
    expect(() => transposed(weightOf(values, shape, 'F32'))).toThrow(expect.objectContaining({ code: 'invalid_file' }));
  }
});

describe('what is made of ranges', () => {
  const values = numbered(24, 65536);
  const weight = weightOf(values, [6, 4], 'F16');

  test('rows', async () => {
    const some = rows(weight, 1, 4);
    expect([some.shape, some.elements, await read(some)]).toEqual([[3, 4], 12, values.slice(4, 16)]);
    const none = rows(weight, 6, 6);
    expect([none.shape, none.elements, none.planes[0].length, await read(none, 1)]).toEqual([[0, 4], 0, 1, []]);
    for (const [begin, end] of [
      [-1, 2],
      [3, 7],
      [4, 3],
    ]) {
      expect(() => rows(weight, begin, end)).toThrow(expect.objectContaining({ code: 'invalid_file', layer: 'w' }));
    }
  });

  test('another shape', async () => {
    const other = reshaped(weight, [2, 3, 4]);
    expect([other.shape, await read(other)]).toEqual([[2, 3, 4], values]);
    expect(() => reshaped(weight, [5, 5])).toThrow(expect.objectContaining({ code: 'invalid_file', layer: 'w' }));
  });

  test('weights on top of each other, and one after the other', async () => {
    const other = weightOf([...values].reverse(), [6, 4], 'F16');
    const both = [...values, ...[...values].reverse()];
    const stack = stacked([weight, renamed(other, 'v')], 's');
    expect(stack).toMatchObject({ name: 's', shape: [2, 6, 4], elements: 48, dtype: 'F16', fileBytes: 96 });
    expect(stack.partNames).toEqual(['w', 'w']);
    expect(await read(stack)).toEqual(both);
    const join = joined([weight, rows(other, 0, 2), rows(other, 2, 6)], 'j');
    expect(join).toMatchObject({ name: 'j', shape: [12, 4], elements: 48 });
    expect(await read(join, 5)).toEqual(both);
    const biases = joined([reshaped(weight, [24]), reshaped(rows(other, 0, 1), [4])], 'b');
    expect([biases.shape, await read(biases)]).toEqual([[28], both.slice(0, 28)]);
  });

  test('of two types become F32', async () => {
    const stack = stacked([weightOf([0x3c00], [1], 'F16'), weightOf([0x4000], [1], 'BF16')], 's');
    expect([stack.dtype, stack.codec.name, stack.fileBytes]).toEqual(['F32', 'F32', 4]);
    expect(await read(stack)).toEqual([0x3f800000, 0x40000000]);
  });

  test('of other shapes are refused', () => {
    const other = renamed(reshaped(weight, [4, 6]), 'v');
    for (const put of [stacked, joined]) {
      expect(() => put([weight, other], 's')).toThrow(expect.objectContaining({ code: 'invalid_file', layer: 'v' }));
    }
    const deeper = reshaped(weight, [6, 2, 2]);
    expect(() => joined([weight, deeper], 's')).toThrow(expect.objectContaining({ code: 'invalid_file' }));
    expect(() => joined([reshaped(rows(weight, 0, 0), [])], 's')).toThrow(
      expect.objectContaining({ code: 'invalid_file' }),
    );
  });
});

test('a constant is F32 and named after its file', async () => {
  const weight = constant('rope_freqs.weight', [3], new Float32Array([1, 2, -0]), { name: 'config.json' });
  expect(weight).toMatchObject({ name: 'rope_freqs.weight', shape: [3], elements: 3, dtype: 'F32', fileBytes: 0 });
  expect(weight.planes[0][0].source.name).toBe('config.json');
  expect(await read(weight)).toEqual([0x3f800000, 0x40000000, 0x80000000]);
  expect(() => constant('x', [4], new Float32Array(3), { name: 'config.json' })).toThrow(RangeError);
});

const kF32 = new Float32Array(1);
const kBits = new Uint32Array(kF32.buffer);

/** The value of the bits of an F16, for finite ones. */
const halfValue = (bits) => {
  const exponent = (bits >> 10) & 31;
  const value = exponent === 0 ? (bits & 1023) * 2 ** -24 : (1024 + (bits & 1023)) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -value : value;
};

/** The F16 that is next to a number, ties to even, by looking at all of them. */
function nearestHalf(value) {
  const magnitude = Math.abs(value);
  let low = 0;
  let high = 0x7c00;
  const at = (bits) => (bits === 0x7c00 ? 65536 : halfValue(bits));
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (at(middle) <= magnitude) low = middle;
    else high = middle;
  }
  const [below, above] = [magnitude - at(low), at(high) - magnitude];
  const bits = below < above || (below === above && low % 2 === 0) ? low : high;
  return value < 0 || Object.is(value, -0) ? bits | 0x8000 : bits;
}

describe('types are exchanged', () => {
  const all = Array.from({ length: 65536 }, (_, bits) => bits);
  const isNan = (bits) => (bits & 0x7fff) > 0x7c00;

  test('F16 to F32 keeps every value', async () => {
    const found = await read(cast(weightOf(all, [256, 256], 'F16'), 'F32'), 1000);
    const wrong = all.filter((bits) => {
      kBits[0] = found[bits];
      if ((bits & 0x7c00) === 0x7c00)
        return found[bits] !== (((bits & 0x8000) << 16) | 0x7f800000 | ((bits & 1023) << 13)) >>> 0;
      return !Object.is(kF32[0], halfValue(bits));
    });
    expect(wrong).toEqual([]);
  });

  test('F32 to F16 goes to the nearest, ties to even, and to infinity', async () => {
    const exact = all.filter((bits) => (bits & 0x7c00) !== 0x7c00).map(halfValue);
    const values = exact.flatMap((value, index) => {
      const tie = (value + (exact[index + 1] ?? value)) / 2;
      kF32[0] = tie;
      const [pattern] = kBits;
      return [
        value,
        ...[pattern - 1, pattern, pattern + 1].map((bits) => new Float32Array(Uint32Array.of(bits).buffer)[0]),
      ];
    });
    const edges = [
      65519.996,
      65520,
      -65520,
      1e30,
      2 ** -25,
      2 ** -25 * 1.0000001,
      2 ** -24 * 1.5,
      1e-45,
      -1e-45,
      0,
      -0,
    ];
    const numbers = Float32Array.from([...values.filter(Number.isFinite), ...edges]);
    const patterns = [...new Uint32Array(numbers.buffer)];
    const found = await read(cast(weightOf(patterns, [patterns.length], 'F32'), 'F16'));
    expect(found.filter((bits, index) => bits !== nearestHalf(numbers[index]))).toEqual([]);
    const special = [0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffc12345];
    expect(await read(cast(weightOf(special, [5], 'F32'), 'F16'))).toEqual([0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xfe09]);
  });

  test('BF16 to F32 and back is what it was, but for NaN, which becomes quiet', async () => {
    const widened = cast(weightOf(all, [65536], 'BF16'), 'F32');
    expect(await read(widened)).toEqual(all.map((bits) => (bits << 16) >>> 0));
    const quiet = (bits) => ((bits & 0x7fff) > 0x7f80 ? bits | 0x40 : bits);
    expect(await read(cast(widened, 'BF16'))).toEqual(all.map(quiet));
  });

  test('F32 to BF16 goes to the nearest, ties to even, and to infinity', async () => {
    const cases = [
      [0x3f808000, 0x3f80],
      [0x3f818000, 0x3f82],
      [0x3f808001, 0x3f81],
      [0x7f7f7fff, 0x7f7f],
      [0x7f7f8000, 0x7f80],
      [0xff7f8000, 0xff80],
      [0x80000001, 0x8000],
      [0x7f800001, 0x7fc0],
      [0xffffffff, 0xffff],
    ];
    const from = weightOf(
      cases.map(([bits]) => bits),
      [cases.length],
      'F32',
    );
    expect(await read(cast(from, 'BF16'))).toEqual(cases.map(([, bits]) => bits));
  });

  test('F16 to BF16 and BF16 to F16 are rounded once', async () => {
    expect(await read(cast(weightOf([0x3c04, 0x3c0c, 0x7c00], [3], 'F16'), 'BF16'))).toEqual([0x3f80, 0x3f82, 0x7f80]);
    expect(await read(cast(weightOf([0x3f81, 0x7f7f, 0x3300], [3], 'BF16'), 'F16'))).toEqual([0x3c08, 0x7c00, 0x0000]);
  });

  test('a type to itself is the same', () => {
    const weight = weightOf([1], [1], 'F32');
    expect(cast(weight, 'F32')).toBe(weight);
  });

  test('one is added to F16 in F16, to others in F32', async () => {
    const halves = await read(plusOne(weightOf(all, [65536], 'F16')), 4096);
    const wrong = all.filter((bits) => {
      if (isNan(bits)) return halves[bits] !== (bits | 0x200);
      if ((bits & 0x7fff) === 0x7c00) return halves[bits] !== bits;
      return halves[bits] !== nearestHalf(Math.fround(halfValue(bits) + 1));
    });
    expect(wrong).toEqual([]);
    const floats = [0, -0, 1e-9, -1, 0.1, 1e38, NaN, Infinity, -Infinity].map(Math.fround);
    const patterns = [...new Uint32Array(Float32Array.from(floats).buffer)];
    const expected = [...new Uint32Array(Float32Array.from(floats, (value) => value + 1).buffer)];
    const sum = plusOne(weightOf(patterns, [9], 'F32'));
    expect([sum.dtype, await read(sum, 2)]).toEqual(['F32', expected]);
    const brain = plusOne(weightOf([0x3b00, 0xbf80, 0x4000], [3], 'BF16'));
    expect([brain.dtype, await read(brain)]).toEqual(['F32', [0x3f804000, 0, 0x40400000]]);
    expect(brain.fileBytes).toBe(6);
  });
});

describe('a read that fails in the middle is the failure', () => {
  const failure = new QuantizeError('unreadable_input', { file: 'x' });
  class FailingSource extends BytesSource {
    constructor(bytes) {
      super(bytes);
      this.reads = 0;
    }
    read(into, position) {
      return ++this.reads > 1 ? Promise.reject(failure) : super.read(into, position);
    }
  }

  test.each([
    ['permuted heads', (weight) => permutedHeads(weight, 2)],
    ['one added', plusOne],
    ['another type', (weight) => cast(weight, 'F16')],
  ])('%s', async (_, make) => {
    const weight = make(weightOf(numbered(1024 * 1024), [1024, 1024], 'F32', FailingSource));
    const [[{ source, bytes }]] = weight.planes;
    await expect(source.readAside(0, bytes)).rejects.toBe(failure);
    await expect(source.read(new Uint8Array(bytes), 0)).rejects.toBe(failure);
  });
});

test('whether a file has changed is asked of every file', async () => {
  const asked = [];
  class WatchedSource extends BytesSource {
    async checkUnchanged() {
      asked.push(this);
      if (asked.length > 1) throw new QuantizeError('unreadable_input', { file: 'y' });
    }
  }
  const parts = ['F32', 'F32'].map((dtype) => weightOf(numbered(8), [4, 2], dtype, WatchedSource));
  const [[{ source }]] = permutedHeads(joined(parts, 'j'), 2).planes;
  await expect(source.checkUnchanged()).rejects.toMatchObject({ file: 'y' });
  expect(new Set(asked).size).toBe(2);
});
