import type { Model } from '../../models/model.js';
import type { PipelineTools } from '../../pipeline/pipeline.js';
import type { Floor } from '../../plan/floor.js';
import type { Search } from '../../plan/importance.js';
import type { PlannedStep } from '../../plan/report.js';
import type { WrittenType } from '../../rules/copied.js';

/** What is asked of a file that its weights have to be looked at for, before it is planned to the end. */
export interface MeasuredGoals {
  /** Null: none. With `targetBytes`, what is below is no choice, whether it says `fallback` or not. */
  readonly floor: Floor | null;
  /** The most bytes of the output, all of its files together. */
  readonly targetBytes: number | undefined;
}

/** Where the output goes, as far as its size goes by that. */
export interface PlannedOutput {
  readonly file: string;
  readonly inOrder: boolean;
}

/** What a plan is measured with. */
export interface MeasuredContext {
  readonly model: Model;
  readonly goals: MeasuredGoals;
  readonly search: Search;
  /** Of a GGUF. */
  readonly fileType: WrittenType | undefined;
  readonly output: PlannedOutput;
  /** The one part that is going to be written; undefined for all of the output. */
  readonly part: number | undefined;
  readonly tools: PipelineTools;
  /** `done` of `tensors` tensors have been measured. */
  readonly told: (tensor: string, done: number, tensors: number) => void;
}

/** A tensor that stays below the floor. */
export interface BelowFloor {
  readonly step: PlannedStep;
  readonly cosine: number | null;
  readonly least: number;
}
