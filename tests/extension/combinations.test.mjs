/** Every codec of the table in every layout and every container, through the public API. */
import { rmSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { useFolder } from '../js/support/models/folder.mjs';
import { sameBytes } from '../js/support/weights.mjs';
import { kChoices, restored } from './support/codecs.mjs';
import { kMatrices, kModel, kTensors, weightsOf } from './support/models.mjs';
import { ArrowQuant, BLOCK_TYPES, CODECS, CONTAINERS, FILE_TYPES, LAYOUTS } from './support/package.mjs';
import { expectRefusal } from './support/refusals.mjs';

const folder = useFolder();
const namesOf = (list) => list.map(({ name }) => name);

test('the tables have the codec, the layout and the container that were added', () => {
  expect(namesOf(CODECS)).toContain('row_signs');
  expect(namesOf(LAYOUTS)).toEqual(['columns', 'planes', 'folders', 'plain']);
  expect(namesOf(CONTAINERS)).toEqual(['safetensors', 'gguf', 'arrow', 'crate']);
});

const kFloats = ['F32', 'F16', 'BF16'];
/** Types of tensors that no file of language models has for all of its own. */
const kNoneOfFiles = ['MXFP4', 'NVFP4'];
const isReadOnly = (codec) => !CODECS.find(({ name }) => name === codec).encodes;
const isBlocks = (codec) => BLOCK_TYPES.includes(codec);

const isNoneOfFiles = (codec, container) => container === 'gguf' && kNoneOfFiles.includes(codec);

/** Whether an output can hold the weights, by what is known of layouts and containers. */
function isHeld(codec, layout, container) {
  if (isReadOnly(codec) || isNoneOfFiles(codec, container)) return false;
  if (layout === 'columns' && container !== 'arrow') return false;
  if (kFloats.includes(codec)) return container !== 'arrow' || codec !== 'BF16';
  // One entry under the codec's name, or several of bytes and numbers.
  const isOne = isBlocks(codec) && layout !== 'folders';
  if (!isOne && layout === 'plain') return false;
  if (layout === 'columns') return codec === 'affine';
  // In a table, a tensor is one row.
  const isRow = CODECS.find(({ name }) => name === codec).planes.length === 1;
  return { safetensors: !isOne, gguf: isOne, arrow: !isOne && isRow, crate: true }[container];
}

/** Without importance, files have these with more effort only. */
const kWeighed = ['IQ1_S', 'IQ1_M', 'IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'IQ3_XXS'];
const effortOf = (codec) => (kWeighed.includes(codec) ? { effort: 'better' } : {});

/** With one type for everything that is quantized, where files have types, and rules of the model's family. */
function optionsFor({ name, options }, container) {
  const searched = { ...options, ...effortOf(name) };
  if (container !== 'gguf' || !(kFloats.includes(name) || isBlocks(name))) return searched;
  return { ...searched, architecture: 'none', ...(FILE_TYPES.includes(name) && { pure: true }) };
}

/** What a choice is in a file: types of files are called after tensors' types, of which they not always are. */
function labelIn({ name, label }, container) {
  const isTypeOfFiles = ({ fileTypes }) => fileTypes.some((type) => type.name === name);
  return (container === 'gguf' ? CODECS.find(isTypeOfFiles)?.name : undefined) ?? label;
}

const kForms = CONTAINERS.flatMap((container) => LAYOUTS.map((layout) => ({ container, layout })));

describe.each([{ backend: 'threads', threads: 2 }, { backend: 'workers', threads: 2 }, { backend: 'single' }])(
  'with the backend $backend',
  ({ backend, threads }) => {
    let quantizer;
    /** What each tensor comes back as, by codec: the same from all files. */
    const known = new Map();
    beforeAll(async () => {
      quantizer = await ArrowQuant.create({ mode: 'base', backend, ...(threads && { threads }) });
    });
    afterAll(() => quantizer.dispose());

    async function expected(tensor, label) {
      const key = `${label} ${tensor.name}`;
      if (!known.has(key)) known.set(key, await restored(quantizer, weightsOf(tensor), label, effortOf(label)));
      return known.get(key);
    }

    /** The tensors of a file are what its report says, and restore to what their codecs make of the weights. */
    async function checkFile(file, report) {
      const model = await quantizer.open(file);
      try {
        expect(namesOf(model.tensors)).toEqual(namesOf(report.tensors));
        for (const { name, to, shape } of report.tensors) {
          const tensor = kTensors.find((one) => one.name === name);
          expect(model.tensors.find((one) => one.name === name)).toMatchObject({ type: to, shape });
          if (tensor.dtype === 'I32') continue;
          const same = sameBytes(await model.read(name), await expected(tensor, to));
          expect({ name, to, same }).toEqual({ name, to, same: true });
        }
      } finally {
        await model.close();
      }
    }

    test.each(kForms)('$container.name, laid out as $layout.name', async ({ container, layout }) => {
      const source = folder.write('source.safetensors', kModel);
      for (const choice of kChoices) {
        const form = { container: container.name, layout: layout.name };
        const options = { ...optionsFor(choice, container.name), ...form };
        const output = folder.path(`output${container.extension}`);
        if (!isHeld(choice.name, layout.name, container.name)) {
          const why = isReadOnly(choice.name)
            ? /can be read, but not written/u
            : /cannot hold|needs an output whose name ends with|is none of whole files/u;
          await expectRefusal(quantizer.quantizeFile(source, output, options), why);
          await expectRefusal(quantizer.plan(source, options), why);
          expect(folder.list()).toEqual(['source.safetensors']);
          continue;
        }
        const plan = await quantizer.plan(source, options);
        const report = await quantizer.quantizeFile(source, output, options);
        expect(plan.output).toEqual({ ...form, files: 1, bytes: statSync(output).size });
        expect(plan.type).toBe(report.type);
        expect(report.totals.fileBytes).toBe(statSync(output).size);
        for (const { name } of kMatrices) {
          expect(report.tensors.find((one) => one.name === name)).toMatchObject({
            to: labelIn(choice, container.name),
          });
        }
        await checkFile(output, report);
        rmSync(output);
      }
    });
  },
);
