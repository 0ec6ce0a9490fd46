/** Arrow files out of conversions, and into them. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { WritableStream } from 'node:stream/web';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { tableFromIPC } from 'apache-arrow';
import { ArrowQuant } from 'arrowquant';
import { useFolder } from '../support/models/folder.mjs';
import {
  bfloatTensor,
  float32Tensor,
  floatsOf,
  fromFloats,
  halfTensor,
  modelFile,
  readModel,
} from '../support/models/safetensors.mjs';
import { sameBytes } from '../support/weights.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2, mode: 'base' });
});
afterAll(() => quantizer.dispose());

/** Whole and odd numbers of groups and bytes, several windows, kept tensors, one without weights. */
const kTensors = [
  halfTensor('big.weight', [1100, 1024], 1),
  float32Tensor('a.weight', [64, 256], 2),
  float32Tensor('odd.weight', [33, 31], 3),
  bfloatTensor('bf.weight', [35, 31], 4),
  float32Tensor('norm.weight', [7], 5),
  halfTensor('half.bias', [5], 6),
  bfloatTensor('bf.bias', [3], 7),
  { name: 'ids', dtype: 'I64', shape: [3], bytes: Buffer.alloc(24, 'ids') },
  float32Tensor('empty.weight', [0, 4], 8),
];
const kQuantized = kTensors.filter(({ name }) => /^(big|a|odd|bf)\.weight$/u.test(name));

const writeInput = (tensors = kTensors) => folder.write('in.safetensors', modelFile(tensors, { format: 'pt' }));
const readTable = (name) => tableFromIPC(readFileSync(folder.path(name)));
const rowsOf = (table) => new Map(table.toArray().map((row) => [row.layer_name, row]));
const plain = (list) => Array.from(list, Number);

function collecting() {
  const chunks = [];
  const stream = new WritableStream({
    write: async (chunk) => {
      chunks.push(Buffer.from(chunk));
      await new Promise((resolve) => setImmediate(resolve));
    },
  });
  return { stream, bytes: () => Buffer.concat(chunks) };
}

describe.each([{ bits: 4 }, { bits: 2, groupSize: 32, symmetric: true }, { bits: 8, groupSize: 256 }])(
  'affine levels in a table: %j',
  (options) => {
    test('are those of quantizeBatch, as apache-arrow reads them', async () => {
      await quantizer.quantizeFile(writeInput(), folder.path('q.arrow'), options);
      const { bits, ...precision } = options;
      const weights = new Map(kQuantized.map((one) => [one.name, { data: floatsOf(one), shape: one.shape }]));
      const batch = await quantizer.quantizeBatch(weights, bits, precision);
      const rows = rowsOf(readTable('q.arrow'));
      expect([...rows.keys()].sort()).toEqual(kTensors.map(({ name }) => name).sort());
      for (const { name, shape, dtype } of kQuantized) {
        const row = rows.get(name);
        const expected = batch.get(name);
        expect([name, sameBytes(row.quantized_data, expected.quantizedData)]).toEqual([name, true]);
        expect([name, sameBytes(row.scales.toArray(), expected.scales)]).toEqual([name, true]);
        expect([name, sameBytes(row.zero_points.toArray(), expected.zeroPoints)]).toEqual([name, true]);
        expect(plain(row.shape)).toEqual(shape);
        const groupSize = expected.groupSize === 'tensor' ? 0 : expected.groupSize;
        const { bit_width, group_size, symmetric, weights: own } = row;
        expect({ bit_width, group_size, symmetric, dtype: row.dtype, own }).toEqual({
          ...{ bit_width: bits, group_size: groupSize, symmetric: options.symmetric === true, dtype, own: null },
        });
      }
    });

    test('restore to what a safetensors of them does, and back in a table', async () => {
      const input = writeInput();
      await quantizer.quantizeFile(input, folder.path('q.safetensors'), options);
      const report = await quantizer.quantizeFile(input, folder.path('q.arrow'), options);
      expect(report.totals.fileBytes).toBe(statSync(folder.path('q.arrow')).size);
      await quantizer.dequantizeFile(folder.path('q.safetensors'), folder.path('one.safetensors'));
      await quantizer.dequantizeFile(folder.path('q.arrow'), folder.path('other.safetensors'));
      const [one, other] = ['one', 'other'].map((name) => readModel(readFileSync(folder.path(`${name}.safetensors`))));
      for (const [name, { dtype, shape, bytes }] of one.tensors) {
        // BF16 that is kept becomes F32 in a table, which has no such type.
        if (name === 'bf.bias') continue;
        const same = other.tensors.get(name);
        expect([name, same.dtype, same.shape, same.bytes.equals(bytes)]).toEqual([name, dtype, shape, true]);
      }
      expect(other.metadata).toEqual({ format: 'pt' });
      await quantizer.dequantizeFile(folder.path('q.arrow'), folder.path('floats.arrow'), { dtype: 'F32' });
      const rows = rowsOf(readTable('floats.arrow'));
      for (const { name } of kQuantized) {
        const read = await quantizer.readTensor(folder.path('q.arrow'), name);
        expect([name, sameBytes(rows.get(name).weights.toArray(), read)]).toEqual([name, true]);
      }
    });

    test('to a stream the same bytes as to a file', async () => {
      const input = writeInput();
      const { stream, bytes } = collecting();
      await quantizer.quantizeFile(input, stream, { ...options, container: 'arrow' });
      await quantizer.quantizeFile(input, folder.path('q.arrow'), options);
      expect(bytes().equals(readFileSync(folder.path('q.arrow')))).toBe(true);
    });
  },
);

test('floats and whole numbers go to a table and come back the same, byte for byte', async () => {
  const tensors = kTensors.filter(({ dtype }) => dtype !== 'BF16');
  const original = writeInput(tensors);
  // As our writer lays them out, which others need not.
  await quantizer.quantizeFile(original, folder.path('own.safetensors'), { type: 'F16', rules: [['', 'keep']] });
  const own = folder.path('own.safetensors');
  await quantizer.quantizeFile(own, folder.path('table.arrow'), { type: 'F16', rules: [['', 'keep']] });
  await quantizer.dequantizeFile(folder.path('table.arrow'), folder.path('back.safetensors'));
  expect(readFileSync(folder.path('back.safetensors')).equals(readFileSync(own))).toBe(true);
  const comparison = await quantizer.compareFiles(own, folder.path('table.arrow'));
  expect(comparison.tensors.every(({ equal }) => equal)).toBe(true);
});

test('a table of one type of floats has them in the column of weights', async () => {
  const halves = kTensors.filter(({ dtype }) => dtype === 'F16');
  await quantizer.quantizeFile(writeInput(halves), folder.path('h.arrow'), { type: 'F16' });
  const { fields } = readTable('h.arrow').schema;
  expect(fields.map(({ name, type }) => `${name} ${type}`)).toEqual([
    ...['layer_name Utf8', 'weights List<Float16>', 'shape List<Int64>'],
  ]);
});

test('columns are there for what there is, in the order of the documentation', async () => {
  await quantizer.quantizeFile(writeInput(), folder.path('q.arrow'), { bits: 4 });
  expect(readTable('q.arrow').schema.fields.map(({ name, type }) => `${name} ${type}`)).toEqual([
    ...['layer_name Utf8', 'weights List<Float32>', 'quantized_data Binary', 'scales List<Float32>'],
    ...['zero_points List<Uint8>', 'weights_f16 List<Float16>', 'weights_i64 List<Int64>', 'shape List<Int64>'],
    ...['bit_width Uint8', 'group_size Uint32', 'symmetric Bool', 'dtype Utf8'],
  ]);
});

test("what another table said of itself is not the new one's", async () => {
  const texts = { format: 'pt', pandas: '{"columns":[]}', 'ARROW:schema': 'AAAA', ARROW: 'kept' };
  const input = folder.write('in.safetensors', modelFile([float32Tensor('a', [4], 1)], texts));
  await quantizer.quantizeFile(input, folder.path('q.arrow'), { type: 'F32' });
  expect(Object.fromEntries(readTable('q.arrow').schema.metadata)).toEqual({ format: 'pt', ARROW: 'kept' });
});

test('bfloat16 is widened, exactly', async () => {
  await quantizer.quantizeFile(writeInput(), folder.path('q.arrow'), { bits: 4 });
  const bias = kTensors.find(({ name }) => name === 'bf.bias');
  const read = await quantizer.readTensor(folder.path('q.arrow'), 'bf.bias');
  expect([...read]).toEqual([...floatsOf(bias)]);
});

test('a table becomes a GGUF as safetensors of its weights do', async () => {
  const input = writeInput(kTensors.filter(({ name }) => /^(big|a)\.weight$/u.test(name)));
  const options = { type: 'Q8_0', architecture: 'none' };
  await quantizer.quantizeFile(input, folder.path('t.arrow'), { type: 'F16' });
  await quantizer.quantizeFile(input, folder.path('t.safetensors'), { type: 'F16' });
  await quantizer.quantizeFile(folder.path('t.arrow'), folder.path('one.gguf'), options);
  await quantizer.quantizeFile(folder.path('t.safetensors'), folder.path('other.gguf'), options);
  const { tensors } = await quantizer.compareFiles(folder.path('one.gguf'), folder.path('other.gguf'));
  expect(tensors.map(({ name, b, equal }) => [name, b, equal]).sort()).toEqual([
    ['a.weight', 'Q8_0', true],
    ['big.weight', 'Q8_0', true],
  ]);
});

describe('what a table cannot hold is refused before anything is written', () => {
  const refused = async (options, message, tensors = kTensors) => {
    const input = writeInput(tensors);
    await expect(quantizer.quantizeFile(input, folder.path('q.arrow'), options)).rejects.toThrow(message);
    expect(folder.list()).toEqual(['in.safetensors']);
  };

  test.each([
    [{ type: 'Q4_K_M' }, /Q4_K_M/u],
    [{ type: 'Q8_0' }, /type Q8_0 needs an output whose name ends with \.gguf/u],
    [{ type: 'BF16' }, /type BF16 needs an output whose name ends with \.safetensors or \.gguf/u],
    [{ bits: 4, layout: 'plain' }, /cannot hold/u],
    [{ bits: 4, layout: 'planes' }, /an Arrow file has a tensor in each row, and it would be 3 rows/u],
    [{ bits: 4, rules: [['a.weight', 'BF16']] }, /an Arrow file has no type BF16/u],
    [{ bits: 4, splitSize: 2 ** 20 }, /an Arrow file is never split, splitSize has no meaning/u],
  ])('%j', refused);

  test('elements of a type that Arrow does not have', async () => {
    const flags = { name: 'flags', dtype: 'BOOL', shape: [3], bytes: Buffer.from([1, 0, 1]) };
    await refused({ bits: 4 }, /an Arrow file cannot hold it, leave it out with the rule/u, [...kTensors, flags]);
  });

  test('columns in a file that is no table', async () => {
    const input = writeInput();
    const options = { bits: 4, layout: 'columns' };
    await expect(quantizer.quantizeFile(input, folder.path('q.safetensors'), options)).rejects.toThrow(
      /a safetensors file in the layout "columns" cannot hold "int4 tensor"/u,
    );
  });

  test('restored weights of a type that Arrow does not have', async () => {
    await quantizer.quantizeFile(writeInput(), folder.path('q.arrow'), { bits: 4 });
    const restoring = quantizer.dequantizeFile(folder.path('q.arrow'), folder.path('r.arrow'), { dtype: 'BF16' });
    await expect(restoring).rejects.toMatchObject({ code: 'invalid_option' });
    expect(folder.list()).toEqual(['in.safetensors', 'q.arrow']);
  });
});

describe('a failure in the middle leaves what was there', () => {
  /** A table of three batches, larger than what is read at a time. */
  async function writeTable() {
    const tensors = ['a', 'b', 'c'].map((name, index) => float32Tensor(`${name}.weight`, [1024, 1024], index + 1));
    await quantizer.quantizeFile(writeInput(tensors), folder.path('t.arrow'), { type: 'F32' });
    return readFileSync(folder.path('t.arrow'));
  }

  test('reading fails in the second batch', async () => {
    const blob = new Blob([await writeTable()]);
    const output = folder.write('q.arrow', 'before');
    const broken = {
      size: blob.size,
      slice: (begin, end) => (begin > 6_000_000 && begin < 9_000_000 ? lost : blob.slice(begin, end)),
    };
    const lost = { size: 1, arrayBuffer: () => Promise.reject(new Error('the disk is gone')) };
    await expect(quantizer.quantizeFile(broken, output, { bits: 4 })).rejects.toMatchObject({
      ...{ code: 'unreadable_input', message: expect.stringContaining('the disk is gone') },
    });
    expect(readFileSync(output, 'utf8')).toBe('before');
    expect(folder.list()).toEqual(['in.safetensors', 'q.arrow', 't.arrow']);
  });

  test('the table changes while it is read', async () => {
    const bytes = await writeTable();
    const output = folder.path('q.arrow');
    const options = {
      bits: 4,
      progress: () => writeFileSync(folder.path('t.arrow'), Buffer.concat([bytes, Buffer.from('more')])),
    };
    await expect(quantizer.quantizeFile(folder.path('t.arrow'), output, options)).rejects.toMatchObject({
      code: 'unreadable_input',
    });
    expect(folder.list()).toEqual(['in.safetensors', 't.arrow']);
  });

  test('a signal ends it', async () => {
    await writeTable();
    const controller = new AbortController();
    const options = { bits: 4, signal: controller.signal, progress: () => controller.abort() };
    const quantizing = quantizer.quantizeFile(folder.path('t.arrow'), folder.path('q.arrow'), options);
    await expect(quantizing).rejects.toMatchObject({ code: 'aborted' });
    expect(folder.list()).toEqual(['in.safetensors', 't.arrow']);
  });

  test('a stream that fails is told, and the next call works', async () => {
    const bytes = await writeTable();
    let taken = 0;
    const stream = new WritableStream({
      write: (chunk) => {
        taken += chunk.length;
        if (taken > 600_000) throw new Error('nobody listens');
      },
    });
    const options = { bits: 4, container: 'arrow' };
    await expect(quantizer.quantizeFile(new Blob([bytes]), stream, options)).rejects.toMatchObject({
      ...{ code: 'unwritable_output', message: expect.stringContaining('nobody listens') },
    });
    await expect(quantizer.quantizeFile(new Blob([bytes]), folder.path('q.arrow'), options)).resolves.toBeDefined();
  });

  test('a weight that is not finite names its tensor', async () => {
    const bad = fromFloats('bad.weight', 'F32', [2, 2], [1, NaN, 2, 3]);
    await quantizer.quantizeFile(writeInput([bad]), folder.path('t.arrow'), { type: 'F32', rules: [['', 'keep']] });
    const quantizing = quantizer.quantizeFile(folder.path('t.arrow'), folder.path('q.arrow'), { bits: 4 });
    await expect(quantizing).rejects.toMatchObject({ code: 'not_finite', layer: 'bad.weight' });
  });
});

test('a run that was ended goes on where it was', async () => {
  const tensors = ['a', 'b', 'c'].map((name, index) => float32Tensor(`${name}.weight`, [1024, 1024], index + 1));
  const input = writeInput(tensors);
  const controller = new AbortController();
  const options = { bits: 4, resume: true };
  const first = quantizer.quantizeFile(input, folder.path('q.arrow'), {
    ...{ ...options, signal: controller.signal, onTensor: () => controller.abort() },
  });
  await expect(first).rejects.toMatchObject({ code: 'aborted' });
  await quantizer.quantizeFile(input, folder.path('q.arrow'), options);
  await quantizer.quantizeFile(input, folder.path('whole.arrow'), { bits: 4 });
  expect(readFileSync(folder.path('q.arrow')).equals(readFileSync(folder.path('whole.arrow')))).toBe(true);
});
