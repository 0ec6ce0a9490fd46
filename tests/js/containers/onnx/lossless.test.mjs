import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { MemorySource, encodeOnnx, inlineTensor, openOnnx } from '../../support/internals.mjs';
import { goldenModel } from '../../support/onnx/golden.mjs';
import { kRichModel } from '../../support/onnx/rich-model.mjs';
import { message, node, numbered, sized } from '../../support/onnx/wire.mjs';

/** The bytes of a model that was read and is written again. */
async function again(bytes) {
  const { model: read } = await openOnnx(new MemorySource('model.onnx', bytes));
  const { parts } = encodeOnnx(read, inlineTensor);
  const written = [];
  for (const part of parts) {
    if (part instanceof Uint8Array) {
      written.push(part);
      continue;
    }
    const { data } = part.tensor;
    if (data.kind === 'bytes') written.push(data.bytes);
    else {
      const piece = new Uint8Array(part.bytes);
      await data.range.source.read(piece, data.range.begin);
      written.push(piece);
    }
  }
  return Buffer.concat(written);
}

describe('An ONNX model that is read and written again', () => {
  test.each(['bert', 'cnn', 'decoder', 'decoder_op21'])('has the same bytes: %s', async (name) => {
    const bytes = readFileSync(goldenModel(name));
    expect((await again(bytes)).equals(bytes)).toBe(true);
  });

  test('keeps all fields, known or not', async () => {
    expect((await again(kRichModel)).equals(kRichModel)).toBe(true);
  });

  test.each([
    ['nodes', Array.from({ length: 15_000 }, (_, index) => sized(1, node('Neg', [`v${index}`], [`v${index + 1}`])))],
    ['inputs of one node', [sized(1, Buffer.concat([...Array(50_000).fill(sized(1, 'x')), sized(4, 'Concat')]))]],
  ])('may have any number of %s', async (_, nodes) => {
    const graph = Buffer.concat([...nodes, sized(2, 'g')]);
    const bytes = message(numbered(1, 8), sized(7, graph), sized(8, numbered(2, 17)));
    expect((await again(bytes)).equals(bytes)).toBe(true);
  });

  test('is put into the usual order where it was in another one', async () => {
    const [irVersion, graph, opset] = [numbered(1, 8), sized(7, sized(2, 'g')), sized(8, numbered(2, 17))];
    const tensor = message(sized(9, Buffer.alloc(8)), sized(8, 'w'), numbered(2, 1), sized(1, Buffer.from([1, 2])));
    const usual = message(numbered(1, 1), numbered(1, 2), numbered(2, 1), sized(8, 'w'), sized(9, Buffer.alloc(8)));
    expect(await again(message(opset, graph, irVersion))).toEqual(message(irVersion, graph, opset));
    const withTensor = (one) => message(irVersion, sized(7, sized(5, one)), opset);
    expect(await again(withTensor(tensor))).toEqual(withTensor(usual));
  });
});
