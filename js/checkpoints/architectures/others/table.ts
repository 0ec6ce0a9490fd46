import type { Architecture } from '../architecture.js';
import { gemmaEmbedding } from './gemma-embedding.js';
import { lfm2Embedding } from './lfm2-embedding.js';
import { t5, t5Encoder } from './t5.js';

/** Decoders that became encoders, and models that are both. */
export const OTHERS: readonly Architecture[] = [gemmaEmbedding, t5, t5Encoder, lfm2Embedding];
