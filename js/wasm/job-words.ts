/** Where the words of jobs lie, as src/bindings/job_words.def has it. Written by the build: do not edit. */
export const JOB_WORDS = {
  verb: 0,
  weights: 1,
  measure: 2,
  checked: 3,
  overflows: 4,
  effort: 5,
  importance: 6,
  matrices: 7,
  matrixRows: 8,
  rowWeights: 9,
  firstRow: 10,
  firstColumn: 11,
  rows: 12,
  hasRange: 13,
  lo: 14,
  hi: 15,
  extreme: 16,
  source: 17,
  target: 26,
  count: 35,
} as const;

/** From `source` or `target` of a job on. */
export const OPERAND_WORDS = { codec: 0, bits: 1, groupSize: 2, symmetric: 3, scale: 4, planes: 5, count: 9 } as const;

export const OUTCOME_WORDS = {
  code: 0,
  position: 1,
  squaredError: 2,
  squaredOriginal: 3,
  squaredRestored: 4,
  dot: 5,
  maxError: 6,
  weightedError: 7,
  referenceError: 8,
  lo: 9,
  hi: 10,
  extreme: 11,
  equal: 12,
  finite: 13,
  count: 14,
} as const;

/** What a job's word `verb` can be. */
export const VERBS = { transcode: 0, scan: 1, compare: 2 } as const;
