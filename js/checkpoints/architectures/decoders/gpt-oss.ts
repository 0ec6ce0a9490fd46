import { invalidFile, quoted } from '../../../containers/invalid-file.js';
import { fileBytes, sourceOf, type StoredPlane, type Tensor } from '../../../layouts/tensor.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { byteLevel } from '../../tokenizer/vocabularies.js';
import { everyOther, everyOtherOf, type Parity } from '../../weights/every-other.js';
import { MXFP4_CODES, MXFP4_WEIGHTS, mxfp4Tensor } from '../../weights/mxfp4.js';
import { reshaped, rows, stacked, transposed } from '../../weights/operations.js';
import type { Weight } from '../../weights/weight.js';
import type { Architecture } from '../architecture.js';
import { allLayers, layerBlock, type Block } from '../base/block.js';
import { attention, outerTensors } from '../base/common.js';
import { decoder, firstVocabulary, inModel } from '../base/decoder.js';
import { Parameters, setBaseParameters } from '../base/parameters.js';
import { keptName } from '../base/names.js';
import type { Recipe } from '../base/recipes.js';
import { expertsOf, feedForwardOf, sizesOf, type Sizes } from '../base/sizes.js';
import { only } from '../base/split.js';

const EXPERTS = 'mlp.experts.';
const CODES = '_blocks';
const EXPONENTS = '_scales';

/** The matrices of experts in a checkpoint: of gate and up, rows alternate. */
const MATRICES = [
  { part: 'down_proj', made: ['ffn_down_exps'] },
  { part: 'gate_up_proj', made: ['ffn_gate_exps', 'ffn_up_exps'] },
] as const;

type Matrix = (typeof MATRICES)[number];

/** Of one expert's matrix: rows, columns. */
const sizeOf = ({ made }: Matrix, checkpoint: Checkpoint, { embedding }: Sizes): readonly [number, number] =>
  made.length === 1 ? [embedding, feedForwardOf(checkpoint)] : [2 * feedForwardOf(checkpoint), embedding];

/** All tensors as they are stored, by the names that their places have. */
const storedByPlace = ({ stored }: Checkpoint): ReadonlyMap<string, Tensor> =>
  new Map(
    stored.flatMap((tensor) => {
      const name = keptName(tensor.name);
      return name === null ? [] : [[inModel(name), tensor] as const];
    }),
  );

/** Whether a tensor has codes or exponents, which are read as they are stored. */
function isPartOfFinished(name: string, checkpoint: Checkpoint): boolean {
  const [, layer] = /^model\.layers\.(\d+)\.mlp\.experts\.(?:down|gate_up)_proj_(?:blocks|scales)$/u.exec(name) ?? [];
  return layer !== undefined && Number(layer) < sizesOf(checkpoint).layers;
}

/** Experts that are MXFP4 already: they become ggml's blocks, and stand before all other tensors. */
function finishedExperts(checkpoint: Checkpoint, sizes: Sizes): readonly Tensor[] {
  const tensors = storedByPlace(checkpoint);
  const places = new Map(
    Array.from({ length: sizes.layers }, (_, layer) => layerBlock(layer)).flatMap((block) =>
      MATRICES.map((matrix) => [block.part(EXPERTS + matrix.part), { block, matrix }] as const),
    ),
  );
  return [...tensors].flatMap(([name, exponents]) => {
    const place = name.endsWith(EXPONENTS) ? places.get(name.slice(0, -EXPONENTS.length)) : undefined;
    if (place === undefined) return [];
    const codesName = name.slice(0, -EXPONENTS.length) + CODES;
    const codes = tensors.get(codesName);
    if (codes === undefined) throw isMissing(exponents, codesName);
    const { block, matrix } = place;
    return finished(block, matrix, [codes, exponents], [expertsOf(checkpoint), ...sizeOf(matrix, checkpoint, sizes)]);
  });
}

const isMissing = (other: Tensor, name: string): Error =>
  invalidFile(sourceOf(other), `there is no tensor ${quoted(name)} beside ${quoted(other.name)}`, {
    layer: other.name,
  });

/** The tensors that become of one of experts' matrices, of `experts` times `height` rows. */
function finished(
  block: Block,
  { made }: Matrix,
  stored: readonly [codes: Tensor, exponents: Tensor],
  [experts, height, width]: readonly [number, number, number],
): readonly Tensor[] {
  const [codes, exponents] = stored;
  const blocks = width / MXFP4_WEIGHTS;
  const parts = [bytesOf(codes, [experts, height, blocks, MXFP4_CODES]), bytesOf(exponents, [experts, height, blocks])];
  const names = stored.map(({ name }) => name);
  const bytes = stored.reduce((sum, tensor) => sum + fileBytes(tensor), 0);
  const all = experts * height;
  return made.map((name, index) => {
    const [ofCodes = [], ofExponents = []] = parts.map((plane, part) =>
      made.length === 1
        ? plane
        : everyOtherOf(plane, part === 0 ? blocks * MXFP4_CODES : blocks, all / 2, index as Parity),
    );
    return mxfp4Tensor(block.made(`${name}.weight`), [experts, height / made.length, width], {
      ...{ codes: ofCodes, exponents: ofExponents, names, fileBytes: bytes / made.length },
    });
  });
}

/** Where bytes of that shape lie. Throws `invalid_file` where they are others. */
function bytesOf(tensor: Tensor, shape: readonly number[]): StoredPlane {
  const { name, dtype, planes } = tensor;
  const isIt =
    dtype === 'U8' && tensor.shape.length === shape.length && shape.every((size, at) => size === tensor.shape[at]);
  const [plane] = planes;
  if (isIt && plane !== undefined && planes.length === 1) return plane;
  const detail = `${quoted(name)} is ${dtype} of the shape [${tensor.shape.join(', ')}], where config.json asks for U8 of [${shape.join(', ')}]`;
  throw invalidFile(sourceOf(tensor), detail, { layer: name });
}

/** Each matrix of a stack with rows and columns exchanged. */
function eachTransposed(weight: Weight, change: (matrix: Weight) => Weight): Weight {
  const [count = 0, height = 0, width = 0] = weight.shape;
  const matrices = Array.from({ length: count }, (_, index) =>
    change(transposed(reshaped(rows(weight, index, index + 1), [height, width]))),
  );
  return stacked(matrices, weight.name);
}

/** Experts that are floats: those of a layer are stacked, and each has its inputs as rows. */
function floatExperts(
  block: Block,
  matrix: Matrix,
  experts: number,
  [height, width]: readonly [number, number],
): Recipe {
  const { made, part } = matrix;
  return {
    parts: [{ name: block.part(EXPERTS + part), shape: [experts, width, height] }],
    products: made.map((name, index) => ({
      name: block.made(`${name}.weight`),
      make: ([weight]) =>
        eachTransposed(only(weight), (one) => (made.length === 1 ? one : everyOther(one, index as Parity))),
    })),
  };
}

/** The biases of experts. */
function expertBiases(block: Block, { made, part }: Matrix, experts: number, height: number): Recipe {
  const share = height / made.length;
  return {
    parts: [{ name: block.part(`${EXPERTS}${part}_bias`), shape: [experts, height] }],
    products: made.map((name, index) => ({
      name: block.made(`${name}.bias`),
      make: ([weight]) =>
        made.length === 1
          ? only(weight)
          : reshaped(everyOther(reshaped(only(weight), [experts * height]), index as Parity), [experts, share]),
    })),
  };
}

function recipes(checkpoint: Checkpoint, sizes: Sizes): readonly Recipe[] {
  const { embedding, heads } = sizes;
  const experts = expertsOf(checkpoint);
  const tensors = storedByPlace(checkpoint);
  return [
    ...outerTensors(sizes, { isOutputNeeded: true }),
    ...allLayers(sizes, (block) => [
      ...block.matrix('attn_norm', 'input_layernorm', [embedding]),
      ...block.matrix('post_attention_norm', 'post_attention_layernorm', [embedding]),
      ...attention(block, sizes, { bias: 'may', outputBias: 'must' }),
      block.tensor('attn_sinks.weight', 'self_attn.sinks', [heads]),
      ...block.matrix('ffn_gate_inp', 'mlp.router', [experts, embedding], { bias: 'must' }),
      ...MATRICES.flatMap((matrix) => {
        const size = sizeOf(matrix, checkpoint, sizes);
        const biases = expertBiases(block, matrix, experts, size[0]);
        const isFinished = tensors.has(block.part(EXPERTS + matrix.part + EXPONENTS));
        return isFinished ? [biases] : [biases, floatExperts(block, matrix, experts, size)];
      }),
    ]),
  ];
}

function setParameters(pairs: KeyList, checkpoint: Checkpoint): void {
  setBaseParameters(pairs, checkpoint, 'gpt-oss');
  const parameters = new Parameters(pairs, 'gpt-oss', checkpoint.hparams);
  parameters.count('attention.sliding_window', 'sliding_window');
  parameters.count('expert_feed_forward_length', 'intermediate_size');
}

/** Mixtures whose experts are MXFP4 in the checkpoint, and stay that. */
export const gptOss: Architecture = decoder({
  name: 'gpt-oss',
  epsilon: 'rms',
  classes: ['GptOssForCausalLM'],
  ownMethod: 'mxfp4',
  keep: (name, checkpoint) => (isPartOfFinished(name, checkpoint) ? null : name),
  generated: finishedExperts,
  recipes,
  parameters: setParameters,
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, byteLevel),
});
