/** Numbers for people. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `1.23 GB`: three digits, in powers of 1000. */
export function bytesText(bytes) {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** power;
  const digits = power === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(value)));
  return `${value.toFixed(digits)} ${UNITS[power]}`;
}

/** `2 min 5 s` */
export function secondsText(seconds) {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export const rateText = (bytesPerSecond) => `${(bytesPerSecond / 1e9).toFixed(2)} GB/s`;

export const percentText = (fraction) => `${Math.floor(fraction * 100)} %`;

/** A relative error; an em dash where nothing was lost or measured. */
export const errorText = (relative) => {
  if (relative === null) return '—';
  return relative === 0 ? '0 %' : `${Number((relative * 100).toPrecision(2))} %`;
};
