import { describe, expect, test } from '@jest/globals';
import { BytesSource, NarrowedSource, QuantizeError } from '../support/internals.mjs';

const refuse = (index) => new QuantizeError('unsupported_dtype', { index });

/** A source of wide numbers that lie behind eleven other bytes. */
function narrowed(type, values) {
  const bytes = Buffer.alloc(11 + values.length * 8, 0xff);
  values.forEach((value, index) => {
    if (type === 'I64') bytes.writeBigInt64LE(BigInt(value), 11 + index * 8);
    else bytes.writeDoubleLE(value, 11 + index * 8);
  });
  const source = new BytesSource(bytes);
  return new NarrowedSource({ source, begin: 11, bytes: values.length * 8 }, type, refuse);
}

/** What is read of it, `count` numbers from number `first` on. */
async function read(source, type, first, count) {
  const bytes = Buffer.alloc(count * 4 + 1, 0xaa);
  // An odd place in memory, which no array of numbers could have.
  await source.read(bytes.subarray(1), first * 4);
  expect(bytes[0]).toBe(0xaa);
  return Array.from({ length: count }, (_, i) =>
    type === 'I64' ? bytes.readInt32LE(1 + i * 4) : bytes.readFloatLE(1 + i * 4),
  );
}

const kIntegers = [0, -1, 1, 2147483647, -2147483648, 65536];
const kFloats = [0, -0, 1, -2.5, 0.1, 1 + 2 ** -24, 1 + 3 * 2 ** -24, 1e-40, 1e-60, Infinity, -Infinity, NaN];

test('integers keep their values, from any of them on', async () => {
  const source = narrowed('I64', kIntegers);
  expect(source.size).toBe(24);
  for (const first of kIntegers.keys()) {
    const count = kIntegers.length - first;
    expect(await read(source, 'I64', first, count)).toEqual(kIntegers.slice(first));
  }
  expect(await read(source, 'I64', 2, 0)).toEqual([]);
});

test('floats are rounded to the nearest, ties to even; NaN, infinities and the sign of zero stay', async () => {
  const found = await read(narrowed('F64', kFloats), 'F64', 0, kFloats.length);
  expect(found).toEqual([
    ...[0, -0, 1, -2.5, 0.10000000149011612, 1, 1.000000238418579, 9.99994610111476e-41, 0],
    ...[Infinity, -Infinity, NaN],
  ]);
});

test('many pieces are one after the other', async () => {
  const values = Array.from({ length: 300_001 }, (_, index) => index * 7 - 1_000_000);
  const found = await read(narrowed('I64', values), 'I64', 1, 300_000);
  expect(found.every((value, index) => value === values[index + 1])).toBe(true);
});

test('memory that is shared is written to, as well', async () => {
  const into = new Uint8Array(new SharedArrayBuffer(8));
  await narrowed('I64', [3, -4]).read(into, 0);
  expect([...new Int32Array(into.buffer)]).toEqual([3, -4]);
});

describe('what does not fit rejects with the index of the first', () => {
  test.each([
    ['I64', [0, 2147483647, 2147483648, 1n << 60n], 2],
    ['I64', [-2147483649], 0],
    ['F64', [3.4028234663852886e38, 3.5e38], 1],
    ['F64', [NaN, Infinity, -1e308], 2],
  ])('%s', async (type, values, index) => {
    const whole = read(narrowed(type, values), type, 0, values.length);
    await expect(whole).rejects.toMatchObject({ code: 'unsupported_dtype', index });
    const last = read(narrowed(type, values), type, index, 1);
    await expect(last).rejects.toMatchObject({ code: 'unsupported_dtype', index });
  });

  test('the largest float that is rounded down is one that fits', async () => {
    const below = 3.4028235677973362e38;
    expect(await read(narrowed('F64', [below]), 'F64', 0, 1)).toEqual([3.4028234663852886e38]);
  });
});

test('a source that reads aside is read aside; its failure in the middle is the failure', async () => {
  const bytes = new Uint8Array(2 ** 22);
  const failure = new QuantizeError('unreadable_input', { file: 'x' });
  const asked = [];
  const source = Object.assign(new BytesSource(bytes), {
    readAside: (position, count) => {
      asked.push([position, count]);
      return asked.length < 3 ? Promise.resolve(bytes.slice(position, position + count)) : Promise.reject(failure);
    },
  });
  const wide = new NarrowedSource({ source, begin: 0, bytes: bytes.length }, 'I64', refuse);
  expect(await wide.readAside(8, 16)).toEqual(new Uint8Array(16));
  await expect(wide.readAside(0, 2 ** 21)).rejects.toBe(failure);
  expect(asked).toEqual([
    [16, 32],
    [0, 2 ** 20],
    [2 ** 20, 2 ** 20],
  ]);
  expect(narrowed('I64', [1]).readAside).toBeUndefined();
});
