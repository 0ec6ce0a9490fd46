import { wholeNumberOf } from '../../../containers/gguf/key-values.js';
import { invalidFile } from '../../../containers/invalid-file.js';
import type { Checkpoint } from '../../checkpoint.js';
import type { KeyList } from '../../key-list.js';

/** How norms keep from dividing by zero: `rms` for those of the square mean, `layer` for those that subtract a mean. */
export type Epsilon = 'rms' | 'layer';

const EPSILONS = { rms: 'layer_norm_rms_epsilon', layer: 'layer_norm_epsilon' } as const;

/** What llama.cpp needs of every decoder, and what config.json mostly calls it. */
const NEEDED = [
  ['context_length', 'max_position_embeddings'],
  ['embedding_length', 'hidden_size'],
  ['block_count', 'num_hidden_layers'],
  ['attention.head_count', 'num_attention_heads'],
] as const;

/** Throws `invalid_file` where the pairs of a decoder are not those that llama.cpp opens a file with. */
export function checkOpenable(pairs: KeyList, checkpoint: Checkpoint, name: string, epsilon: Epsilon): void {
  const epsilonKey = ['attention.' + EPSILONS[epsilon], 'rms_norm_eps or layer_norm_eps'] as const;
  for (const [key, said] of [...NEEDED, epsilonKey]) {
    if (pairs.has(`${name}.${key}`)) continue;
    throw invalidFile(checkpoint, `its config.json lacks ${said}, without which llama.cpp opens no model of this kind`);
  }
  const found = (key: string): number | undefined => wholeNumberOf(pairs.pairs, `${name}.${key}`);
  const count = (key: string): number => found(key) ?? 0;
  checkRotation(checkpoint, count, found('rope.dimension_count'));
  checkExperts(checkpoint, count);
}

type Count = (key: string) => number;

/** llama.cpp does not come to an end where none are rotated; where `said` is undefined it rotates all. */
function checkRotation(checkpoint: Checkpoint, count: Count, said: number | undefined): void {
  const heads = count('attention.head_count');
  const size = count('attention.key_length') || Math.floor(count('embedding_length') / (heads || 1));
  const rotated = said ?? size;
  if (rotated > 0 && rotated <= size && rotated % 2 === 0) return;
  const detail = `llama.cpp rotates an even number of a head's ${size} dimensions, not ${rotated}`;
  throw invalidFile(checkpoint, detail);
}

function checkExperts(checkpoint: Checkpoint, count: Count): void {
  const [experts, used] = [count('expert_count'), count('expert_used_count')];
  const [groups, usedGroups] = [count('expert_group_count'), count('expert_group_used_count')];
  const isUsed = experts === 0 ? used === 0 : used > 0 && used <= experts;
  const isCut = groups > 1 && experts % groups === 0 && usedGroups > 0 && usedGroups < groups;
  const isGrouped = experts === 0 ? groups === 0 : groups < experts && (groups <= 1 || isCut);
  if (isUsed && isGrouped) return;
  const cut = groups === 0 ? '' : ` in ${groups} groups, ${usedGroups} of them used`;
  throw invalidFile(checkpoint, `llama.cpp opens no model with ${experts} experts, ${used} used${cut}`);
}
