/** What the page knows; components read these signals and call actions.ts. */

import { computed, signal } from '@preact/signals';
import type { FilePlan, Inspection, Program, TensorPlan, TensorReport } from 'arrowquant';
import type { EngineInfo, Outcome, Progress } from './engine/protocol';
import type { LayerView } from './engine/layer-view';
import { isFolder } from './outputs';
import { DEFAULT_SETTINGS, type Settings } from './settings';
import { availableTargets, type TargetKind } from './targets';
import type { TrialKind } from './trial/llama';

export type EngineState =
  | { readonly status: 'starting' }
  | { readonly status: 'ready'; readonly info: EngineInfo }
  | { readonly status: 'failed'; readonly message: string };

export type ModelState =
  | { readonly status: 'none' }
  | { readonly status: 'opening'; readonly what: string }
  | { readonly status: 'failed'; readonly name: string; readonly message: string }
  | { readonly status: 'open'; readonly name: string; readonly bytes: number; readonly inspection: Inspection };

export type PlanState =
  | { readonly status: 'none' }
  | { readonly status: 'ready'; readonly plan: FilePlan; readonly settings: Settings }
  | {
      readonly status: 'failed';
      readonly code: string | null;
      readonly message: string;
      /** Where the programs chosen would not open the file, and others would. */
      readonly other: OtherPrograms | null;
    };

export interface OtherPrograms {
  /** The choice by which they get it. */
  readonly program: Program;
  readonly opensIn: readonly string[];
}

export type RunState =
  | { readonly status: 'idle' }
  | { readonly status: 'running'; readonly progress: Progress | null; readonly cancelling: boolean }
  | { readonly status: 'cancelled' }
  | { readonly status: 'failed'; readonly message: string }
  | { readonly status: 'done' };

/** The last job that ended well. */
export interface Result extends Outcome {
  readonly plan: FilePlan;
}

export type ViewState =
  | { readonly status: 'none' }
  | { readonly status: 'loading'; readonly name: string }
  | { readonly status: 'ready'; readonly name: string; readonly view: LayerView }
  | { readonly status: 'failed'; readonly name: string; readonly message: string };

/** The result in llama.cpp. */
export type TrialState =
  | { readonly status: 'none' }
  | { readonly status: 'loading' }
  | { readonly status: 'failed'; readonly message: string }
  | { readonly status: 'ready'; readonly kind: TrialKind; readonly answer: TrialAnswer | null };

export interface TrialAnswer {
  readonly prompt: string;
  readonly text: string;
  /** Tokens until now. */
  readonly tokens: number;
  readonly seconds: number;
  readonly status: 'running' | 'done' | 'stopped' | 'failed';
  /** Of what failed. */
  readonly message: string;
}

export const engine = signal<EngineState>({ status: 'starting' });
export const model = signal<ModelState>({ status: 'none' });
export const settings = signal<Settings>(DEFAULT_SETTINGS);
export const plan = signal<PlanState>({ status: 'none' });
/** Whether the plan on the page is older than the settings. */
export const planIsStale = signal(false);
export const run = signal<RunState>({ status: 'idle' });
/** Reports of the current job, by tensor. */
export const reports = signal<ReadonlyMap<string, TensorReport>>(new Map());
export const result = signal<Result | null>(null);
export const view = signal<ViewState>({ status: 'none' });
export const trial = signal<TrialState>({ status: 'none' });
/** Read out by screen readers. */
export const announcement = signal('');

export const isBusy = computed(() => run.value.status === 'running');

/** Whether what is planned is a language model's file, which no program for images opens. */
export const isForLlama = computed(
  () => plan.value.status === 'ready' && plan.value.plan.opensIn.includes('llama.cpp'),
);

/** What the person has chosen; a folder cannot go everywhere that a file can, nor the other way round. */
export const chosenTarget = signal<TargetKind | null>(null);
export const targets = computed(() => availableTargets(isFolder(settings.value.output)));
/** Where the next result goes. */
export const target = computed(() => targets.value.find(({ kind }) => kind === chosenTarget.value) ?? targets.value[0]);

/** One line of the list of layers. */
export interface LayerRow {
  readonly name: string;
  readonly shape: readonly number[];
  readonly from: string;
  readonly bytesBefore: number;
  readonly plan: TensorPlan | null;
}

/** In the order of the output, which is that of the work; without a plan by name. */
export const layers = computed<readonly LayerRow[]>(() => {
  const current = model.value;
  if (current.status !== 'open') return [];
  if (plan.value.status === 'ready') {
    return plan.value.plan.tensors.map((one) => {
      const { name, shape, from, bytesBefore } = one;
      return { name, shape, from, bytesBefore, plan: one };
    });
  }
  return current.inspection.tensors.map(({ name, shape, type, bytes }) => ({
    ...{ name, shape, from: type, bytesBefore: bytes },
    plan: null,
  }));
});
