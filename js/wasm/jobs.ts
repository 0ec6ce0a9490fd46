/** Jobs of the module: records of numbers that it reads in its heap, where it also leaves what became of them. */

import { codecIndex, traitsOf, type Codec } from '../codecs/codec.js';
import { STATUSES } from '../codecs/table.js';
import { QuantizeError } from '../errors.js';
import { JOB_WORDS, OPERAND_WORDS, OUTCOME_WORDS, VERBS } from './job-words.js';
import type { RawModule } from './module.js';
import type { ErrorSums, TranscodeOptions, WeightRange, WindowComparison } from './windows.js';

/** One side of a work: what is stored, and the address of each plane. */
export interface JobOperand {
  readonly codec: Codec;
  readonly scale?: number | undefined;
  readonly addresses: readonly number[];
}

/** One thing to do with weights in the heap. A `scan` has no target. */
export interface JobWork {
  readonly verb: keyof typeof VERBS;
  readonly weights: number;
  readonly source: JobOperand;
  readonly target?: JobOperand | undefined;
  readonly options?: TranscodeOptions | undefined;
}

export type JobModule = Pick<RawModule, 'HEAPU8' | 'allocate' | 'release' | 'submit'>;

const WORD_BYTES = 8;

/** What became of the works of a job. */
export class JobOutcomes {
  readonly #words: Float64Array;
  /** Index of the first work that has failed, or -1. */
  readonly failed: number;

  constructor(words: Float64Array, failed: number) {
    this.#words = words;
    this.failed = failed;
  }

  /** The name of the status that a work ended with. */
  status(index: number): string {
    return STATUSES[this.#word(index, 'code')] ?? 'internal';
  }

  position(index: number): number {
    return this.#word(index, 'position');
  }

  error(index: number): ErrorSums {
    return {
      squaredError: this.#word(index, 'squaredError'),
      squaredOriginal: this.#word(index, 'squaredOriginal'),
      squaredRestored: this.#word(index, 'squaredRestored'),
      dot: this.#word(index, 'dot'),
      maxError: this.#word(index, 'maxError'),
      weightedError: this.#word(index, 'weightedError'),
      referenceError: this.#word(index, 'referenceError'),
    };
  }

  range(index: number): WeightRange {
    return { lo: this.#word(index, 'lo'), hi: this.#word(index, 'hi'), extreme: this.#word(index, 'extreme') };
  }

  comparison(index: number): WindowComparison {
    const [equal, finite] = [this.#word(index, 'equal') === 1, this.#word(index, 'finite') === 1];
    return { equal, finite, error: this.error(index) };
  }

  #word(index: number, name: Exclude<keyof typeof OUTCOME_WORDS, 'count'>): number {
    return this.#words[index * OUTCOME_WORDS.count + OUTCOME_WORDS[name]] ?? 0;
  }
}

/**
 * Has the module do all `works`. Rejects with `out_of_memory` where the heap has no room for their records, and as `submit`
 * does; that a work has failed is told by the outcomes.
 */
export async function runJob(module: JobModule, works: readonly JobWork[]): Promise<JobOutcomes> {
  const floats = works.reduce((sum, { options }) => sum + (options?.importance?.length ?? 0), 0);
  const outcomeWords = works.length * OUTCOME_WORDS.count;
  const recordWords = works.length * JOB_WORDS.count;
  const address = module.allocate((outcomeWords + recordWords) * WORD_BYTES + floats * 4);
  if (address === 0) throw new QuantizeError('out_of_memory', {});
  try {
    const { buffer } = module.HEAPU8;
    const outcomes = new Float64Array(buffer, address, outcomeWords);
    const records = address + outcomeWords * WORD_BYTES;
    const writer = new RecordWriter(
      new Float64Array(buffer, records, recordWords),
      new Float32Array(buffer, records + recordWords * WORD_BYTES, floats),
    );
    for (const work of works) writer.write(work);
    const failed = await module.submit(records, works.length, address);
    return new JobOutcomes(outcomes.slice(), failed);
  } finally {
    module.release(address);
  }
}

class RecordWriter {
  readonly #words: Float64Array;
  readonly #importance: Float32Array;
  #at = 0;
  #floats = 0;

  constructor(words: Float64Array, importance: Float32Array) {
    this.#words = words.fill(0);
    this.#importance = importance;
  }

  write({ verb, weights, source, target, options }: JobWork): void {
    const [words, at] = [this.#words, this.#at];
    words[at + JOB_WORDS.verb] = VERBS[verb];
    words[at + JOB_WORDS.weights] = weights;
    if (options !== undefined) this.#writeOptions(options, target);
    this.#writeOperand(at + JOB_WORDS.source, source);
    if (target !== undefined) this.#writeOperand(at + JOB_WORDS.target, target);
    this.#at += JOB_WORDS.count;
  }

  #writeOptions(
    {
      measure,
      checked,
      overflows,
      effort,
      range,
      rowWeights,
      firstRow,
      firstColumn,
      rows,
      ...others
    }: TranscodeOptions,
    target: JobOperand | undefined,
  ): void {
    const [words, at] = [this.#words, this.#at];
    words[at + JOB_WORDS.measure] = Number(measure ?? false);
    words[at + JOB_WORDS.checked] = Number(checked ?? false);
    words[at + JOB_WORDS.overflows] = Number(overflows ?? false);
    words[at + JOB_WORDS.effort] = effort ?? 0;
    words[at + JOB_WORDS.rowWeights] = rowWeights ?? 0;
    words[at + JOB_WORDS.firstRow] = firstRow ?? 0;
    words[at + JOB_WORDS.firstColumn] = firstColumn ?? 0;
    words[at + JOB_WORDS.rows] = rows ?? 0;
    if (range !== undefined) {
      words[at + JOB_WORDS.hasRange] = 1;
      words[at + JOB_WORDS.lo] = range.lo;
      words[at + JOB_WORDS.hi] = range.hi;
      words[at + JOB_WORDS.extreme] = range.extreme;
    }
    const { importance, matrixRows } = others;
    if (importance === undefined) return;
    const isOfRows = target !== undefined && traitsOf(target.codec).acrossRows;
    this.#writeImportance(importance, isOfRows ? 1 : (rowWeights ?? 0), matrixRows ?? 0);
  }

  #writeImportance(importance: Float32Array, rowWeights: number, matrixRows: number): void {
    const matrices = importance.length / rowWeights;
    // The module reads as many for each matrix as a row has weights, or one for each row.
    if (!Number.isInteger(matrices) || matrices === 0) {
      throw new RangeError(`${String(importance.length)} importances for rows of ${String(rowWeights)} weights`);
    }
    const [words, at] = [this.#words, this.#at];
    words[at + JOB_WORDS.matrices] = matrices;
    words[at + JOB_WORDS.matrixRows] = matrixRows;
    words[at + JOB_WORDS.importance] = this.#importance.byteOffset + this.#floats * 4;
    this.#importance.set(importance, this.#floats);
    this.#floats += importance.length;
  }

  #writeOperand(at: number, { codec, scale, addresses }: JobOperand): void {
    const words = this.#words;
    words[at + OPERAND_WORDS.codec] = codecIndex(codec);
    words[at + OPERAND_WORDS.bits] = codec.bits;
    words[at + OPERAND_WORDS.groupSize] = codec.groupSize;
    words[at + OPERAND_WORDS.symmetric] = Number(codec.symmetric);
    words[at + OPERAND_WORDS.scale] = scale ?? 1;
    addresses.forEach((address, plane) => {
      words[at + OPERAND_WORDS.planes + plane] = address;
    });
  }
}
