import type { Tensor } from '../../layouts/tensor.js';
import type { Checkpoint } from '../checkpoint.js';
import type { Hparams } from '../config/hparams.js';
import type { KeyList } from '../key-list.js';

/**
 * What llama.cpp's converter makes of one kind of model. A new one is one file and a line in table.ts. What it throws is
 * `unsupported_model` for a model that llama.cpp cannot run, and `invalid_file` for files that contradict each other.
 */
export interface Architecture {
  /** `general.architecture`. */
  readonly name: string;
  /** What config.json calls it, first of its `architectures`. */
  readonly classes: readonly string[];
  /** `quant_method` of checkpoints whose quantized tensors it takes as they are stored: nothing is decoded. */
  readonly ownMethod?: string;
  /** The architecture in its place of models that config.json says something else of. */
  variant?(hparams: Hparams): Architecture | undefined;
  /**
   * All tensors of the file, in its order, under their names there: those that are generated first, then what becomes of the
   * checkpoint's weights. Throws where one has no place in the file. Those that are not decoded are the same in every file.
   */
  tensors(checkpoint: Checkpoint): readonly Tensor[] | Promise<readonly Tensor[]>;
  /** Pairs that stand before all others but the architecture. */
  early?(pairs: KeyList, checkpoint: Checkpoint): void | Promise<void>;
  /** The pairs that begin with the architecture's name, and `general.file_type` where it stands among them. */
  parameters(pairs: KeyList, checkpoint: Checkpoint): void | Promise<void>;
  /** The pairs that begin with `tokenizer.`, and what stands among them. */
  vocabulary(pairs: KeyList, checkpoint: Checkpoint): Promise<void>;
}
