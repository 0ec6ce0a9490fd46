/** What is not as it should be in files of the container, the layout and the codec that were added is found out. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { useFolder } from '../js/support/models/folder.mjs';
import { float32Tensor, modelFile } from '../js/support/models/safetensors.mjs';
import { ArrowQuant } from './support/package.mjs';

const folder = useFolder();
let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ mode: 'base', threads: 2 });
});
afterAll(() => quantizer.dispose());

const kLayer = 'x.weight';

/** A crate with one tensor in a folder, its table, and where its arrays begin. */
async function writeCrate() {
  const source = folder.write('source.safetensors', modelFile([float32Tensor(kLayer, [4, 64])]));
  const file = folder.path('whole.crate');
  await quantizer.quantizeFile(source, file, { type: 'row_signs', layout: 'folders' });
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(8));
  const table = JSON.parse(bytes.toString('utf8', 16, 16 + length));
  return { bytes, table, base: Math.ceil((16 + length) / 64) * 64 };
}

/** The file with another table. */
function withTable({ bytes, base }, table) {
  const text = Buffer.from(JSON.stringify(table));
  const header = Buffer.alloc(Math.ceil((16 + text.length) / 64) * 64);
  bytes.copy(header, 0, 0, 8);
  header.writeBigUInt64LE(BigInt(text.length), 8);
  text.copy(header, 16);
  return Buffer.concat([header, bytes.subarray(base)]);
}

const reading = (contents) => quantizer.readTensor(folder.write('damaged.crate', contents), kLayer);

test('a file that ends too early', async () => {
  const { bytes, base } = await writeCrate();
  for (const length of [9, 20, base - 64, base, bytes.length - 1]) {
    await expect(reading(bytes.subarray(0, length))).rejects.toMatchObject({ code: 'invalid_file' });
  }
});

test('a scale that no encoder writes', async () => {
  const { bytes, table, base } = await writeCrate();
  const { begin } = table.entries.find(({ name }) => name === `${kLayer}/scales`);
  for (const scale of [NaN, Infinity]) {
    const damaged = Buffer.from(bytes);
    damaged.writeFloatLE(scale, base + begin + 5 * 4);
    await expect(reading(damaged)).rejects.toMatchObject({ code: 'invalid_file', layer: kLayer });
  }
});

test('a plane that is missing, too short, or of another type', async () => {
  const crate = await writeCrate();
  const { texts, entries } = crate.table;
  const steps = entries.find(({ name }) => name === `${kLayer}/steps`);
  const others = entries.filter((entry) => entry !== steps);
  const withSteps = (changed) => withTable(crate, { texts, entries: [...others, { ...steps, ...changed }] });
  await expect(reading(withSteps({}))).resolves.toHaveLength(256);
  await expect(reading(withTable(crate, { texts, entries: others }))).rejects.toMatchObject({
    ...{ code: 'missing_tensor', layer: `${kLayer}/steps` },
  });
  for (const changed of [{ bytes: 4, shape: [4] }, { type: 'I8' }]) {
    await expect(reading(withSteps(changed))).rejects.toMatchObject({ code: 'invalid_file', layer: kLayer });
  }
});

test.each([
  ['an unknown codec', ['row_lines', 0, 0, false, 'F32', [4, 64]]],
  ['a parameter that the codec has not', ['row_signs', 4, 0, false, 'F32', [4, 64]]],
  ['a group size that the codec cannot have', ['affine', 4, 7, false, 'F32', [4, 64]]],
  ['rows of half a block', ['row_signs', 0, 0, false, 'F32', [16, 16]]],
  ['a shape of other rows', ['row_signs', 0, 0, false, 'F32', [5, 64]]],
])('metadata with %s', async (_, description) => {
  const crate = await writeCrate();
  const texts = { folders: JSON.stringify({ [kLayer]: description }) };
  const damaged = withTable(crate, { ...crate.table, texts });
  await expect(reading(damaged)).rejects.toMatchObject({ code: 'invalid_file', layer: kLayer });
});
