/** One pass over the weights of tensors that encodes them and keeps only what that has lost. */

import { needsRange, type Codec } from '../../codecs/codec.js';
import { QuantizeError, type QuantizeErrorCode } from '../../errors.js';
import type { CodedTensor } from '../../layouts/tensor.js';
import { addSums, metricsOf } from '../../pipeline/metrics.js';
import { Pipeline, type PipelineTools } from '../../pipeline/pipeline.js';
import { inputOfStretch, stretchesOf, type Stretch } from '../../pipeline/stretches.js';
import type { PlannedStep } from '../../plan/report.js';
import { WINDOW_WEIGHTS, type ErrorSums, type LeasedWindow, type WeightRange } from '../../wasm/windows.js';
import { encodedStretch, scanTensor, unitOf } from '../transcode.js';

/** A tensor, and what it could become, in the order in which that is tried. */
export interface Trial {
  readonly planned: PlannedStep;
  readonly tensor: CodedTensor;
  readonly steps: readonly PlannedStep[];
  /** Whether what is planned is refused where its type cannot hold the weights. Of other steps that is an outcome. */
  readonly isNeeded: boolean;
}

/** What one of the steps of a trial loses, or why it cannot be made. */
export interface Outcome {
  readonly step: PlannedStep;
  /** Null where it cannot be made, or has no finite cosine. */
  readonly cosine: number | null;
  /** Squared error over the squares of the weights; infinite where it cannot be told. */
  readonly relativeError: number;
  readonly failure?: QuantizeError | undefined;
}

export interface Measuring {
  /** Whether nothing more of a trial needs to be known; the outcomes are those of its first steps, in order. */
  readonly isEnough: (outcomes: readonly Outcome[]) => boolean;
  /** Whether all steps are going to be needed: then each stretch is read once. */
  readonly needsAll: boolean;
  /** A tensor has been measured. */
  readonly told: (tensor: string) => void;
}

/**
 * What the steps of each trial lose, as far as `isEnough` wants to know it. Rejects as a conversion by these steps would;
 * but that a type cannot hold the weights is an outcome, unless the step is the planned one, and needed.
 */
export async function measured(
  trials: readonly Trial[],
  tools: PipelineTools,
  measuring: Measuring,
): Promise<ReadonlyMap<Trial, readonly Outcome[]>> {
  const runs = trials.map((trial) => new TrialRun(trial, measuring));
  // Tensors of several windows whose first type does not do are read again for the next.
  for (let open = runs; open.length > 0; open = open.filter(({ isOver }) => !isOver)) {
    await Pipeline.run(tools, async (pipeline) => {
      for (const run of open) await run.start(pipeline);
    });
  }
  return new Map(runs.map(({ trial, outcomes }) => [trial, outcomes]));
}

/** What the encoders of a type of too small a range say: a finer one may hold it. */
const TOO_LARGE: readonly QuantizeErrorCode[] = ['scale_overflow', 'float_overflow'];

/** What has been found of one step. */
interface Tried {
  readonly step: PlannedStep;
  readonly target: Codec;
  readonly sums: ErrorSums[];
  /** Of the first stretch that has failed. */
  failure: { readonly index: number; readonly error: QuantizeError } | undefined;
}

class TrialRun {
  readonly trial: Trial;
  readonly outcomes: Outcome[] = [];
  readonly #measuring: Measuring;

  constructor(trial: Trial, measuring: Measuring) {
    this.trial = trial;
    this.#measuring = measuring;
  }

  get isOver(): boolean {
    const { outcomes, trial } = this;
    return outcomes.length === trial.steps.length || (outcomes.length > 0 && this.#measuring.isEnough(outcomes));
  }

  /** Starts the pieces of work that find out about the next step, or about several. */
  async start(pipeline: Pipeline): Promise<void> {
    const { tensor, steps } = this.trial;
    if (tensor.elements <= WINDOW_WEIGHTS) return this.#startWindow(pipeline);
    const next = steps.slice(this.outcomes.length);
    await this.#startStretches(pipeline, this.#measuring.needsAll ? next : next.slice(0, 1));
  }

  /** All that is to be tried, while the weights are there. */
  async #startWindow(pipeline: Pipeline): Promise<void> {
    const { tensor, steps } = this.trial;
    const [stretch] = stretchesOf(tensor.elements);
    if (stretch === undefined) return;
    await pipeline.start({
      input: inputOfStretch(tensor, stretch),
      work: async (window) => {
        for (const step of steps) {
          const tried = triedOf(step);
          if (tried !== null) await this.#encode(window, stretch, tried, undefined);
          this.#settle(step, tried);
          if (this.isOver) return;
        }
      },
      end: () => this.#end(),
    });
  }

  async #startStretches(pipeline: Pipeline, steps: readonly PlannedStep[]): Promise<void> {
    const { tensor } = this.trial;
    const tries = steps.map((step) => ({ step, tried: triedOf(step) }));
    const open = tries.flatMap(({ tried }) => tried ?? []);
    const unit = open.reduce((most, { step, target }) => Math.max(most, unitOf({ step }, tensor, target)), 1);
    const range = open.some(({ target }) => needsRange(target)) ? await rangeOf(pipeline, tensor) : undefined;
    const stretches = open.length === 0 ? [] : stretchesOf(tensor.elements, unit);
    let left = stretches.length;
    const end = (): Promise<void> => {
      if (--left > 0) return Promise.resolve();
      for (const { step, tried } of tries) this.#settle(step, tried);
      return this.#end();
    };
    if (left === 0) return pipeline.start({ end });
    for (const stretch of stretches) {
      await pipeline.start({
        input: inputOfStretch(tensor, stretch),
        work: async (window) => {
          for (const tried of open) {
            if (tried.failure === undefined) await this.#encode(window, stretch, tried, range);
          }
        },
        end,
      });
    }
  }

  async #encode(window: LeasedWindow, stretch: Stretch, tried: Tried, range: WeightRange | undefined): Promise<void> {
    const { tensor } = this.trial;
    const { step, target } = tried;
    const encoding = { step, tensor, target, measure: true, overflowed: () => undefined };
    try {
      const { error } = await encodedStretch(encoding, window, stretch, range);
      if (error !== null) tried.sums[stretch.index] = error;
    } catch (error) {
      const isNeeded = this.trial.isNeeded && step === this.trial.planned;
      if (isNeeded || !(error instanceof QuantizeError) || !TOO_LARGE.includes(error.code)) throw error;
      if (stretch.index < (tried.failure?.index ?? Infinity)) tried.failure = { index: stretch.index, error };
    }
  }

  #settle(step: PlannedStep, tried: Tried | null): void {
    this.outcomes.push(tried === null ? { step, cosine: 1, relativeError: 0 } : outcomeOf(tried));
  }

  #end(): Promise<void> {
    if (this.isOver) this.#measuring.told(this.trial.tensor.name);
    return Promise.resolve();
  }
}

/** Null where nothing is encoded, and so nothing lost. */
const triedOf = (step: PlannedStep): Tried | null =>
  step.kept || step.planned.target.kind !== 'codec'
    ? null
    : { step, target: step.planned.target.codec, sums: [], failure: undefined };

async function rangeOf(pipeline: Pipeline, tensor: CodedTensor): Promise<WeightRange> {
  const { promise } = await scanTensor(pipeline, tensor);
  return pipeline.whenDone(promise);
}

function outcomeOf({ step, sums, failure }: Tried): Outcome {
  if (failure !== undefined) return { step, cosine: null, relativeError: Infinity, failure: failure.error };
  const { cosine } = metricsOf(sums, step.planned.elements);
  const { squaredError, squaredOriginal } = sums.reduce(addSums);
  const relativeError = squaredError === 0 ? 0 : squaredError / squaredOriginal;
  return { step, cosine, relativeError: Number.isNaN(relativeError) ? Infinity : relativeError };
}
