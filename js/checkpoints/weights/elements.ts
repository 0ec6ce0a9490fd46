import { codecNamed } from '../../codecs/codec.js';
import { fileBytes } from '../../layouts/tensor.js';
import { bf16FromF32, f16FromF32, f32FromBf16, f32FromF16, plusOneF32 } from './floats.js';
import { MadeSource, bytesAt } from './made-source.js';
import { elementBytes, isFloatType, planeOf, type FloatType, type Weight } from './weight.js';

type Patterns = Uint16Array | Uint32Array;

/** Makes the bits of numbers of those of others, as many as `into` has. */
type Change = (from: Patterns, into: Patterns) => void;

/**
 * The same numbers in another type. What is widened is exact; what is narrowed goes to the nearest, ties to even, or to infinity
 * from 65520 on in F16 (the last half step below 2^128 in BF16). From F16 to BF16 or back it is an F32 in between. NaN stays NaN,
 * zeros keep their sign.
 */
export function cast(weight: Weight, dtype: FloatType): Weight {
  const from = dtypeOf(weight);
  return from === dtype ? weight : changed(weight, dtype, CASTS[from][dtype]);
}

/**
 * Each number and 1, rounded to the nearest: F16 in F16, all others in F32, which BF16 becomes. NaN stays NaN.
 */
export function plusOne(weight: Weight): Weight {
  const dtype = dtypeOf(weight);
  if (dtype === 'F16') return changed(weight, 'F16', HALVES_PLUS_ONE);
  return changed(weight, 'F32', dtype === 'F32' ? addOne : BRAINS_PLUS_ONE);
}

/** There are not many numbers of 16 bits: each is computed once, when the first ones are read. */
function byTable(valueOf: (pattern: number) => number): Change {
  let table: Uint32Array | null = null;
  return (from, into) => {
    const values = (table ??= Uint32Array.from({ length: 65_536 }, (_, pattern) => valueOf(pattern)));
    for (let index = 0; index < into.length; ++index) into[index] = values[from[index] ?? 0] ?? 0;
  };
}

// Loops of their own, not one that is told what to do with each number: that takes five times as long.

const toHalves: Change = (from, into) => {
  for (let index = 0; index < into.length; ++index) into[index] = f16FromF32(from[index] ?? 0);
};

const toBrains: Change = (from, into) => {
  for (let index = 0; index < into.length; ++index) into[index] = bf16FromF32(from[index] ?? 0);
};

const addOne: Change = (from, into) => {
  for (let index = 0; index < into.length; ++index) into[index] = plusOneF32(from[index] ?? 0);
};

const copy: Change = (from, into) => {
  into.set(from);
};

const HALVES_PLUS_ONE = byTable((pattern) => f16FromF32(plusOneF32(f32FromF16(pattern))));
const BRAINS_PLUS_ONE = byTable((pattern) => plusOneF32(f32FromBf16(pattern)));

/** By the type that numbers have, and the one that they get. */
const CASTS: Readonly<Record<FloatType, Readonly<Record<FloatType, Change>>>> = {
  F32: { F32: copy, F16: toHalves, BF16: toBrains },
  F16: { F32: byTable(f32FromF16), F16: copy, BF16: byTable((pattern) => bf16FromF32(f32FromF16(pattern))) },
  BF16: { F32: byTable(f32FromBf16), F16: byTable((pattern) => f16FromF32(f32FromBf16(pattern))), BF16: copy },
};

function dtypeOf({ name, codec }: Weight): FloatType {
  if (isFloatType(codec.name)) return codec.name;
  throw new RangeError(`${name} is ${codec.name}`);
}

function changed(weight: Weight, dtype: FloatType, change: Change): Weight {
  const plane = planeOf(weight);
  const codec = codecNamed(dtype);
  const before = elementBytes(weight);
  const after = elementBytes({ codec });
  const source = new MadeSource(plane, weight.elements * after, async (position, into) => {
    const count = into.length / after;
    const from = await bytesAt(plane, (position / after) * before, count * before);
    change(patternsIn(from, before), patternsIn(into, after));
  });
  const planes = [[{ source, begin: 0, bytes: source.size }]];
  return { ...weight, dtype, codec, planes, fileBytes: fileBytes(weight) };
}

const patternsIn = ({ buffer, byteOffset, length }: Uint8Array, width: number): Patterns =>
  width === 2 ? new Uint16Array(buffer, byteOffset, length / 2) : new Uint32Array(buffer, byteOffset, length / 4);
