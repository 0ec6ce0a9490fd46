import {
  isOnnxDomain,
  opsetVersion,
  subgraphsOf,
  type Graph,
  type Model,
  type Node,
} from '../../../containers/onnx/graph.js';
import { QuantizeError, quoted } from '../../../errors.js';

/** Since when there are tensors of int4, in versions of the operators and of the format. */
const INT4_OPSET = 21;
const INT4_IR_VERSION = 10;

/** Before that, far more operators were others. */
const OLDEST_OPSET = 13;

const REDUCTIONS = ['Max', 'Mean', 'Min', 'Prod', 'L1', 'L2', 'LogSum', 'LogSumExp', 'SumSquare'].map(
  (name) => `Reduce${name}`,
);

/** Which nodes mean something else, or nothing, with the operators of opset 21. */
interface Change {
  readonly opTypes: readonly string[];
  /** The first opset that has it otherwise. */
  readonly since: number;
  readonly concerns: (node: Node) => boolean;
}

const hasAttribute = ({ attributes }: Node, name: string): boolean => attributes.some((one) => one.name === name);

const CHANGES: readonly Change[] = [
  { opTypes: REDUCTIONS, since: 18, concerns: (node) => hasAttribute(node, 'axes') },
  {
    opTypes: ['Split'],
    since: 18,
    concerns: (node) => (node.inputs[1] ?? '') === '' && !hasAttribute(node, 'num_outputs'),
  },
  { opTypes: ['GridSample'], since: 20, concerns: (node) => hasAttribute(node, 'mode') },
  { opTypes: ['GroupNormalization'], since: 21, concerns: () => true },
  { opTypes: ['BatchNormalization'], since: 14, concerns: ({ outputs }) => outputs.length > 1 },
  { opTypes: ['Upsample', 'Scatter'], since: 0, concerns: () => true },
];

/**
 * The model with the operators of opset 21, which are the first that take int4. Throws `unsupported_model` where nodes of it
 * would mean something else then.
 */
export function withInt4(model: Model, name: string): Model {
  const irVersion = Math.max(model.irVersion, INT4_IR_VERSION);
  const version = opsetVersion(model);
  if (version >= INT4_OPSET) return { ...model, irVersion };
  const node = version < OLDEST_OPSET ? undefined : changedNode(model.graph, version);
  if (version < OLDEST_OPSET || node !== undefined) {
    const why = node === undefined ? '' : `, and ${node.opType} ${quoted(node.name ?? '')} has another meaning there`;
    const detail = `it has opset ${version}, but int4 needs ${INT4_OPSET}${why}; export it with opset ${INT4_OPSET}`;
    throw new QuantizeError('unsupported_model', { file: name, detail });
  }
  const opsetImports = model.opsetImports.map((one) =>
    isOnnxDomain(one.domain) ? { ...one, version: INT4_OPSET } : one,
  );
  return { ...model, irVersion, opsetImports };
}

function changedNode({ nodes }: Graph, version: number): Node | undefined {
  for (const node of nodes) {
    const change = isOnnxDomain(node.domain)
      ? CHANGES.find(
          ({ opTypes, since, concerns }) =>
            opTypes.includes(node.opType) && (since === 0 || version < since) && concerns(node),
        )
      : undefined;
    if (change !== undefined) return node;
    for (const subgraph of subgraphsOf(node)) {
      const inner = changedNode(subgraph, version);
      if (inner !== undefined) return inner;
    }
  }
  return undefined;
}
