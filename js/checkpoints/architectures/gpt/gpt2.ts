import { byteLevel } from '../../tokenizer/vocabularies.js';
import { transposed } from '../../weights/operations.js';
import type { Architecture } from '../architecture.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { Block, modelBlock } from '../base/block.js';
import { output } from '../base/common.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import { countIn, Parameters, setFileType } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { sizesOf, type Sizes } from '../base/sizes.js';

/** A matrix and its biases, of `rows` by `columns` in the GGUF. */
type Matrix = (
  block: Block,
  made: string,
  part: string,
  [rows, columns]: readonly [rows: number, columns: number],
) => readonly Recipe[];

/** Weights whose rows are inputs. */
const turned: Matrix = (block, made, part, [rows, columns]) => [
  block.tensor(`${made}.weight`, `${part}.weight`, [columns, rows], { change: transposed }),
  block.tensor(`${made}.bias`, `${part}.bias`, [rows]),
];

const asItIs: Matrix = (block, made, part, shape) => block.matrix(made, part, shape, { bias: 'must' });

function layer(block: Block, { embedding, head, keyValueHeads }: Sizes, matrix: Matrix): readonly Recipe[] {
  const projected = embedding + 2 * keyValueHeads * head;
  return [
    ...block.matrix('attn_norm', 'ln_1', [embedding], { bias: 'must' }),
    ...matrix(block, 'attn_qkv', 'attn.c_attn', [projected, embedding]),
    ...matrix(block, 'attn_output', 'attn.c_proj', [embedding, embedding]),
    ...block.matrix('ffn_norm', 'ln_2', [embedding], { bias: 'must' }),
    ...matrix(block, 'ffn_up', 'mlp.c_fc', [4 * embedding, embedding]),
    ...matrix(block, 'ffn_down', 'mlp.c_proj', [embedding, 4 * embedding]),
  ];
}

const recipes = (context: number, sizes: Sizes, matrix: Matrix): readonly Recipe[] => [
  modelBlock.tensor('token_embd.weight', 'wte.weight', [sizes.vocabulary, sizes.embedding]),
  modelBlock.tensor('position_embd.weight', 'wpe.weight', [context, sizes.embedding]),
  ...modelBlock.matrix('output_norm', 'ln_f', [sizes.embedding], { bias: 'must' }),
  output(sizes, true),
  ...Array.from({ length: sizes.layers }, (_, index) =>
    layer(new Block(`blk.${index}.`, `h.${index}.`), sizes, matrix),
  ).flat(),
];

/** The masks that old checkpoints have as tensors, and which llama.cpp makes by itself. */
const MASKS = ['.attn.bias', '.attn.masked_bias'];

function keep(name: string): string | null {
  if (MASKS.some((mask) => name.endsWith(mask))) return null;
  return name.startsWith('transformer.') ? name.slice('transformer.'.length) : name;
}

const vocabulary = (pairs: KeyList, checkpoint: Checkpoint): Promise<void> =>
  firstVocabulary(pairs, checkpoint, byteLevel);

export const gpt2: Architecture = decoder({
  name: 'gpt2',
  epsilon: 'layer',
  classes: ['GPT2LMHeadModel'],
  keep,
  recipes: ({ hparams }, sizes) => recipes(countIn(hparams, 'n_ctx'), sizes, turned),
  parameters: (pairs, checkpoint) => {
    const { embedding, layers } = sizesOf(checkpoint);
    const parameters = new Parameters(pairs, 'gpt2', checkpoint.hparams);
    parameters.setCount('block_count', layers);
    parameters.count('context_length', 'n_ctx');
    parameters.count('embedding_length', 'n_embd');
    parameters.setCount('feed_forward_length', 4 * embedding);
    parameters.count('attention.head_count', 'n_head');
    parameters.float('attention.layer_norm_epsilon', 'layer_norm_epsilon');
    setFileType(pairs, checkpoint);
  },
  vocabulary,
});

/** One head of keys and values for all queries. */
export const starcoder: Architecture = decoder({
  name: 'starcoder',
  epsilon: 'layer',
  classes: ['GPTBigCodeForCausalLM'],
  keep,
  sizes: (checkpoint) => ({ ...sizesOf(checkpoint), keyValueHeads: 1 }),
  recipes: ({ hparams }, sizes) => recipes(countIn(hparams, 'n_positions'), sizes, asItIs),
  parameters: (pairs, checkpoint) => {
    const { embedding, layers } = sizesOf(checkpoint);
    const parameters = new Parameters(pairs, 'starcoder', checkpoint.hparams);
    parameters.count('context_length', 'n_positions');
    parameters.count('embedding_length', 'n_embd');
    parameters.setCount('feed_forward_length', 4 * embedding);
    parameters.setCount('block_count', layers);
    parameters.count('attention.head_count', 'n_head');
    parameters.setCount('attention.head_count_kv', 1);
    parameters.float('attention.layer_norm_epsilon', 'layer_norm_epsilon');
    setFileType(pairs, checkpoint);
  },
  vocabulary,
});
