import { describe, expect, test } from '@jest/globals';
import { parseJson, printJson } from '../support/internals.mjs';

/** The value that JSON.parse gives. */
function plain(value) {
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, member]) => [name, plain(member)]));
  if (Array.isArray(value)) return value.map(plain);
  return typeof value === 'object' && value !== null ? Number(value.number) : value;
}

/** A value of any kind, nested; the same for the same seed. */
function randomValue(random, depth = 0) {
  const kind = Math.floor(random() * (depth > 3 ? 5 : 7));
  if (kind === 0) return null;
  if (kind === 1) return random() < 0.5;
  if (kind === 2) return (random() - 0.5) * 10 ** Math.floor(random() * 40 - 20);
  if (kind === 3) return Math.floor(random() * 1e6);
  if (kind === 4) return Array.from({ length: random() * 6 }, () => String.fromCharCode(random() * 0x10000)).join('');
  const parts = Array.from({ length: random() * 5 }, () => randomValue(random, depth + 1));
  return kind === 5 ? parts : Object.fromEntries(parts.map((part, index) => [`k${index}"\\é`, part]));
}

function generator(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test('reads what JSON.parse reads, and prints what it reads again', () => {
  const random = generator(7);
  for (let i = 0; i < 300; ++i) {
    const value = randomValue(random);
    for (const text of [JSON.stringify(value), JSON.stringify(value, null, '\t')]) {
      const read = parseJson(` ${text}\r\n`);
      expect(plain(read)).toEqual(value);
      expect(JSON.parse(printJson(read, 4))).toEqual(value);
    }
  }
});

test('refuses what JSON.parse refuses, whatever is damaged', () => {
  const random = generator(9);
  const text = '{"a": [1, -2.5e+3, true, null, "x\\u00e9\\n"], "b": {"c": {}, "d": []}, "e": false}';
  let refused = 0;
  for (let i = 0; i < 3000; ++i) {
    const at = Math.floor(random() * text.length);
    const other = '{}[],:"\\ 01.eEtfn-+x\u0001'[Math.floor(random() * 22)];
    const damaged = text.slice(0, at) + (random() < 0.5 ? other : '') + text.slice(at + (random() < 0.5 ? 1 : 0));
    let expected;
    try {
      expected = JSON.parse(damaged);
    } catch {
      ++refused;
      expect(() => parseJson(damaged)).toThrow(/it is no JSON from character \d+ on/);
      continue;
    }
    expect(plain(parseJson(damaged))).toEqual(expected);
  }
  expect(refused).toBeGreaterThan(1500);
});

describe('as Python has it', () => {
  test('numbers keep their text, and may be none', () => {
    const text = '{"a":1e-06,"b":10000.0,"c":12345678901234567890,"d":NaN,"e":[Infinity,-Infinity,-0]}';
    const printed =
      '{\n  "a": 1e-06,\n  "b": 10000.0,\n  "c": 12345678901234567890,\n  "d": NaN,\n  "e": [\n    Infinity,\n    -Infinity,\n    -0\n  ]\n}';
    expect(printJson(parseJson(text), 2)).toBe(printed);
  });

  test('texts are ASCII, what is empty is on one line, and of two members of a name the last one counts', () => {
    const value = parseJson('{"é\u007f\u{1f600}":{},"a":[],"b":1,"b":"\\u2028\\/"}');
    expect(printJson(value, 1)).toBe('{\n "\\u00e9\\u007f\\ud83d\\ude00": {},\n "a": [],\n "b": "\\u2028/"\n}');
  });

  test('a member may be called __proto__', () => {
    expect(printJson(parseJson('{"__proto__":{"a":1}}'), 0)).toBe('{\n"__proto__": {\n"a": 1\n}\n}');
  });
});
