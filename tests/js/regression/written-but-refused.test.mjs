import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { containerNamed, layoutGguf, layoutNamed, readGguf, text } from '../support/internals.mjs';
import { useFolder } from '../support/models/folder.mjs';
import { ggufFile, ggufTensor, memorySource } from '../support/models/gguf.mjs';
import { contentsOf } from '../support/models/laid-out.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 1 });
});
afterAll(() => quantizer.dispose());

test.each(['1.0', '{"format":"affine"}', '{"format":"affine","version":1,"tensors":{}}'])(
  'a GGUF with the key "arrowquant": %s becomes a safetensors file that opens',
  async (value) => {
    const file = ggufFile({ pairs: [['arrowquant', 'string', value]], tensors: [ggufTensor('a.weight', [32], 8)] });
    const [input, output] = [folder.write('in.gguf', file), folder.path('out.safetensors')];
    await quantizer.dequantizeFile(input, output);
    const { metadata, tensors } = await quantizer.inspectFile(output);
    expect(metadata).toEqual({ 'gguf.arrowquant': value });
    expect(tensors.map(({ name }) => name)).toEqual(['a.weight']);
  },
);

test('a GGUF of 66,000 tensors is read again', async () => {
  const tensors = Array.from({ length: 66_000 }, (_, index) => ({ name: `t${index}`, type: 'F32', shape: [1] }));
  const { files } = layoutGguf({ keyValues: [], tensors, file: 'out.gguf' });
  const file = new Uint8Array(files[0].fileBytes);
  file.set(files[0].header);
  expect((await readGguf(memorySource(file))).tensors).toHaveLength(66_000);
});

describe('what could not be read again is not written', () => {
  const refused = (request) => {
    try {
      layoutGguf({ keyValues: [], tensors: [], file: 'out.gguf', ...request });
      return null;
    } catch (error) {
      return error;
    }
  };
  const kMost = 2 ** 19;

  test('more tensors than a GGUF may have', () => {
    const tensors = Array(kMost + 1).fill({ name: 'one', type: 'F32', shape: [1] });
    expect(refused({ tensors })).toMatchObject({
      ...{ code: 'unwritable_output', message: expect.stringContaining('524289 tensors are over the limit of 524288') },
    });
    expect(refused({ tensors: tensors.slice(0, kMost) })).toMatchObject({ code: 'duplicate_layer' });
  });

  test('more keys than a GGUF may have', () => {
    const keyValues = Array(kMost).fill(text('k', ''));
    expect(refused({ keyValues })).toMatchObject({
      ...{ code: 'unwritable_output', message: expect.stringContaining('524288 key-value pairs are over the limit') },
    });
  });

  test.each([
    [65_536, 'k'.repeat(65_536)],
    [65_536, 'é'.repeat(32_768)],
  ])('a key of %i bytes', (_, key) => {
    expect(refused({ keyValues: [text(key, '')] })).toMatchObject({
      ...{ code: 'unwritable_output', message: expect.stringContaining('longer than 65535 bytes') },
    });
    expect(refused({ keyValues: [text(key.slice(1), '')] })).toBeNull();
  });

  test('a header of safetensors that is too long', () => {
    const texts = new Map([['k', 'x'.repeat(100_000_000)]]);
    const write = () => containerNamed('safetensors').layOut(contentsOf(layoutNamed('planes'), [], { texts }));
    expect(write).toThrow(
      /Cannot write out\.safetensors: its header would take \d+ bytes, over the limit of 100000000/,
    );
  });
});
