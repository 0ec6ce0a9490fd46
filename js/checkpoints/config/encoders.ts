import { kind, type Kind } from './kind.js';
import { asManyDecoderLayers, noRopeTheta } from './rules.js';

const BERT = 'type_vocab_size=2 layer_norm_eps=1e-12';

const DISTILBERT_NAMES = { hidden_size: 'dim', num_attention_heads: 'n_heads', num_hidden_layers: 'n_layers' };

const T5_NAMES = {
  hidden_size: 'd_model',
  num_attention_heads: 'num_heads',
  num_hidden_layers: 'num_layers',
  head_dim: 'd_kv',
};

const T5 = 'num_decoder_layers=null relative_attention_num_buckets=32 layer_norm_epsilon=1e-6 d_kv=64';

const MT5 = `${T5} d_model=512 d_ff=1024 num_layers=8 num_heads=6`;

/** Models that read a text as a whole, and those that also write one then. */
export const ENCODERS: Readonly<Record<string, Kind>> = {
  bert: kind('30522 768 3072 12 12 - 512 - 0 true', BERT),
  camembert: kind('30522 768 3072 12 12 - 512 - 1 true', BERT),
  distilbert: kind(
    '30522 - - - - - 512 - 0 true',
    'n_layers=6 n_heads=12 dim=768 hidden_dim=3072',
    [],
    DISTILBERT_NAMES,
  ),
  modernbert: kind(
    '50368 768 1152 22 12 - 8192 - 50283 true',
    'norm_eps=1e-5 global_rope_theta=16e4 global_attn_every_n_layers=3 local_attention=128 local_rope_theta=1e4 hidden_activation=gelu',
    [noRopeTheta],
  ),
  mt5: kind('250112 - - - - - - - 0 false', MT5, [asManyDecoderLayers], T5_NAMES),
  roberta: kind('50265 768 3072 12 12 - 512 - 1 true', BERT),
  t5: kind(
    '32128 - - - - - - - 0 true',
    `${T5} d_model=512 d_ff=2048 num_layers=6 num_heads=8`,
    [asManyDecoderLayers],
    T5_NAMES,
  ),
  umt5: kind('250112 - - - - - - - 0 true', MT5, [asManyDecoderLayers], T5_NAMES),
  'xlm-roberta': kind('30522 768 3072 12 12 - 512 - 1 true', BERT),
};
