/** LSTM with weights of 8 bits, as ONNX Runtime's dynamic quantization has it. */

import { type Node } from '../../../containers/onnx/graph.js';
import type { Scope } from './scope.js';

/** Inputs of an LSTM after its weights: bias, lengths, states, peepholes. */
const OTHERS = 5;

/**
 * Adds a `DynamicQuantizeLSTM` for an LSTM of one direction, whose weights are int8 whatever is asked for. Two directions have
 * a scale each: such an LSTM stays. So does one with batches first, which its successor does not know.
 */
export function lstm(scope: Scope, node: Node): boolean {
  const [input = '', weights = '', recurrent = '', ...others] = node.inputs;
  const isPlain = (node.attributes.find(({ name }) => name === 'layout')?.int ?? 0n) === 0n;
  if (!isPlain || !scope.canTurn(weights) || !scope.canTurn(recurrent)) return false;
  const all = [weights, recurrent].map((name) => scope.quantizeTurned(name));
  const inputs = [
    input,
    ...all.map(({ levels }) => levels),
    ...Array.from({ length: OTHERS }, (_, index) => others[index] ?? ''),
    ...all.flatMap(({ scale, zeroPoint }) => [scale, zeroPoint]),
  ];
  for (const name of [input, ...others]) scope.restore(name);
  const name = node.name === undefined || node.name === '' ? undefined : `${node.name}_quant`;
  const attributes = node.attributes.filter((attribute) => attribute.name !== 'layout');
  scope.add({ ...node, opType: 'DynamicQuantizeLSTM', domain: 'com.microsoft', name, inputs, attributes });
  return true;
}
