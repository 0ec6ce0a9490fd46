import type { Checkpoint } from '../../checkpoint.js';
import { countIn } from './parameters.js';

const WINDOW = 'sliding_window';

/**
 * Throws `invalid_file` where config.json has a window, and none of the layers attends to a window only: llama.cpp ends itself over
 * such a model. `layers` says of each whether it does.
 */
export function refuseUnusedWindow({ hparams }: Checkpoint, layers: readonly boolean[]): void {
  if (layers.includes(true) || countIn(hparams, WINDOW) === 0) return;
  throw hparams.wrong([WINDOW], '0, as none of its layers attends to a window only (layer_types)');
}
