import { isObject } from '../../../formats/folder/json.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { byteLevel } from '../../tokenizer/vocabularies.js';
import { reshaped, rows, stacked, transposed } from '../../weights/operations.js';
import type { Weight } from '../../weights/weight.js';
import type { Architecture } from '../architecture.js';
import type { Block } from '../base/block.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import { Parameters, setBaseParameters } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { expertsOf } from '../base/sizes.js';
import { only } from '../base/split.js';
import {
  expertRows,
  qwen2Recipes,
  qwen3MixtureRecipes,
  qwen3Recipes,
  qwenVocabulary,
  setMixtureParameters,
  setQwen3Parameters,
} from './qwen.js';

/** The text part of models that see: positions have sections for time, height and width, without which llama.cpp opens none. */
function checkSections({ rope }: Checkpoint): void {
  if (!rope.has('mrope_section')) throw rope.wrong(['mrope_section'], 'there for models that see');
}

const keep = (name: string): string => name.replaceAll('thinker.', '');

export const qwen2Vision: Architecture = decoder({
  name: 'qwen2vl',
  epsilon: 'rms',
  classes: ['Qwen2VLForConditionalGeneration', 'Qwen2VLModel', 'Qwen2_5_VLForConditionalGeneration'],
  keep,
  recipes: qwen2Recipes,
  parameters: (pairs, checkpoint) => {
    checkSections(checkpoint);
    setBaseParameters(pairs, checkpoint, 'qwen2vl');
  },
  vocabulary: qwenVocabulary,
});

/** The layers that states of the seeing part are added behind. */
function setDeepLayers(pairs: KeyList, checkpoint: Checkpoint, name: string): void {
  const { hparams } = checkpoint;
  checkSections(checkpoint);
  const vision = hparams.find('vision_config');
  const layers = isObject(vision) ? vision.get('deepstack_visual_indexes') : undefined;
  new Parameters(pairs, name, hparams).setCount('n_deepstack_layers', Array.isArray(layers) ? layers.length : 0);
}

export const qwen3Vision: Architecture = decoder({
  name: 'qwen3vl',
  epsilon: 'rms',
  classes: ['Qwen3VLForConditionalGeneration'],
  keep,
  recipes: qwen3Recipes,
  parameters: async (pairs, checkpoint) => {
    await setQwen3Parameters(pairs, checkpoint, 'qwen3vl');
    setDeepLayers(pairs, checkpoint, 'qwen3vl');
  },
  vocabulary: qwenVocabulary,
});

/** Each matrix of a stack with rows and columns exchanged, and of that the rows `begin` up to `end`. */
function turnedRows(stack: Weight, begin: number, end: number, name: string): Weight {
  const [count = 0, height = 0, width = 0] = stack.shape;
  const matrices = Array.from({ length: count }, (_, index) =>
    rows(transposed(reshaped(rows(stack, index, index + 1), [height, width])), begin, end),
  );
  return stacked(matrices, name);
}

/** The experts of a layer, stacked, with inputs as rows. */
function turnedExperts(block: Block, checkpoint: Checkpoint, embedding: number): readonly Recipe[] {
  const experts = expertsOf(checkpoint);
  const height = expertRows(checkpoint);
  const turned = (made: string, begin: number, end: number) => ({
    name: block.made(`${made}.weight`),
    make: ([weight]: readonly Weight[]) => turnedRows(only(weight), begin, end, block.made(made)),
  });
  return [
    {
      parts: [{ name: block.part('mlp.experts.down_proj'), shape: [experts, height, embedding] }],
      products: [turned('ffn_down_exps', 0, embedding)],
    },
    {
      parts: [{ name: block.part('mlp.experts.gate_up_proj'), shape: [experts, embedding, 2 * height] }],
      products: [turned('ffn_gate_exps', 0, height), turned('ffn_up_exps', height, 2 * height)],
    },
  ];
}

export const qwen3VisionMixture: Architecture = decoder({
  name: 'qwen3vlmoe',
  epsilon: 'rms',
  classes: ['Qwen3VLMoeForConditionalGeneration'],
  keep,
  recipes: (checkpoint, sizes) =>
    qwen3MixtureRecipes(checkpoint, sizes, (block) => turnedExperts(block, checkpoint, sizes.embedding)),
  parameters: (pairs, checkpoint) => {
    setMixtureParameters(pairs, checkpoint, 'qwen3vlmoe');
    setDeepLayers(pairs, checkpoint, 'qwen3vlmoe');
  },
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, byteLevel),
});
