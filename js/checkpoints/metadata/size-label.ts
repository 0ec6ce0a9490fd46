import type { ParameterCounts } from './parameter-counts.js';

/** `8x1.2B`: how many parameters a model has. */
export const sizeLabel = ({ total, shared, expert, experts }: ParameterCounts): string =>
  experts > 0 ? `${experts}x${rounded(Math.abs(shared) + Math.abs(expert))}` : rounded(Math.abs(total));

/** The number with at least two digits, and the letter of its thousands. */
function rounded(count: number): string {
  const [scaled, letter] = scaledOf(count);
  const digits = fixed(scaled, 0).replace(/^0+/u, '').length;
  return fixed(scaled, Math.max(2 - digits, 0)) + letter;
}

function scaledOf(count: number): readonly [number, string] {
  if (count > 1e12) return [count * 1e-12, 'T'];
  if (count > 1e9) return [count * 1e-9, 'B'];
  return count > 1e6 ? [count * 1e-6, 'M'] : [count * 1e-3, 'K'];
}

/** As Python prints it: of two that are as near, the even one. */
function fixed(value: number, digits: number): string {
  const up = value.toFixed(digits);
  // What lies in the middle of two such numbers has one binary digit behind the point more than they have decimal ones.
  const isTie = Number.isInteger(value * 2 ** (digits + 1)) && !Number.isInteger(value * 10 ** digits);
  const isHalf = isTie && (value * 10 ** digits) % 1 === 0.5;
  if (!isHalf || Number(up.at(-1)) % 2 === 0) return up;
  return (Math.floor(value * 10 ** digits) / 10 ** digits).toFixed(digits);
}
