import type { TensorRule } from '../rules/rule.js';
import type { BitWidth, GroupSize, Mode, Profile } from '../types.js';
import type { FloatType } from './dtypes.js';
import type { FileEvent, TensorReport } from './report.js';

/** What can be asked of everything that goes through a whole file. */
export interface FileOptions {
  /** Called exactly once a tensor, with the fraction of the tensors that are done; the last call gives 1. */
  readonly progress?: ((tensor: string, progress: number) => unknown) | null | undefined;
  /** Rejects the call with the code `aborted`; the output is as it was before. */
  readonly signal?: AbortSignal | null | undefined;
}

export interface ConvertFileOptions extends FileOptions {
  /** Called with each tensor's report as soon as it is written. */
  readonly onTensor?: ((report: TensorReport) => unknown) | null | undefined;
  /** Called with everything that happens. */
  readonly onEvent?: ((event: FileEvent) => unknown) | null | undefined;
}

export interface QuantizeFileOptions extends ConvertFileOptions {
  /** Default: that of `profile`, else the quantizer's. */
  readonly bits?: BitWidth | undefined;
  readonly groupSize?: GroupSize | undefined;
  readonly symmetric?: boolean | undefined;
  readonly profile?: Profile | undefined;
  /** Which tensors stay as they are, and, where no profile decides, the group size. Default: the quantizer's mode. */
  readonly mode?: Mode | undefined;
  /** More tensors to keep as they are; tried before those of the mode. */
  readonly rules?: readonly TensorRule[] | undefined;
  /** Whether to decode again and measure what was lost. Default true. */
  readonly metrics?: boolean | undefined;
}

export interface DequantizeFileOptions extends ConvertFileOptions {
  /** Element type of the restored tensors. Default: what they were before. */
  readonly dtype?: FloatType | undefined;
}
