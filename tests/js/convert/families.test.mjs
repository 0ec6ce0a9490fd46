/** Files of every family, in every type and from every type, and whether the programs that they are for open them. */
import { Buffer } from 'node:buffer';
import { WritableStream } from 'node:stream/web';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ArrowQuant } from 'arrowquant';
import { fileOf, ggufOf } from '../../families/files.mjs';
import { detectInComfyUi, openInComfyUi } from '../../families/loaders/comfyui-gguf.mjs';
import { isUnused, openInStableDiffusionCpp } from '../../families/loaders/stable-diffusion-cpp.mjs';
import { MODELS, narrowed, proportionate, tensorsIn } from '../../families/models/index.mjs';

const kDtypes = ['F32', 'F16', 'BF16', 'F8_E4M3'];
const kTypes = ['F16', 'BF16', 'Q8_0', 'Q4_0', 'Q2_K', 'Q3_K_M', 'Q4_K_M', 'Q5_K_M'];

let quantizer;
beforeAll(async () => {
  quantizer = await ArrowQuant.create({ threads: 2 });
});
afterAll(() => quantizer.dispose());

async function convert(bytes, options) {
  const chunks = [];
  const stream = new WritableStream({ write: (chunk) => void chunks.push(Buffer.from(chunk)) });
  await quantizer.quantizeFile(bytes, stream, { container: 'gguf', ...options });
  return Buffer.concat(chunks);
}

/** The diffusion model's tensors by the names that ComfyUI knows. */
function expectedOf(model) {
  const part = model.part ?? model.prefix;
  return narrowed(model)
    .filter(({ name }) => name.startsWith(part) && !model.leftOut.some((one) => name.includes(one)))
    .map(({ name, shape }) => ({ name: name.slice(part.length), shape }));
}

const opened = MODELS.filter(({ comfyui }) => comfyui !== null);

const tensorCount = (model) => tensorsIn(model).length;

/** Every type from every type for the smallest model of a family; for the others of it, each type from one. */
function pairsFor(model, models) {
  const family = models.filter((other) => other.family === model.family);
  const isSmallest = family.every((other) => tensorCount(model) <= tensorCount(other));
  return kDtypes.map((dtype, index) => [dtype, kTypes.filter((_, at) => isSmallest || at % kDtypes.length === index)]);
}

describe('ComfyUI-GGUF opens', () => {
  test.each(opened.map((model) => [model.name, model]))('%s, of every type', async (_, model) => {
    const expected = expectedOf(model);
    const before = detectInComfyUi(new Map(expected.map(({ name, shape }) => [name, shape])));
    expect(before).not.toBeNull();
    const config = model.metadata?.config;
    // A U-Net for ComfyUI has its convolutions in another shape.
    const isForBoth = model.sdcpp && model.comfyui !== 'sd1' && model.comfyui !== 'sdxl';
    for (const [dtype, types] of pairsFor(model, opened)) {
      const source = fileOf(model, dtype);
      for (const type of types) {
        const file = await convert(source, { type });
        const found = { dtype, type, ...openInComfyUi(file, { expected, plain: model.plain }) };
        expect(found).toEqual({ dtype, type, architecture: model.comfyui, model: before, config });
        if (isForBoth) openInStableDiffusionCpp(file, { expected, isWhole: false });
      }
    }
  });
});

describe('ComfyUI-GGUF opens what is made of', () => {
  test.each(MODELS.filter(({ original }) => original !== undefined).map((model) => [model.name, model]))(
    '%s, in the original layout',
    async (_, model) => {
      const original = MODELS.find(({ name }) => name === model.original);
      const expected = proportionate(original).map(({ name, shape }) => ({
        ...{ name: name.slice(original.prefix.length), shape },
      }));
      for (const dtype of kDtypes) {
        const file = await convert(fileOf(model, dtype, proportionate(model)), { type: 'Q4_K_M' });
        const { architecture } = openInComfyUi(file, { expected, plain: original.plain });
        expect([dtype, architecture]).toEqual([dtype, original.comfyui]);
        if (original.sdcpp) openInStableDiffusionCpp(file, { expected, isWhole: false });
      }
    },
  );
});

/** What other programs write: their own word for all, or none; names as in checkpoints; BF16 where it does not load. */
describe('ComfyUI-GGUF opens what is made of a GGUF of', () => {
  const models = opened.filter(({ part, integers }) => part === undefined && integers.length === 0);

  test.each(models.map((model, index) => [model.name, ['pig', 'cow', undefined][index % 3], model]))(
    '%s with the architecture %s',
    async (_, architecture, model) => {
      const expected = expectedOf(model);
      for (const dtype of ['BF16', 'F16']) {
        const source = ggufOf({ ...model, prefix: `model.diffusion_model.` }, dtype, architecture);
        const file = await convert(source, { type: 'Q4_K_M' });
        const found = { dtype, ...openInComfyUi(file, { expected, plain: model.plain }) };
        expect(found).toMatchObject({ dtype, architecture: model.comfyui });
      }
    },
  );
});

describe('stable-diffusion.cpp opens', () => {
  const models = MODELS.filter(({ sdcpp }) => sdcpp);
  const isTransformer = ({ part, kind, family }) =>
    part === undefined && kind === 'diffusion' && family !== 'hidream_o1';

  test.each(models.map((model) => [model.name, model]))('%s, of every type', async (_, model) => {
    const isWhole = model.part !== undefined || model.kind !== 'diffusion' || model.family === 'hidream_o1';
    const expected = narrowed(model)
      .filter(({ name }) => !isUnused(name))
      // Where ComfyUI's files begin with what it does not know, they begin as it has them.
      .map(({ name, shape }) => ({ name: isWhole ? name : name.slice(model.prefix.length), shape }));
    for (const [dtype, types] of pairsFor(model, models)) {
      const source = fileOf(model, dtype);
      for (const type of types) {
        const file = await convert(source, { type, for: 'sd.cpp' });
        const { version, types: found } = openInStableDiffusionCpp(file, { expected, isWhole });
        expect([dtype, type, version]).toEqual([dtype, type, expect.any(String)]);
        expect([...found].filter(([, one]) => one === 'I64' || one === 'F64')).toEqual([]);
        expect(found.size).toBe(expected.length);
      }
    }
  });

  test.each(models.filter(isTransformer).map((model) => [model.name, model]))(
    'what is made of a GGUF of %s',
    async (_, model) => {
      const file = await convert(ggufOf(model, 'BF16', model.comfyui ?? undefined), { type: 'Q8_0', for: 'sd.cpp' });
      const expected = narrowed(model).map(({ name, shape }) => ({ name: name.slice(model.prefix.length), shape }));
      expect(openInStableDiffusionCpp(file, { expected, isWhole: false }).version).not.toBeNull();
    },
  );
});
