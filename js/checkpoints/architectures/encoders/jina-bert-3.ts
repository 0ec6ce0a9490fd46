import { unigram } from '../../tokenizer/vocabularies.js';
import type { Hparams } from '../../config/hparams.js';
import type { Architecture } from '../architecture.js';
import type { Block } from '../base/block.js';
import { firstVocabulary } from '../base/decoder.js';
import { floatIn, LAYER_NORM_EPSILON } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { feedForwardOf, type Sizes } from '../base/sizes.js';
import { bertName, tokenTypes } from './bert.js';
import { aroundLayers, encoder, layersOf, setEncoderParameters } from './encoder.js';
import { setContext } from './positions.js';

const NAME = 'jina-bert-v3';

/** What adapts the model to tasks. */
const ADAPTATIONS = 'lora_adaptations';

export function isJina3(hparams: Hparams): boolean {
  const adaptations = hparams.find(ADAPTATIONS);
  return Array.isArray(adaptations) && adaptations.length > 0;
}

/** Weights that adapters change have names of their own, those of the model itself with `original` at their end. */
function keep(name: string): string | null {
  const own = name.replace(/^roberta\./u, '');
  const plain = own.replaceAll('.parametrizations.', '.');
  const kept = bertName(plain === own ? own : plain.replace(/\.original$/u, ''));
  return kept === null || /\.0\.lora_[AB]$/u.test(kept) ? null : kept;
}

function layer(block: Block, { embedding, heads, keyValueHeads, head }: Sizes, inner: number): readonly Recipe[] {
  const may = { bias: 'may' } as const;
  const must = { bias: 'must' } as const;
  return [
    ...block.matrix('attn_qkv', 'mixer.Wqkv', [(heads + 2 * keyValueHeads) * head, embedding], may),
    ...block.matrix('attn_output', 'mixer.out_proj', [embedding, heads * head], may),
    ...block.matrix('attn_output_norm', 'norm1', [embedding], must),
    ...block.matrix('ffn_up', 'mlp.fc1', [inner, embedding], may),
    ...block.matrix('ffn_down', 'mlp.fc2', [embedding, inner], may),
    ...block.matrix('layer_output_norm', 'norm2', [embedding], must),
  ];
}

/** Version 3 of Jina's embeddings, without its adapters. */
export const jinaBert3: Architecture = encoder({
  name: NAME,
  classes: [],
  keep,
  recipes: (checkpoint, sizes) => [
    aroundLayers.tensor('token_embd.weight', 'embeddings.word_embeddings.weight', [sizes.vocabulary, sizes.embedding]),
    aroundLayers.tensor(
      ...(['token_types.weight', 'embeddings.token_type_embeddings.weight'] as const),
      [tokenTypes(checkpoint), sizes.embedding],
      { optional: true },
    ),
    ...aroundLayers.matrix('token_embd_norm', 'emb_ln', [sizes.embedding], { bias: 'must' }),
    ...layersOf(sizes, 'encoder.layers.', (block) => layer(block, sizes, feedForwardOf(checkpoint))),
  ],
  async parameters(pairs, checkpoint) {
    floatIn(checkpoint.hparams, ...LAYER_NORM_EPSILON);
    await setEncoderParameters(pairs, checkpoint, NAME);
    setContext(pairs, checkpoint, NAME);
    const message = `the adapters for tasks of ${checkpoint.name} are left out: llama.cpp reads them from files of their own`;
    checkpoint.warn({ code: 'checkpoint_doubt', message });
  },
  vocabulary: (pairs, checkpoint) => firstVocabulary(pairs, checkpoint, unigram),
});
