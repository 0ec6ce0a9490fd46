/** Which plan becomes of a model, by what is asked for; what only some of them need is a part of its own. */

import type { CheckpointQuantization } from '../checkpoints/plan.js';
import type { FormatQuantization } from '../formats/format.js';
import type { Model } from '../models/model.js';
import { part } from '../part.js';
import type { PipelineTools } from '../pipeline/pipeline.js';
import type { FileTools } from '../pipeline/tools.js';
import type { ConversionPlan } from '../plan/plan.js';
import { planUniform, type UniformQuantization } from '../plan/uniform.js';
import type { ImatrixQuantization } from './imatrix.js';
import type { MeasuredContext, MeasuredGoals } from './measured/context.js';

/** How to quantize. */
export type Quantization = (
  | ({ readonly kind: 'uniform' } & UniformQuantization & ImatrixQuantization & MeasuredQuantization)
  | ({ readonly kind: 'file-type' } & CheckpointQuantization & ImatrixQuantization & MeasuredQuantization)
  | ({ readonly kind: 'format' } & FormatQuantization)
) & {
  /** The only part that is written, from 1 on; undefined for all of the output. */
  readonly part?: number | undefined;
};

/** What is asked for that types follow from what they lose. */
interface MeasuredQuantization {
  /** Null: nothing. */
  readonly goals: MeasuredGoals | null;
}

export type Planner = (model: Model, tools: PipelineTools & FileTools) => Promise<ConversionPlan>;

/** For what a plan is made. */
export type PlannedFor = Pick<MeasuredContext, 'output' | 'part' | 'told'>;

/** Rejects with `invalid_option` for options that the format that is asked for does not have. */
export async function plannerOf(quantization: Quantization, plannedFor: PlannedFor): Promise<Planner> {
  const planner = await ownPlanner(quantization, plannedFor);
  if (quantization.kind === 'format') return planner;
  const { imatrix } = quantization;
  if (imatrix === null) return planner;
  const { readMatrix } = await part(() => import('./imatrix.js'));
  return async (model, tools) => {
    const { source, warnings, ...given } = await readMatrix(imatrix, tools);
    const withMatrix = await ownPlanner({ ...quantization, ...given }, plannedFor);
    const plan = await withMatrix(model, tools);
    return { ...plan, inputs: [source], warnings: [...plan.warnings, ...warnings] };
  };
}

/** Plans that look at weights first are a part of their own. */
async function ownPlanner(quantization: Quantization, plannedFor: PlannedFor): Promise<Planner> {
  const planner = await unmeasuredPlanner(quantization);
  if (quantization.kind === 'format' || quantization.goals === null) return planner;
  const { goals } = quantization;
  const fileType = quantization.kind === 'file-type' ? quantization.type : undefined;
  const { measuredPlan } = await part(() => import('./measured/measured.js'));
  return async (model, tools) => {
    const plan = await planner(model, tools);
    return measuredPlan(plan, { ...plannedFor, model, goals, search: quantization, fileType, tools });
  };
}

async function unmeasuredPlanner(quantization: Quantization): Promise<Planner> {
  if (quantization.kind === 'uniform') return (model, tools) => planUniform(model, quantization, tools);
  if (quantization.kind === 'format') {
    const { plannerFor } = await part(() => import('../formats/table.js'));
    return plannerFor(quantization);
  }
  // The rules of all those models are large, and of no use to what has other outputs.
  const { planFileType } = await part(() => import('../plan/file-type.js'));
  const { refuseOptions, whyNoCheckpoint } = await part(() => import('../checkpoints/recognize.js'));
  return async (model, tools) => {
    const why = await whyNoCheckpoint(model, quantization);
    if (why !== null) {
      const pairs = refuseOptions(quantization.checkpoint, model, why);
      await checkPairs(model, pairs, quantization);
      return planFileType(model, { ...quantization, asked: { ...quantization.asked, pairs } }, tools);
    }
    const { planCheckpoint } = await part(() => import('../checkpoints/plan.js'));
    return planCheckpoint(model, quantization, tools);
  };
}

/** Rejects for pairs with which llama.cpp would not open the GGUF. */
async function checkPairs(
  model: Model,
  pairs: CheckpointQuantization['checkpoint']['keyValues'],
  { asked }: Pick<CheckpointQuantization, 'asked'>,
): Promise<void> {
  if (pairs.length === 0) return;
  const { checkFitting } = await part(() => import('../checkpoints/fitting-pairs.js'));
  checkFitting(model, pairs, asked.prunedLayers);
}
