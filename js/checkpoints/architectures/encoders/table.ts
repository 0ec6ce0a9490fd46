import type { Architecture } from '../architecture.js';
import { bert, distilBert } from './bert.js';
import { euroBert } from './euro-bert.js';
import { jinaBert2 } from './jina-bert-2.js';
import { modernBert } from './modern-bert.js';
import { neoBert } from './neo-bert.js';
import { nomicBert } from './nomic-bert.js';
import { roberta, xlmRoberta } from './roberta.js';

/** The kinds of encoders; others are variants of them. */
export const ENCODERS: readonly Architecture[] = [
  ...[bert, distilBert, roberta, xlmRoberta],
  ...[nomicBert, jinaBert2, modernBert, neoBert, euroBert],
];
