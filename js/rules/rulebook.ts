import type { OutputForm, TypeChoice } from './decision.js';
import type { TensorDescription } from './rule.js';

/** A tensor under the name and the shape that it has in the output. */
export interface PlacedTensor {
  readonly tensor: TensorDescription;
  readonly output: OutputForm;
}

/** What becomes of the tensors of one kind of model in files for one kind of program. */
export interface Rulebook {
  /** What all names of the model's tensors begin with in the input, and not in the output. */
  readonly prefix: string;
  /** What is said of tensors that are left out; by default that the file holds the diffusion model alone. */
  readonly leftOutNote?: string;
  /** Why a tensor is left out, whatever rules of the caller's say; null when it is a part of the model. */
  leftOutBecause(tensor: TensorDescription): string | null;
  outputOf(tensor: TensorDescription): OutputForm;
  /** Why a tensor is never quantized; null when it may be. */
  keptBecause(placed: PlacedTensor): string | null;
  /** Why no rule of the caller's may give a tensor another type than F32: no program would open the file; null when one may. */
  onlyF32Because?(placed: PlacedTensor): string | null;
  /** What a tensor has to become for the program to open the file, where it must not stay what it is. */
  neededType?(placed: PlacedTensor): TypeChoice | null;
  /**
   * By tensor, what those of `open` become, given in the order of the input. `settled` is what rules of the caller's say
   * about the others.
   */
  typesOf(
    open: readonly PlacedTensor[],
    settled: ReadonlyMap<TensorDescription, TypeChoice>,
  ): ReadonlyMap<TensorDescription, TypeChoice>;
}

export const asItIs = ({ name, shape }: TensorDescription): OutputForm => ({ name, shape, keyValues: [] });
