import { invalidOption } from '../checks.js';

export function readBytes(name: string, value: unknown, least: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
  throw invalidOption(name, value, `a whole number of bytes from ${String(least)} on`);
}
