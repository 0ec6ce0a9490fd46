import { u32 } from '../../../containers/gguf/key-values.js';
import { QuantizeError } from '../../../errors.js';
import { type Json } from '../../../formats/folder/json.js';
import type { Checkpoint } from '../../checkpoint.js';
import { numberIn, type Hparams } from '../../config/hparams.js';
import type { KeyList } from '../../key-list.js';
import { unigram, wordPiece } from '../../tokenizer/vocabularies.js';
import { reshaped, rows, stacked, transposed, type Weight } from '../../weights/operations.js';
import type { Architecture } from '../architecture.js';
import type { Block } from '../base/block.js';
import { firstVocabulary } from '../base/decoder.js';
import { countIn, floatIn, LAYER_NORM_EPSILON, optionalCountIn, Parameters } from '../base/parameters.js';
import type { Recipe } from '../base/recipes.js';
import { feedForwardOf, positive, type Sizes } from '../base/sizes.js';
import { bertName, tokenTypes } from './bert.js';
import { aroundLayers, encoder, layersOf, setEncoderParameters } from './encoder.js';
import { skippedPositions } from './positions.js';

const PLAIN = 'nomic-bert';
const WITH_EXPERTS = 'nomic-bert-moe';
const EVERY = 'moe_every_n_layers';
const EXPERTS = ['num_local_experts', 'num_experts'] as const;

const hasExperts = (hparams: Hparams): boolean => (optionalCountIn(hparams, EVERY) ?? 0) > 0;

/** Biases of experts change nothing in the model itself. */
const keep = (name: string): string | null => (name.includes('mlp.experts.bias') ? null : bertName(name));

const around = (checkpoint: Checkpoint, { embedding, vocabulary }: Sizes): readonly Recipe[] => [
  aroundLayers.tensor('token_embd.weight', 'embeddings.word_embeddings.weight', [vocabulary, embedding]),
  aroundLayers.tensor(
    'token_types.weight',
    'embeddings.token_type_embeddings.weight',
    [tokenTypes(checkpoint), embedding],
    {
      optional: true,
    },
  ),
  ...aroundLayers.matrix('token_embd_norm', 'emb_ln', [embedding], { bias: 'must' }),
];

function attention(block: Block, { embedding, heads, keyValueHeads, head }: Sizes): readonly Recipe[] {
  const must = { bias: 'must' } as const;
  const may = { bias: 'may' } as const;
  return [
    ...block.matrix('attn_qkv', 'attn.Wqkv', [(heads + 2 * keyValueHeads) * head, embedding], may),
    ...block.matrix('attn_output', 'attn.out_proj', [embedding, heads * head], may),
    ...block.matrix('attn_output_norm', 'norm1', [embedding], must),
    ...block.matrix('layer_output_norm', 'norm2', [embedding], must),
  ];
}

export const nomicBert: Architecture = encoder({
  name: PLAIN,
  classes: ['NomicBertModel'],
  variant: (hparams) => (hasExperts(hparams) ? nomicBertMoe : undefined),
  keep,
  recipes(checkpoint, sizes) {
    const inner = feedForwardOf(checkpoint);
    const { embedding } = sizes;
    return [
      ...around(checkpoint, sizes),
      ...layersOf(sizes, 'encoder.layers.', (block) => [
        ...attention(block, sizes),
        ...block.matrix('ffn_up', 'mlp.fc11', [inner, embedding], { bias: 'may' }),
        ...block.matrix('ffn_gate', 'mlp.fc12', [inner, embedding]),
        ...block.matrix('ffn_down', 'mlp.fc2', [embedding, inner], { bias: 'may' }),
      ]),
    ];
  },
  parameters: (pairs, checkpoint) => setParameters(pairs, checkpoint, PLAIN),
  vocabulary,
});

const nomicBertMoe: Architecture = encoder({
  name: WITH_EXPERTS,
  classes: [],
  keep,
  recipes(checkpoint, sizes) {
    const every = countIn(checkpoint.hparams, EVERY);
    return [
      ...around(checkpoint, sizes),
      ...layersOf(sizes, 'encoder.layers.', (block, layer) => [
        ...attention(block, sizes),
        ...(layer % every === 1 ? expertLayer(block, checkpoint, sizes) : denseLayer(block, checkpoint, sizes)),
      ]),
    ];
  },
  async parameters(pairs, checkpoint) {
    await setParameters(pairs, checkpoint, WITH_EXPERTS);
    const parameters = new Parameters(pairs, WITH_EXPERTS, checkpoint.hparams);
    parameters.count(EVERY, EVERY);
    parameters.count('expert_used_count', 'moe_top_k');
  },
  vocabulary,
});

function denseLayer(block: Block, checkpoint: Checkpoint, { embedding }: Sizes): readonly Recipe[] {
  const inner = feedForwardOf(checkpoint);
  return [
    ...block.matrix('ffn_up', 'mlp.fc1', [inner, embedding], { bias: 'may' }),
    ...block.matrix('ffn_down', 'mlp.fc2', [embedding, inner], { bias: 'may' }),
  ];
}

/** The matrices of all experts lie below each other in one; the second one's are the transposes of what llama.cpp has. */
function expertLayer(block: Block, { hparams }: Checkpoint, { embedding }: Sizes): readonly Recipe[] {
  const inner = positive(hparams, 'n_inner');
  const experts = expertsOf(hparams);
  const shape = [experts * inner, embedding];
  const down = (weight: Weight): Weight => {
    const each = Array.from({ length: experts }, (_, expert) =>
      transposed(rows(weight, expert * inner, (expert + 1) * inner)),
    );
    return stacked(each, weight.name);
  };
  return [
    ...block.matrix('ffn_gate_inp', 'mlp.router.layer', [experts, embedding]),
    block.tensor('ffn_up_exps.weight', 'mlp.experts.mlp.w1', shape, {
      change: (weight) => reshaped(weight, [experts, inner, embedding]),
    }),
    block.tensor('ffn_down_exps.weight', 'mlp.experts.mlp.w2', shape, { change: down }),
  ];
}

function expertsOf(hparams: Hparams): number {
  const experts = positive(hparams, ...EXPERTS);
  if (positive(hparams, 'moe_top_k') > experts)
    throw hparams.wrong(['moe_top_k'], `at most the ${experts} experts that there are`);
  return experts;
}

async function setParameters(pairs: KeyList, checkpoint: Checkpoint, name: string): Promise<void> {
  const { hparams } = checkpoint;
  refuseOthers(checkpoint);
  floatIn(hparams, ...LAYER_NORM_EPSILON);
  const context = await contextOf(checkpoint);
  await setEncoderParameters(pairs, checkpoint, name);
  if (context !== undefined) pairs.set(u32(`${name}.context_length`, context));
}

/** How many tokens the model was trained with, by what config.json has room for. */
const TRAINED = new Map([
  [8192, 2048],
  [2048, 512],
]);

async function contextOf(checkpoint: Checkpoint): Promise<number | undefined> {
  const { hparams } = checkpoint;
  const trained = TRAINED.get(countIn(hparams, 'n_positions'));
  if (trained === undefined || (optionalCountIn(hparams, 'max_trained_positions') ?? 2048) !== 2048) {
    throw hparams.wrong(['n_positions'], '8192 or 2048, with "max_trained_positions" 2048');
  }
  const isOfPieces = await hasPieces(checkpoint);
  if (!hparams.has('max_position_embeddings')) return hparams.has('n_ctx') ? undefined : trained;
  const left = countIn(hparams, 'max_position_embeddings') - (isOfPieces ? skippedPositions(checkpoint) : 0);
  if (left < 1) throw hparams.wrong(['max_position_embeddings'], 'more than the positions before a text');
  return left;
}

/** What llama.cpp takes for granted, and config.json has to say. */
function refuseOthers({ hparams, name }: Checkpoint): void {
  const isMoe = hasExperts(hparams);
  const needed: readonly (readonly [string, Json])[] = [
    ...(isMoe ? [['activation_function', 'gelu'] as const] : []),
    ...(['causal', 'prenorm', 'rotary_emb_interleaved'] as const).map((key) => [key, false] as const),
    ...(['qkv_proj_bias', 'mlp_fc1_bias', 'mlp_fc2_bias'] as const).map((key) => [key, isMoe] as const),
    ['rotary_emb_scale_base', null],
  ];
  const other = needed.find(([key, value]) => hparams.find(key) !== value)?.[0];
  const wrong = other ?? (numberIn(hparams.find('rotary_emb_fraction')) === 1 ? undefined : 'rotary_emb_fraction');
  if (wrong === undefined) return;
  const detail = `llama.cpp has no such model of this kind: it needs another "${wrong}" in config.json`;
  throw new QuantizeError('unsupported_model', { file: name, detail });
}

/** Whether tokens are pieces of SentencePiece; they may be parts of words, too. Rejects with `invalid_file` for others. */
async function hasPieces({ files }: Checkpoint): Promise<boolean> {
  const type = (await files.plain('tokenizer.json'))?.get('model', 'type');
  if (type === 'Unigram' || type === 'WordPiece') return type === 'Unigram';
  throw await files.wrong('tokenizer.json', 'its "model" is neither "Unigram" nor "WordPiece"');
}

/** Where the mask is in the vocabulary of XLM-RoBERTa, whose SentencePiece model is without it. */
const MASK_ID = 250_001;

async function vocabulary(pairs: KeyList, checkpoint: Checkpoint): Promise<void> {
  const options = hasExperts(checkpoint.hparams) ? { maskId: MASK_ID } : {};
  if ((await checkpoint.files.plain('tokenizer.json')) === null) return firstVocabulary(pairs, checkpoint);
  if (!(await hasPieces(checkpoint))) return firstVocabulary(pairs, checkpoint, wordPiece);
  return firstVocabulary(pairs, checkpoint, (...all) => unigram(...all, options));
}
