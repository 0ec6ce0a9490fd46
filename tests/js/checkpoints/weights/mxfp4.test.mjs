import { describe, expect, test } from '@jest/globals';
import { BytesSource, codecNamed, everyOther, everyOtherOf, mxfp4Tensor } from '../../support/internals.mjs';

/** Bytes that look random. */
function bytesOf(count, seed) {
  let state = seed;
  return Uint8Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 24;
  });
}

/** A plane that begins somewhere in its file. */
function planeOf(bytes) {
  const before = 5;
  const file = new Uint8Array(before + bytes.length).fill(0xee);
  file.set(bytes, before);
  return [{ source: new BytesSource(file), begin: before, bytes: bytes.length }];
}

/** All bytes of a made plane, read `step` bytes at a time. */
async function readAll([{ source, bytes }], step) {
  const whole = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += step) {
    whole.set(await source.readAside(at, Math.min(step, bytes - at)), at);
  }
  return whole;
}

/** The codes of weights in the order of the weights. */
const codesOf = (codes) => [...codes].flatMap((byte) => [byte & 15, byte >>> 4]);

/** What ggml's blocks hold: exponents, and the codes of the weights in their order. */
function unpacked(blocks) {
  const exponents = [];
  const codes = [];
  for (let at = 0; at < blocks.length; at += 17) {
    const halves = [...blocks.subarray(at + 1, at + 17)];
    exponents.push(blocks[at]);
    codes.push(...halves.map((byte) => byte & 15), ...halves.map((byte) => byte >>> 4));
  }
  return { exponents, codes };
}

function tensorOf(codes, exponents) {
  const parts = { codes: planeOf(codes), exponents: planeOf(exponents), names: ['c', 'e'], fileBytes: 17 };
  return mxfp4Tensor('w', [1, exponents.length, 32], parts);
}

describe("ggml's blocks of MXFP4", () => {
  test.each([1, 16, 17, 40, 1000])('have exponents and codes, read %i bytes at a time', async (step) => {
    const codes = bytesOf(16 * 12, 1);
    const exponents = bytesOf(12, 2);
    const { planes, type, elements } = tensorOf(codes, exponents);
    expect([type.name, elements]).toEqual(['MXFP4', 12 * 32]);
    expect(unpacked(await readAll(planes[0], step))).toEqual({ exponents: [...exponents], codes: codesOf(codes) });
  });

  test('are right where they are made in several pieces', async () => {
    const blocks = 70_000;
    const [codes, exponents] = [bytesOf(16 * blocks, 3), bytesOf(blocks, 4)];
    const [plane] = tensorOf(codes, exponents).planes;
    const made = await readAll(plane, plane[0].bytes);
    const { exponents: got } = unpacked(made);
    expect(Buffer.from(got).equals(Buffer.from(exponents))).toBe(true);
    const last = unpacked(made.subarray(-17));
    expect(last.codes).toEqual(codesOf(codes.subarray(-16)));
  });
});

describe('every other row', () => {
  test.each([
    [0, 1],
    [1, 1],
    [0, 4],
    [1, 7],
    [1, 100],
  ])('from row %i on, read %i bytes at a time', async (parity, step) => {
    const bytes = bytesOf(3 * 10, 5);
    const expected = [...bytes].filter((_, index) => Math.floor(index / 3) % 2 === parity);
    expect([...(await readAll(everyOtherOf(planeOf(bytes), 3, 5, parity), step))]).toEqual(expected);
  });

  test('is half of the weights', async () => {
    const bytes = bytesOf(4 * 2 * 3 * 2, 6);
    const weight = { name: 'w', shape: [4, 2, 3], elements: 24, dtype: 'BF16', codec: codecNamed('BF16') };
    const half = everyOther({ ...weight, planes: [planeOf(bytes)] }, 1);
    expect([half.shape, half.elements, half.fileBytes]).toEqual([[2, 2, 3], 12, 24]);
    expect([...(await readAll(half.planes[0], 12))]).toEqual([...bytes.subarray(12, 24), ...bytes.subarray(36)]);
  });

  test('needs an even number of rows', () => {
    const planes = [planeOf(new Uint8Array(12))];
    const weight = { name: 'w', shape: [3, 2], elements: 6, dtype: 'F16', codec: codecNamed('F16'), planes };
    expect(() => everyOther(weight, 0)).toThrow(expect.objectContaining({ code: 'invalid_file' }));
  });

  test('of nothing is nothing', () => {
    const [range] = everyOtherOf(planeOf(new Uint8Array(0)), 4, 0, 1);
    expect(range.bytes).toBe(0);
  });
});
