/** Every family's tensors, and what becomes of each, beside what the programs that the files are for make of them. */
import { describe, expect, test } from '@jest/globals';
import { MODELS, tensorsIn } from '../../families/models/index.mjs';
import { isUnused } from '../../families/loaders/stable-diffusion-cpp.mjs';
import { ComfyUiRules } from '../../families/rules/comfyui-gguf.mjs';
import { isConverted, isSensitive } from '../../families/rules/stable-diffusion-cpp.mjs';
import { DIFFUSION_FAMILIES, planTypes } from '../support/internals.mjs';

const kDtypes = ['F32', 'F16', 'BF16', 'F8_E4M3'];
const kTypes = ['F16', 'Q8_0', 'Q4_0', 'Q2_K', 'Q3_K_M', 'Q4_K_S', 'Q4_K_M', 'Q5_K_M', 'Q6_K'];

const described = (model, dtype) =>
  tensorsIn(model).map(({ name, shape, elements, isInteger }) => ({
    ...{ name, shape, elements, dtype: isInteger ? 'I64' : dtype },
    // GGUF has no type for it.
    ...(dtype.startsWith('F8_') && !isInteger && { keptAs: 'F16' }),
  }));

const planOf = (model, dtype = 'BF16', target = 'Q4_K_M', program = 'comfyui') =>
  planTypes({ tensors: described(model, dtype), target, program, hasFinalNames: false });

const named = (models) => models.map((model) => [model.name, model]);
const opened = MODELS.filter(({ comfyui }) => comfyui !== null);
const refused = MODELS.filter(({ comfyui }) => comfyui === null);

/** What its own converter would quantize, and should not. */
const kFragile =
  /norm|(?:^|\.)ln_|time_|timestep|adaln_single|patchify|(?:^|[._])proj_out\.weight$|(?:img|cap|nerf_image)_embedder|head\.head|t_embed|tmlp|tproj|pool|logit|final_linear|relative_attention_bias/u;

describe.each(named(opened))('%s', (_, model) => {
  const part = model.part ?? model.prefix;
  const isPart = (name) => name.startsWith(part) && !model.leftOut.some((one) => name.includes(one));

  test.each(kDtypes.flatMap((dtype) => kTypes.map((type) => [dtype, type])))('of %s becomes %s', (dtype, target) => {
    const tensors = described(model, dtype);
    const { decisions } = planOf(model, dtype, target);
    const rules = new ComfyUiRules(model, target);
    const expected = tensors.map((tensor) => {
      if (!isPart(tensor.name)) return `${tensor.name}: none`;
      const bare = { ...tensor, name: tensor.name.slice(part.length) };
      const type = tensor.dtype === 'I64' ? 'I64' : rules.typeOf(bare, dtype);
      const { stored, original } = rules.formOf(bare);
      return `${tensor.name}: ${type} ${bare.name} [${stored.join()}] ${original?.join() ?? ''}`;
    });
    const found = decisions.map((decision, index) => {
      const { name, dtype: kept } = tensors[index];
      if (decision.kind === 'drop') return `${name}: none`;
      const { outputName, outputShape, keyValues } = decision;
      const type = decision.kind === 'keep' ? kept : decision.type;
      return `${name}: ${type} ${outputName} [${outputShape.join()}] ${keyValues[0]?.values.join() ?? ''}`;
    });
    expect(found).toEqual(expected);
  });

  test('is known, and the report says which programs open it', () => {
    const { architecture, notes, opensIn, notIn } = planOf(model);
    expect(architecture).toBe(model.comfyui);
    const isSaid = notes.includes(`The model is ${model.family}.`);
    expect(isSaid).toBe(model.family !== model.comfyui);
    // A U-Net for ComfyUI has its convolutions in another shape.
    const isForBoth = model.sdcpp && model.comfyui !== 'sd1' && model.comfyui !== 'sdxl';
    expect(opensIn).toEqual(isForBoth ? ['ComfyUI-GGUF', 'stable-diffusion.cpp'] : ['ComfyUI-GGUF']);
    expect(notIn).toEqual(isForBoth ? [] : ['stable-diffusion.cpp']);
  });
});

test.each(named(refused))('%s is refused, with what to do', (_, model) => {
  expect(() => planOf(model)).toThrow(expect.objectContaining({ code: 'unsupported_model' }));
  expect(() => planOf(model)).toThrow(/stable-diffusion\.cpp|none|convert_hf_to_gguf|original layout/u);
});

describe('by general rules, what leads in and out stays floats', () => {
  test.each(named(MODELS.filter((model) => tensorsIn(model).some(({ name }) => isSensitive(model, name)))))(
    'in %s',
    (_, model) => {
      const tensors = described(model, 'BF16');
      const request = { tensors, target: 'Q4_K_M', hasFinalNames: false, architecture: 'none' };
      const { decisions, opensIn } = planTypes(request);
      expect(opensIn).toEqual([]);
      const wrong = tensors.filter(
        ({ name }, index) => isSensitive(model, name) && decisions[index].kind === 'convert',
      );
      expect(wrong).toEqual([]);
      expect(decisions.some(({ kind }) => kind === 'convert')).toBe(true);
    },
  );
});

test('every family has a model here', () => {
  const tried = new Set(MODELS.map(({ family }) => family));
  expect(DIFFUSION_FAMILIES.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([]);
});

/** Prefixes that checkpoints are found with, one and two of them. */
test.each([
  'model.diffusion_model.',
  'diffusion_model.',
  'model.',
  'net.',
  'transformer.',
  'unet.',
  'model.diffusion_model.model.diffusion_model.',
])('every family is known after %s', (prefix) => {
  const found = opened
    .filter(({ part }) => part === undefined)
    .map((model) => {
      const other = { ...model, prefix };
      const { architecture, decisions } = planOf(other);
      const kept = decisions.filter(({ kind }) => kind !== 'drop').map(({ outputName }) => outputName);
      return [model.name, architecture, kept.filter((name) => name.startsWith(prefix))];
    });
  const isWhole = ({ part }) => part === undefined;
  expect(found).toEqual(opened.filter(isWhole).map(({ name, comfyui }) => [name, comfyui, []]));
});

describe('stable-diffusion.cpp', () => {
  describe.each(named(MODELS.filter(({ sdcpp }) => sdcpp)))('%s', (_, model) => {
    test.each(['Q8_0', 'Q4_0', 'Q4_K_M', 'F16'])('becomes %s where its own converter has it so', (target) => {
      const tensors = described(model, 'BF16');
      const { decisions, opensIn } = planOf(model, 'BF16', target, 'sd.cpp');
      expect(opensIn).toContain('stable-diffusion.cpp');
      const wrong = decisions.flatMap((decision, index) => {
        const tensor = tensors[index];
        const { name, shape } = tensor;
        if (isUnused(name)) return decision.kind === 'drop' ? [] : [`${name} is there`];
        if (decision.kind === 'drop') return [`${name} is missing`];
        const isBlocks = decision.kind === 'convert' && /^I?Q/u.test(decision.type);
        const isOwn = isConverted(tensor, 32) && !isSensitive(model, name);
        if (isBlocks && !isOwn) return [`${name} is quantized`];
        const isMatrix = shape.length === 2 && shape.every((extent) => extent >= 32) && name.endsWith('weight');
        if (target === 'F16' || isBlocks || !isOwn || !isMatrix || kFragile.test(name)) return [];
        return [`${name} is not quantized: ${decision.rule}`];
      });
      expect(wrong).toEqual([]);
    });
  });

  test('what leads in and out of the models is there', () => {
    const families = MODELS.filter(({ sdcpp, kind, comfyui }) => sdcpp && kind === 'diffusion' && comfyui !== null);
    const newer = ['krea2', 'hidream_o1', 'ernie_image', 'ltx2', 'z_image', 'anima'];
    const found = [...families, ...refused].filter((model) => newer.includes(model.family));
    const without = found.filter((model) => !tensorsIn(model).some(({ name }) => isSensitive(model, name)));
    expect(new Set(found.map(({ family }) => family)).size).toBe(newer.length);
    expect(without).toEqual([]);
  });

  test.each(named(MODELS.filter(({ sdcpp }) => !sdcpp)))('does not open %s', (_, model) => {
    const refusal = expect.objectContaining({ code: 'unsupported_model' });
    expect(() => planOf(model, 'BF16', 'Q8_0', 'sd.cpp')).toThrow(refusal);
  });
});
