import type { TensorRule } from '../rules/rule.js';
import type { Architecture, BitWidth, FileType, GroupSize, Mode, Profile, TensorType } from '../types.js';
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
  /**
   * Go on where an earlier call with the same input, output and options was interrupted, at the last whole tensor, and if
   * this one is interrupted leave what is done for the next. For outputs that are paths. What lies beside the output for it
   * (`.NAME.arrowquant-*`) has to be this user's alone, and of the same build of this package; a call without this option
   * removes it when it succeeds. Rejects with `unwritable_output`, and says what to do, while a process writes the same
   * output, or one did of which nobody here can tell whether it runs: of another container, or before a restart. Default
   * false.
   */
  readonly resume?: boolean | undefined;
  /**
   * Most bytes that tensors take in memory on their way, at least 16 MiB: where they are converted, and, when the output is a
   * stream, what waits until that has taken it. Headers, and what streams keep themselves, come on top. Default and most:
   * 36 MiB, whatever the sizes of files and tensors.
   */
  readonly memoryLimit?: number | undefined;
}

/** A rule of the caller's: tensors whose names match get this type; `keep` leaves them unquantized. */
export type TypeRule = readonly [pattern: RegExp | string, type: TensorType | 'keep'];

export interface QuantizeFileOptions extends ConvertFileOptions {
  /** Writes a GGUF of this type. Default: affine levels in safetensors; `Q4_K_M` when the output's name ends with .gguf. */
  readonly type?: FileType | undefined;
  /** GGUF: one format for everything that is quantized, where the type would mix several. Default false. */
  readonly pure?: boolean | undefined;
  /** GGUF: whose rules apply. Default: found out from the tensors' names, or what the input says. */
  readonly architecture?: Architecture | undefined;
  /** GGUF: what happens to a tensor with a weight that is too large for the F16 or BF16 it would get. Default `error`. */
  readonly f16Overflow?: 'error' | 'f32' | undefined;
  /** GGUF: most bytes of one file, but for a tensor that is larger itself. Several are `NAME-00001-of-0000N.gguf`. */
  readonly splitSize?: number | undefined;
  /** Affine. Default: that of `profile`, else the quantizer's. */
  readonly bits?: BitWidth | undefined;
  /** Affine. */
  readonly groupSize?: GroupSize | undefined;
  /** Affine. */
  readonly symmetric?: boolean | undefined;
  /** Affine. */
  readonly profile?: Profile | undefined;
  /** Affine: which tensors stay as they are, and, where no profile decides, the group size. Default: the quantizer's mode. */
  readonly mode?: Mode | undefined;
  /** Tried in order before all others; the first one that fits a tensor decides. For affine output a type must be `keep`. */
  readonly rules?: readonly (TensorRule | TypeRule)[] | undefined;
  /** Whether to decode again and measure what was lost. Default true. */
  readonly metrics?: boolean | undefined;
}

export interface DequantizeFileOptions extends ConvertFileOptions {
  /** Element type of the restored tensors. Default: what they were before; F32 for those of a GGUF. */
  readonly dtype?: FloatType | undefined;
}

export interface ReadTensorOptions {
  /** The first element, and the one after the last. Default: all of them. */
  readonly begin?: number | undefined;
  readonly end?: number | undefined;
  readonly signal?: AbortSignal | null | undefined;
}
