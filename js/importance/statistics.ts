import type { ImportanceEntry } from './importance.js';

/** What is told of an entry. */
export interface ImportanceStatistics {
  /** Of a row; where the file does not say how many matrices there are, of all of them. */
  readonly columns: number;
  readonly matrices: number;
  /** Matrices that have seen nothing: experts that no text was sent to. */
  readonly unseen: number;
  /** The least and the most that a matrix has seen, in tokens, or, of a `.dat`, in chunks. */
  readonly leastCount: number;
  readonly mostCount: number;
  /** Of all values. */
  readonly mean: number;
  readonly max: number;
  /** Share of the values that are 0. */
  readonly zeros: number;
}

export function statisticsOf({ values, counts }: ImportanceEntry): ImportanceStatistics {
  let [sum, max, zeros] = [0, -Infinity, 0];
  for (const value of values) {
    sum += value;
    max = Math.max(max, value);
    if (value === 0) ++zeros;
  }
  const matrices = counts.length;
  const count = (choose: (a: number, b: number) => number): number => counts.reduce((a, b) => choose(a, b));
  return {
    ...{ columns: values.length / matrices, matrices, unseen: counts.filter((one) => one <= 0).length },
    ...{ leastCount: count(Math.min), mostCount: count(Math.max) },
    ...{ mean: sum / values.length, max, zeros: zeros / values.length },
  };
}
