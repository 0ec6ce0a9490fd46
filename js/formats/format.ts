import type { QuantizeFileOptions } from '../convert/options.js';
import type { Model } from '../models/model.js';
import type { Given } from '../options/names.js';
import type { PipelineTools } from '../pipeline/pipeline.js';
import type { Importance } from '../plan/importance.js';
import type { ConversionPlan } from '../plan/plan.js';
import type { TypedRule } from '../rules/rule.js';
import type { FormatName } from './names.js';

/** What is asked of a format. */
export interface FormatQuantization {
  readonly format: FormatName;
  /** The caller's options, each read once; those that formats understand are checked by them. */
  readonly given: Omit<Given<QuantizeFileOptions>, 'importance' | 'rules' | 'keyValues' | 'layerBits'>;
  /** For formats that have it among their options; null in all others. */
  readonly importance: Importance | null;
  /** The caller's; the first one that fits a tensor decides. */
  readonly rules: readonly TypedRule[];
  readonly splitBytes: number | undefined;
  /** Whether to decode again and measure what was lost. */
  readonly measure: boolean;
}

/** Plans what becomes of an opened model; rejects before anything is written. */
export type FormatPlanner = (model: Model, tools: PipelineTools) => Promise<ConversionPlan>;

/**
 * How another program stores quantized models: which types there are, which tensors get them, under which names their planes
 * lie, what its config.json says of it, and what lies beside it. A new one is one file, a line in table.ts and a name in
 * names.ts.
 */
export interface Format {
  readonly name: FormatName;
  /** How sentences call what is written: `a model for MLX`. */
  readonly title: string;
  /** Options of `quantizeFile` that mean something here besides those that all formats have; others are refused. */
  readonly options: readonly (keyof QuantizeFileOptions)[];
  /** Throws `invalid_option` for values that it does not know, or that do not go together. */
  plannerFor(quantization: FormatQuantization): FormatPlanner;
}
