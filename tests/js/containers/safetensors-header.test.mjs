import { describe, expect, test } from '@jest/globals';
import { QuantizeError, readHeader } from '../support/internals.mjs';
import { memorySource } from '../support/models/gguf.mjs';
import { rawFile } from '../support/models/safetensors.mjs';
import { randomSource } from '../support/weights.mjs';

const kBytes = { F32: 4, F16: 2, U8: 1, Z17: 3 };
const kNames = [
  'a.weight',
  'b',
  'ü',
  '日本',
  '__proto__',
  '10',
  '2',
  'x"y',
  'x\\y',
  'constructor',
  '\u{1f600}',
  '}',
  ':{"',
];

/** A right header as an object, and the bytes of data that it needs. */
function randomHeader(random) {
  const upTo = (limit) => Math.floor(random() * limit);
  const entries = [];
  let reached = 0;
  for (const name of kNames) {
    if (random() < 0.5) continue;
    const dtype = Object.keys(kBytes)[upTo(4)];
    const shape = Array.from({ length: upTo(4) }, () => 1 + upTo(5));
    const bytes = shape.reduce((count, extent) => count * extent, kBytes[dtype]);
    entries.push([name, { dtype, shape, data_offsets: [reached, reached + bytes] }]);
    reached += bytes;
  }
  if (random() < 0.5) entries.splice(upTo(entries.length), 0, ['__metadata__', { format: 'pt', 'k"{': 'v\n}' }]);
  return { entries, bytes: reached };
}

const sourceOf = (text, bytes) => memorySource(Buffer.concat([rawFile(text), Buffer.alloc(bytes)]));

async function outcome(text, bytes) {
  try {
    const { entries, metadata } = await readHeader(sourceOf(text, bytes));
    const begin = entries[0]?.data[0].begin ?? 0;
    return [
      entries.map(({ name, type, shape, elements, data }) => [
        name,
        type,
        shape,
        elements,
        data[0].begin - begin,
        data[0].bytes,
      ]),
      [...metadata],
    ];
  } catch (error) {
    if (!(error instanceof QuantizeError)) throw error;
    return [error.code, error.layer, error.message];
  }
}

const member = ([name, value], json) => `${JSON.stringify(name)}:${json(value)}`;
const compact = ({ entries }) => `{${entries.map((entry) => member(entry, JSON.stringify)).join(',')}}`;
/** The same with white space that no writer puts there, so that it is read the long way. */
const spread = ({ entries }) => `{\n${entries.map((entry) => member(entry, JSON.stringify)).join(',\n')}\n}`;
/** As Python's `json.dumps` writes it. */
const spaced = ({ entries }) => {
  const json = (value) =>
    JSON.stringify(value, null, 1)
      .replace(/\n\s*/gu, ' ')
      .replace(/([{[]) | ([}\]])/gu, '$1$2');
  return `{${entries.map(([name, value]) => `${JSON.stringify(name)}: ${json(value)}`).join(', ')}}`;
};

describe('a header', () => {
  test('is the same however its JSON is written', async () => {
    const random = randomSource(20_260_202);
    for (let round = 0; round < 300; ++round) {
      const header = randomHeader(random);
      const expected = await outcome(spread(header), header.bytes);
      expect(expected).toHaveLength(2);
      expect(await outcome(compact(header), header.bytes)).toEqual(expected);
      expect(await outcome(`${compact(header)}   `, header.bytes)).toEqual(expected);
      expect(await outcome(spaced(header), header.bytes)).toEqual(expected);
    }
  });

  test('is never taken where it is no JSON, or has a name twice, whatever is changed in it', async () => {
    const random = randomSource(20_260_203);
    const upTo = (limit) => Math.floor(random() * limit);
    const kCharacters = [...'{}[]",: \\-.0123e\n\u00a0ü', ''];
    let taken = 0;
    let refused = 0;
    for (let round = 0; round < 1500; ++round) {
      const header = randomHeader(random);
      const text = compact(header);
      const at = 1 + upTo(text.length - 1);
      const changed = text.slice(0, at) + kCharacters[upTo(kCharacters.length)] + text.slice(at + upTo(2));
      const result = await outcome(changed, header.bytes);
      if (result.length === 2) {
        taken += 1;
        // Halves of a character that was cut become what stands for none.
        const again = Object.entries(JSON.parse(Buffer.from(changed).toString())).filter(
          ([name]) => name !== '__metadata__',
        );
        expect(new Set(result[0].map(([name]) => name))).toEqual(new Set(again.map(([name]) => name)));
      } else {
        refused += 1;
        expect(result[0]).toBe('invalid_file');
      }
      // White space changes nothing, but that it is read the long way.
      expect(await outcome(`${changed}\t`, header.bytes)).toEqual(result);
    }
    expect(Math.min(taken, refused)).toBeGreaterThan(100);
  });

  test.each([
    [
      'a name twice',
      '{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}',
      /has the name "a" twice/u,
    ],
    [
      'a name twice, once escaped',
      '{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}',
      /has the name "a" twice/u,
    ],
    ['metadata twice', '{"__metadata__":{},"__metadata__":{}}', /has the name "__metadata__" twice/u],
    ['a leading zero', '{"a":{"dtype":"U8","shape":[02],"data_offsets":[0,2]}}', /not valid JSON/u],
    ['something behind it', '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}} x', /not valid JSON/u],
    ['white space that JSON has not', '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}\u00a0', /not valid JSON/u],
    ['a comma at its end', '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},}', /not valid JSON/u],
  ])('is refused with %s', async (_, text, says) => {
    await expect(readHeader(sourceOf(text, 2))).rejects.toThrow(says);
  });
});
