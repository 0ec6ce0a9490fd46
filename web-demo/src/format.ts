/** Numbers as people read them; units are decimal, as disks and downloads count. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    ++unit;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? 'B'}`;
}

export const rate = (bytesPerSecond: number): string =>
  bytesPerSecond >= 1e8 ? `${(bytesPerSecond / 1e9).toFixed(2)} GB/s` : `${(bytesPerSecond / 1e6).toFixed(0)} MB/s`;

export function count(value: number): string {
  if (value < 10_000) return value.toLocaleString('en');
  if (value < 1e6) return `${(value / 1e3).toFixed(0)} K`;
  if (value < 1e9) return `${(value / 1e6).toFixed(value < 1e7 ? 2 : 1)} M`;
  return `${(value / 1e9).toFixed(2)} B`;
}

export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  const whole = Math.round(seconds);
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  if (minutes < 60) return `${String(minutes)} min ${String(rest)} s`;
  return `${String(Math.floor(minutes / 60))} h ${String(minutes % 60)} min`;
}

export const percent = (fraction: number): string => {
  const value = fraction * 100;
  return `${value >= 10 || value === 0 ? value.toFixed(1) : value.toPrecision(2)} %`;
};

export const shape = (extents: readonly number[]): string => (extents.length === 0 ? 'scalar' : extents.join(' × '));

export const bitsPerWeight = (bits: number): string => `${bits.toFixed(2)} bits`;

export const ratio = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)}×`;
