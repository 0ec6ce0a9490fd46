import type { Tensor } from '../../layouts/tensor.js';

/** The parameters of a model, as sizes in names are made of them. */
export interface ParameterCounts {
  readonly total: number;
  /** Those that every token goes through. */
  readonly shared: number;
  /** Those of one expert, of all layers. */
  readonly expert: number;
  readonly experts: number;
}

/** Experts of a layer lie in one tensor, with them as the third dimension from the end; for biases the second. */
export function parametersOf(tensors: readonly Tensor[]): ParameterCounts {
  let [total, shared, expert, expertSum, expertTensors] = [0, 0, 0, 0, 0];
  for (const { name, shape, elements } of tensors) {
    total += elements;
    const experts =
      name.includes('_exps.') && shape.length >= 3 ? (shape.at(name.includes('.bias') ? -2 : -3) ?? 0) : 0;
    if (experts === 0) {
      shared += elements;
      continue;
    }
    expert += Math.floor(elements / experts);
    expertSum += experts;
    ++expertTensors;
  }
  return { total, shared, expert, experts: expertTensors === 0 ? 0 : Math.floor(expertSum / expertTensors) };
}
