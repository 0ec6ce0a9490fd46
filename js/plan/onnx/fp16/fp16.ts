/** Models in float16. */

import { DataType } from '../../../containers/onnx/data-types.js';
import { opsetVersion, subgraphsOf, type Graph, type Model, type OnnxTensor } from '../../../containers/onnx/graph.js';
import { QuantizeError } from '../../../errors.js';
import { Names } from '../names.js';
import { valueKinds } from '../value-kinds.js';
import { arranged } from './arranged.js';
import { HalvedGraph } from './halved-graph.js';

/** Number of GraphProto.sparse_initializer and of AttributeProto.AttributeType.SPARSE_TENSOR. */
const SPARSE_INITIALIZER = 15;
const SPARSE_TENSOR = 11;

/**
 * Converts all that is f32 to float16, as transformers.js' `float16.py` does with `keep_io_types`: inputs stay f32 and are
 * converted first, outputs last, and operators that have no float16 get conversions before and after. Nodes, names and
 * values are the same, but where the file that the script writes does not open. An output that such an operator gives is
 * float16, as it is there. Where the script would write a weight several times, in branches, it stays once where it was.
 *
 * @param model a model whose nodes are in an order in which they can run
 * @param halve the float16 form of a tensor of f32
 * @throws QuantizeError `unsupported_model` when it has float16 already, or values whose type has to be known and is not
 */
export function fp16Pass(model: Model, halve: (tensor: OnnxTensor) => OnnxTensor): Model {
  checkModel(model);
  const context = { halve, names: new Names(model), kinds: valueKinds(model), opset: opsetVersion(model) };
  return { ...model, graph: arranged(new HalvedGraph(model.graph, undefined, context).run()) };
}

function checkModel({ graph, functions }: Model): void {
  const values = [...graph.inputs, ...graph.outputs, ...graph.valueInfos];
  const types = values.map(({ type }) => type?.tensor?.elementType);
  const casts = graph.nodes.filter(({ opType }) => opType === 'Cast').flatMap(({ attributes }) => attributes);
  const hasHalves =
    [...types, ...graph.initializers.map(({ dataType }) => dataType)].includes(DataType.float16) ||
    casts.some(({ name, int }) => name === 'to' && int === BigInt(DataType.float16));
  if (hasHalves) throw refusal('it has float16 values already');
  if (functions.length > 0)
    throw refusal('it has functions of its own, inside of which nothing is converted to float16');
  const other = [...graph.inputs, ...graph.outputs].find(({ type }) => type !== undefined && type.tensor === undefined);
  if (other !== undefined) throw refusal(`its ${other.name} is no tensor, and float16 is for models of tensors`);
  if (isSparse(graph)) throw refusal('it has sparse tensors, which are not converted to float16');
}

const isSparse = ({ nodes, rest }: Graph): boolean =>
  rest.some(({ number }) => number === SPARSE_INITIALIZER) ||
  nodes.some(
    (node) =>
      node.attributes.some(({ type }) => type === SPARSE_TENSOR) || subgraphsOf(node).some((inner) => isSparse(inner)),
  );

const refusal = (detail: string): QuantizeError => new QuantizeError('unsupported_model', { detail });
