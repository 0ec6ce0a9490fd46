import type { Floor } from '../../plan/floor.js';
import type { Importance } from '../../plan/importance.js';
import type { BatchWarning, BitWidth, GroupSize, ReusableOutput } from '../../types.js';

/** How to quantize layers; as BatchOptions has it. */
export interface LayerOptions {
  readonly bits: BitWidth;
  /** The bits that a layer may come to have, in the order in which they are tried. */
  readonly widthsOf: (layer: string) => readonly BitWidth[];
  /** Whether the caller has fixed the bits of a layer. */
  readonly isFixed: (layer: string) => boolean;
  readonly floor: Floor | null;
  readonly groupSize: GroupSize;
  readonly symmetric: boolean;
  /** Place in EFFORTS. */
  readonly effort: number;
  readonly importance: Importance | null;
  readonly continueOnError: boolean;
  readonly transfer: boolean;
  readonly output: ReusableOutput | undefined;
  /** What is known already. */
  readonly warnings: readonly BatchWarning[];
}
