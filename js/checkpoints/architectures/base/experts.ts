import { reshaped, rows, stacked } from '../../weights/operations.js';
import type { Weight } from '../../weights/weight.js';
import type { Block } from './block.js';
import type { Recipe } from './recipes.js';
import { only } from './split.js';

/** One of the matrices that every expert of a layer has. */
export interface ExpertMatrix {
  /** In the GGUF, where those of all experts are one tensor. */
  readonly made: string;
  /** In the checkpoint, behind the expert's number. */
  readonly part: string;
  /** Of one expert: rows, columns. */
  readonly shape: readonly [number, number];
}

/**
 * The experts of a layer, each of which has its own tensors: `<part>.<expert>.<matrix>.weight`. They are stacked in the order of
 * `matrices` when the last tensor of the last expert was read.
 */
export const separateExperts = (
  block: Block,
  part: string,
  experts: number,
  matrices: readonly ExpertMatrix[],
): Recipe => ({
  parts: matrices.flatMap((matrix) =>
    Array.from({ length: experts }, (_, expert) => ({
      name: block.part(`${part}.${expert}.${matrix.part}.weight`),
      shape: matrix.shape,
    })),
  ),
  products: matrices.map(({ made }, index) => ({
    name: block.made(`${made}.weight`),
    make: (parts: readonly Weight[]) =>
      stacked(parts.slice(index * experts, (index + 1) * experts), block.made(`${made}.weight`)),
  })),
});

/** The three matrices of experts whose feed-forward network has a gate, in the converter's order for most families. */
export const gatedMatrices = (embedding: number, feedForward: number): readonly ExpertMatrix[] => [
  { made: 'ffn_down_exps', part: 'down_proj', shape: [embedding, feedForward] },
  { made: 'ffn_gate_exps', part: 'gate_proj', shape: [feedForward, embedding] },
  { made: 'ffn_up_exps', part: 'up_proj', shape: [feedForward, embedding] },
];

/** The experts of a layer that are stacked already, with gate above up. */
export function stackedExperts(
  block: Block,
  part: string,
  experts: number,
  [feedForward, embedding]: readonly [number, number],
): readonly Recipe[] {
  const both = [experts, 2 * feedForward, embedding];
  return [
    block.tensor('ffn_down_exps.weight', `${part}.down_proj`, [experts, embedding, feedForward]),
    {
      parts: [{ name: block.part(`${part}.gate_up_proj`), shape: both }],
      products: ['ffn_gate_exps', 'ffn_up_exps'].map((made, index) => ({
        name: block.made(`${made}.weight`),
        make: ([weight]) => rowsOfEach(weight, index * feedForward, (index + 1) * feedForward, block.made(made)),
      })),
    },
  ];
}

/** Rows `begin` to `end` of each matrix of a stack. */
export function rowsOfEach(weight: Weight | undefined, begin: number, end: number, name: string): Weight {
  const stack = only(weight);
  const [count = 0, height = 0, width = 0] = stack.shape;
  const matrices = Array.from({ length: count }, (_, index) =>
    rows(reshaped(rows(stack, index, index + 1), [height, width]), begin, end),
  );
  return stacked(matrices, name);
}
