import { byteLevel } from '../../tokenizer/vocabularies.js';
import { transposed } from '../../weights/operations.js';
import type { Architecture } from '../architecture.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';
import { Block } from '../base/block.js';
import { decoder, firstVocabulary } from '../base/decoder.js';
import { countIn, Parameters, setFileType } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { sizesOf, type Sizes } from '../base/sizes.js';

/** Weights whose rows are inputs. */
function turned(
  block: Block,
  made: string,
  part: string,
  [rows, columns]: readonly [number, number],
): readonly Recipe[] {
  return [
    block.tensor(`${made}.weight`, `${part}.weight`, [columns, rows], { change: transposed }),
    block.tensor(`${made}.bias`, `${part}.bias`, [rows]),
  ];
}

function layer(block: Block, { embedding }: Sizes): readonly Recipe[] {
  return [
    ...block.matrix('attn_norm', 'ln_1', [embedding], { bias: 'must' }),
    ...turned(block, 'attn_qkv', 'attn.c_attn', [3 * embedding, embedding]),
    ...turned(block, 'attn_output', 'attn.c_proj', [embedding, embedding]),
    ...block.matrix('ffn_norm', 'ln_2', [embedding], { bias: 'must' }),
    ...turned(block, 'ffn_up', 'mlp.c_fc', [4 * embedding, embedding]),
    ...turned(block, 'ffn_down', 'mlp.c_proj', [embedding, 4 * embedding]),
  ];
}

function recipes({ hparams }: Checkpoint, sizes: Sizes): readonly Recipe[] {
  const { embedding, layers, vocabulary } = sizes;
  const model = new Block('', '');
  return [
    model.tensor('token_embd.weight', 'wte.weight', [vocabulary, embedding]),
    model.tensor('position_embd.weight', 'wpe.weight', [countIn(hparams, 'n_ctx'), embedding]),
    ...model.matrix('output_norm', 'ln_f', [embedding], { bias: 'must' }),
    model.tensor('output.weight', 'lm_head.weight', [vocabulary, embedding], { optional: true }),
    ...Array.from({ length: layers }, (_, index) => layer(new Block(`blk.${index}.`, `h.${index}.`), sizes)).flat(),
  ];
}

/** The masks that old checkpoints have as tensors, and which llama.cpp makes by itself. */
const MASKS = ['.attn.bias', '.attn.masked_bias'];

function keep(name: string): string | null {
  if (MASKS.some((mask) => name.endsWith(mask))) return null;
  return name.startsWith('transformer.') ? name.slice('transformer.'.length) : name;
}

function setParameters(pairs: KeyList, checkpoint: Checkpoint): void {
  const { embedding, layers } = sizesOf(checkpoint);
  const parameters = new Parameters(pairs, 'gpt2', checkpoint.hparams);
  parameters.setCount('block_count', layers);
  parameters.count('context_length', 'n_ctx');
  parameters.count('embedding_length', 'n_embd');
  parameters.setCount('feed_forward_length', 4 * embedding);
  parameters.count('attention.head_count', 'n_head');
  parameters.float('attention.layer_norm_epsilon', 'layer_norm_epsilon');
  setFileType(pairs, checkpoint);
}

export const gpt2: Architecture = decoder({
  name: 'gpt2',
  classes: ['GPT2LMHeadModel'],
  keep,
  recipes,
  parameters: setParameters,
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, byteLevel),
});
