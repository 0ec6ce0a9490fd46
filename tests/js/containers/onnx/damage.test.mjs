import { File } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant, QuantizeError } from 'arrowquant';
import { MemorySource, openFiles } from '../../support/internals.mjs';
import { goldenModel } from '../../support/onnx/golden.mjs';
import { kRichModel } from '../../support/onnx/rich-model.mjs';
import { message, node, numbered, sized, varint } from '../../support/onnx/wire.mjs';
import { randomSource } from '../../support/weights.mjs';

/** Of some, the graph is rewritten besides. */
const kPlanned = 300;
const kTypes = ['q4', 'q8', 'fp16', 'bnb4', 'q4f16'];

let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 1 });
});
afterAll(() => quantizer.dispose());

/** One way to damage a file: cut off, bits and bytes changed, pieces moved, lengths that say something else. */
function damage(file, random) {
  const upTo = (limit) => Math.floor(random() * limit);
  const bytes = Buffer.from(file);
  switch (upTo(6)) {
    case 0:
      return bytes.subarray(0, upTo(bytes.length));
    case 1:
      bytes[upTo(bytes.length)] ^= 1 << upTo(8);
      return bytes;
    case 2:
      for (let times = 0; times < 4; ++times) bytes[upTo(bytes.length)] = upTo(256);
      return bytes;
    case 3: {
      const [from, to, count] = [upTo(bytes.length), upTo(bytes.length), upTo(300)];
      bytes.copyWithin(to, from, from + count);
      return bytes;
    }
    case 4: {
      const at = upTo(bytes.length);
      return Buffer.concat([bytes.subarray(0, at), varint(2n ** BigInt(upTo(64))), bytes.subarray(at)]);
    }
    default: {
      const at = upTo(bytes.length);
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + upTo(40))]);
    }
  }
}

/** Null where it works, else the error, which must be one of ours that says something. */
async function failureOf(call) {
  try {
    await call();
    return null;
  } catch (error) {
    expect(error).toBeInstanceOf(QuantizeError);
    expect(error.message).not.toContain('Internal');
    return error;
  }
}

const failureOfOpening = (bytes) => failureOf(() => openFiles(new MemorySource('model.onnx', bytes)));
const failureOfPlanning = (bytes, type) => failureOf(() => quantizer.plan(bytes, { type }));

/** How many of damaged files work. */
async function working(file, count, seed, failure) {
  const random = randomSource(seed);
  let opened = 0;
  for (let index = 0; index < count; ++index) {
    const error = await failure(damage(file, random), kTypes[index % kTypes.length]);
    if (error === null) ++opened;
  }
  return opened;
}

describe('Damaged ONNX files', () => {
  test.each([
    ['a small model', kRichModel, 8500],
    ['cnn', readFileSync(goldenModel('cnn')), 1500],
  ])('either open or say why not: %s', async (name, file, cases) => {
    const opened = await working(file, cases, name.length, failureOfOpening);
    expect(opened).toBeGreaterThan(cases / 50);
    expect(opened).toBeLessThan(cases * 0.98);
  });

  test('are planned, or it is said why not', async () => {
    const file = readFileSync(goldenModel('cnn'));
    const planned = await working(file, kPlanned, 9, failureOfPlanning);
    expect(planned).toBeGreaterThan(kPlanned / 50);
    expect(planned).toBeLessThan(kPlanned * 0.98);
  });

  const kDeep = (depth) => {
    let graph = sized(2, 'g');
    for (let level = 0; level < depth; ++level) {
      graph = sized(1, node('If', [], [], sized(5, message(sized(1, 'b'), sized(6, graph), numbered(20, 5)))));
    }
    return message(numbered(1, 8), sized(7, graph));
  };

  test('of messages in messages in messages say that there are too many', async () => {
    expect((await failureOfOpening(kDeep(2000))).message).toMatch(/more than 100 messages in each other/);
  });

  test.each([
    ['a number that does not end', Buffer.alloc(40, 0xff)],
    ['a length beyond the end', message(numbered(1, 8), varint(7 * 8 + 2), varint(2n ** 40n))],
    ['a wire type that is none', message(numbered(1, 8), Buffer.from([0x3b, 0]))],
    ['field number 0', message(numbered(1, 8), Buffer.from([0x02, 0]))],
    ['no graph', message(numbered(1, 8), sized(2, 'producer'))],
    ['two graphs', message(numbered(1, 8), sized(2, 'p'), sized(7, sized(2, 'a')), sized(7, sized(2, 'b')))],
    [
      'more packed dimensions than a model has fields',
      message(numbered(1, 8), sized(7, sized(5, message(sized(1, Buffer.alloc(2 ** 22 + 1)), numbered(2, 1))))),
    ],
    [
      'more packed numbers than a model has fields',
      message(
        numbered(1, 8),
        sized(7, sized(1, node('Add', [], [], sized(5, message(sized(1, 'a'), sized(8, Buffer.alloc(2 ** 22 + 1))))))),
      ),
    ],
    ['a shape below zero', message(numbered(1, 8), sized(7, sized(5, message(numbered(1, -4), numbered(2, 1)))))],
    [
      'more elements than there can be',
      message(
        numbered(1, 8),
        sized(7, sized(5, message(numbered(1, 2n ** 52n), numbered(1, 2n ** 52n), numbered(2, 1)))),
      ),
    ],
    [
      'fewer bytes than elements',
      message(numbered(1, 8), sized(7, sized(5, message(numbered(1, 4), numbered(2, 1), sized(9, 'abc'))))),
    ],
    ['a name that is no UTF-8', message(numbered(1, 8), sized(7, sized(2, Buffer.from([0xc3, 0x28]))))],
    [
      'a cycle',
      message(numbered(1, 8), sized(7, message(sized(1, node('A', ['y'], ['x'])), sized(1, node('B', ['x'], ['y']))))),
    ],
    [
      'one output of two nodes',
      message(numbered(1, 8), sized(7, message(sized(1, node('A', [], ['x'])), sized(1, node('B', [], ['x']))))),
    ],
  ])('with %s are refused in one sentence', async (_, bytes) => {
    const source = new File([bytes], 'model.onnx');
    const error = await quantizer.plan(source, { type: 'q4' }).then(
      () => null,
      (reason) => reason,
    );
    expect(error).toMatchObject({ code: 'invalid_file', file: 'model.onnx' });
    expect(error.message).toMatch(/^Cannot read model\.onnx: [^\n.]+$/u);
  });
});
