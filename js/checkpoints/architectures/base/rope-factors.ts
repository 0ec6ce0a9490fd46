import { numberIn } from '../../config/hparams.js';
import type { Checkpoint } from '../../checkpoint.js';
import { constant } from '../../weights/operations.js';
import type { Weight } from '../../weights/weight.js';

/** Whether frequencies are divided by factors, some for long and some for short texts. */
export function hasRopeFactors({ rope }: Checkpoint): boolean {
  const listed = rope.find('long_factor') ?? null;
  return listed !== null && !(Array.isArray(listed) && listed.length === 0);
}

/**
 * The factors of the frequencies of `rotated` dimensions as tensors; none where there are none. Throws `invalid_file` where they
 * are not half as many numbers.
 */
export function ropeFactors(checkpoint: Checkpoint, rotated: number): readonly Weight[] {
  if (!hasRopeFactors(checkpoint)) return [];
  return (['long', 'short'] as const).map((kind) => {
    const values = Float32Array.from(factorsIn(checkpoint, `${kind}_factor`, rotated / 2));
    return constant(`rope_factors_${kind}.weight`, [values.length], values, checkpoint);
  });
}

function factorsIn({ rope }: Checkpoint, name: string, count: number): readonly number[] {
  const listed = rope.find(name);
  const numbers = Array.isArray(listed) ? listed.map(numberIn) : [];
  const values = numbers.flatMap((one) => one ?? []).filter((one) => Number.isFinite(Math.fround(one)));
  if (values.length !== count || numbers.length !== count) throw rope.wrong([name], `a list of ${count} numbers`);
  return values;
}
