import type { Checkpoint } from '../../checkpoint.js';
import type { Hparams } from '../../config/hparams.js';
import {
  countIn,
  EMBEDDING,
  EXPERTS,
  EXPERTS_USED,
  FEED_FORWARD,
  HEADS,
  KEY_VALUE_HEADS,
  LAYERS,
  optionalCountIn,
} from './parameters.js';

/** What llama.cpp has room for. */
const MOST_LAYERS = 512;
const MOST_EXPERTS = 512;

/** No model has as many; what lists heads, or the experts of all layers, must end. */
const MOST_HEADS = 4096;
const MOST_EXPERTS_OF_ALL_LAYERS = 65_536;

/** The sizes that say how large a decoder's tensors are. */
export interface Sizes {
  readonly layers: number;
  readonly embedding: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  /** Of one head. */
  readonly head: number;
  /** Null where config.json has no tokens counted. */
  readonly vocabulary: number | null;
}

/** Throws `invalid_file` for sizes that no model has, or that contradict each other. */
export function sizesOf(
  { hparams, weights, leftOut }: Checkpoint,
  options: { readonly ignoreHead?: boolean } = {},
): Sizes {
  const layers = between(hparams, 1, MOST_LAYERS, ...LAYERS);
  // What a rule drops is not missing: whoever lists the tensors says so of the first that is needed.
  const tensors = weights.length + leftOut.length;
  if (layers > tensors) throw hparams.wrong(LAYERS, `no more than the ${tensors} tensors that there are`);
  const embedding = positive(hparams, ...EMBEDDING);
  const heads = between(hparams, 1, MOST_HEADS, ...HEADS);
  const given = optionalCountIn(hparams, ...KEY_VALUE_HEADS);
  const keyValueHeads = given === undefined ? heads : between(hparams, 1, heads, ...KEY_VALUE_HEADS);
  if (heads % keyValueHeads !== 0) {
    throw hparams.wrong(given === undefined ? HEADS : KEY_VALUE_HEADS, `a divisor of the ${heads} attention heads`);
  }
  const head = headSize(hparams, embedding, heads, options.ignoreHead ?? false);
  return { layers, embedding, heads, keyValueHeads, head, vocabulary: optionalCountIn(hparams, 'vocab_size') ?? null };
}

function headSize(hparams: Hparams, embedding: number, heads: number, isIgnored: boolean): number {
  if (!isIgnored && optionalCountIn(hparams, 'head_dim') !== undefined) return positive(hparams, 'head_dim');
  if (embedding % heads !== 0) throw hparams.wrong(EMBEDDING, `a multiple of the ${heads} attention heads`);
  return embedding / heads;
}

/** Rows of a layer's projections inside its feed-forward network. */
export const feedForwardOf = ({ hparams }: Checkpoint): number => positive(hparams, ...FEED_FORWARD);

/** How many experts a layer has. Throws `invalid_file` where a token is sent to more than there are, or to none. */
export function expertsOf({ hparams }: Checkpoint): number {
  const layers = between(hparams, 1, MOST_LAYERS, ...LAYERS);
  const most = Math.min(MOST_EXPERTS, Math.floor(MOST_EXPERTS_OF_ALL_LAYERS / layers));
  const experts = between(hparams, 1, most, ...EXPERTS);
  between(hparams, 1, experts, ...EXPERTS_USED);
  return experts;
}

export const positive = (hparams: Hparams, ...names: readonly string[]): number =>
  between(hparams, 1, 0xffffffff, ...names);

function between(hparams: Hparams, least: number, most: number, ...names: readonly string[]): number {
  const value = countIn(hparams, ...names);
  if (value < least || value > most) throw hparams.wrong(names, `between ${least} and ${most}`);
  return value;
}
