/** Numbers and names as people read them. */

import { unsteering } from '../errors.js';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** Decimal units, three significant digits: `69.5 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    ++unit;
  }
  return `${unit === 0 ? String(value) : value.toPrecision(3)} ${UNITS[unit] ?? ''}`;
}

export const formatRate = (bytesPerSecond: number): string => `${(bytesPerSecond / 1e9).toFixed(2)} GB/s`;

/** What goes behind other figures of a model on a server; empty for others. */
export const downloadText = (bytes: number): string => (bytes === 0 ? '' : `, ${formatBytes(bytes)} downloaded`);

export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : seconds.toFixed(0)} s`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, '0')} s`;
}

export const formatShape = (shape: readonly number[]): string => (shape.length === 0 ? 'scalar' : shape.join('×'));

/** Six digits after the point tell apart what matters; `-` where nothing was measured. */
export const formatCosine = (cosine: number | null): string => (cosine === null ? '-' : cosine.toFixed(6));

export const formatError = (error: number | null): string => (error === null ? '-' : error.toExponential(2));

/** A share as percent, which is negative for what is lost. */
export const formatShare = (share: number | null): string => (share === null ? '-' : `${(share * 100).toFixed(1)} %`);

/** `text` in at most `width` characters, cut in the middle: both ends of a tensor's name matter. */
export function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  const head = Math.floor((width - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (width - 1 - head))}`;
}

/** A report as JSON, in which names from files cannot steer the terminal either. */
export const formatJson = (report: unknown): string => unsteering(JSON.stringify(report, null, 2));

/** Names come from files: what they contain must not steer the terminal. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu, '�');
