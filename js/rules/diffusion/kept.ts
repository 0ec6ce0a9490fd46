import type { Detected } from './detect.js';
import { contains } from './names.js';

/** Why a model's family keeps the tensor of this name precise, in words for a report; null when it does not. */
export function familyKeeps(detected: Detected | null, name: string): string | null {
  if (detected === null || !name.startsWith(detected.prefix)) return null;
  const { family, prefix } = detected;
  const isKept = [family.keep, family.highPrecision, family.half].some((parts) =>
    contains(parts, name.slice(prefix.length)),
  );
  return isKept ? `${family.name}: keep` : null;
}
