/** Where the words of jobs lie, as src/bindings/job_words.def has it. Written by the build: do not edit. */
export const JOB_WORDS = {
  verb: 0,
  weights: 1,
  measure: 2,
  checked: 3,
  overflows: 4,
  effort: 5,
  importance: 6,
  rowWeights: 7,
  firstRow: 8,
  rows: 9,
  hasRange: 10,
  lo: 11,
  hi: 12,
  extreme: 13,
  source: 14,
  target: 23,
  count: 32,
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
  lo: 7,
  hi: 8,
  extreme: 9,
  equal: 10,
  finite: 11,
  count: 12,
} as const;

/** What a job's word `verb` can be. */
export const VERBS = { transcode: 0, scan: 1, compare: 2 } as const;
