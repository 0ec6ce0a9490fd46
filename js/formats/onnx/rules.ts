import { dataTypeName } from '../../containers/onnx/data-types.js';
import type { Node, OnnxTensor } from '../../containers/onnx/graph.js';
import { elementCount } from '../../containers/dtypes.js';
import { QuantizeError } from '../../errors.js';
import { idleRules, keepingRule, type IdleRule, type TensorDescription, type TypedRule } from '../../rules/rule.js';

/** The caller's rules, asked about weights and the nodes that use them. */
export class GraphRules {
  readonly #rules: readonly TypedRule[];
  readonly #seen: TensorDescription[] = [];

  /** Throws `invalid_option` for rules that a graph's weights cannot follow. */
  constructor(rules: readonly TypedRule[]) {
    const odd = rules.find(({ type }) => type !== 'keep' && type !== 'quantize');
    if (odd !== undefined) {
      const detail = `${odd.name} cannot apply: in an ONNX model the type is that of all weights; rules can keep some of them`;
      throw new QuantizeError('invalid_option', { detail });
    }
    this.#rules = rules;
  }

  /** The name of the rule that keeps the weights, by their name or by the node's; null where they are to be quantized. */
  keeping(weights: OnnxTensor, node?: Node): string | null {
    const about = described(weights);
    const names = node?.name === undefined || node.name === '' ? [about] : [about, { ...about, name: node.name }];
    this.#seen.push(...names);
    const rules = names.flatMap((one) => keepingRule(this.#rules, one) ?? []);
    // The first of the caller's rules counts, whichever name it fits.
    const [first] = this.#rules.filter((rule) => rules.includes(rule));
    return first?.type === 'keep' ? first.name : null;
  }

  /** Rules that no weights were found for. */
  get idle(): readonly IdleRule[] {
    return idleRules(this.#rules, this.#seen);
  }
}

const described = ({ name = '', dataType, dims }: OnnxTensor): TensorDescription => ({
  name,
  dtype: dataTypeName(dataType),
  shape: dims,
  elements: elementCount(dims),
});
