import { dataTypeName } from '../../containers/onnx/data-types.js';
import type { Node, OnnxTensor } from '../../containers/onnx/graph.js';
import { elementCount } from '../../containers/dtypes.js';
import { QuantizeError } from '../../errors.js';
import type { OnnxType } from '../names.js';
import { isHalved } from './options.js';
import { idleRules, keepingRule, type IdleRule, type TensorDescription, type TypedRule } from '../../rules/rule.js';

function reasonOf(rule: TypedRule, type: OnnxType): string {
  if (type === 'fp16') return 'all floats of an fp16 model become F16; leave it out';
  return isHalved(type)
    ? `all floats of a ${type} model become F16; with F16 instead of ${rule.type}, weights stay out of blocks`
    : 'in an ONNX model the type is that of all weights; rules can keep some of them';
}

/** The caller's rules, asked about weights and the nodes that use them. */
export class GraphRules {
  readonly #rules: readonly TypedRule[];
  readonly #seen: TensorDescription[] = [];

  /** Throws `invalid_option` for rules that weights of a model of `type` cannot follow. */
  constructor(rules: readonly TypedRule[], type: OnnxType) {
    const others = isHalved(type) ? 'F16' : 'keep';
    const odd = rules.find((rule) => type === 'fp16' || (rule.type !== others && rule.type !== 'quantize'));
    if (odd !== undefined) {
      throw new QuantizeError('invalid_option', { detail: `${odd.name} cannot apply: ${reasonOf(odd, type)}` });
    }
    this.#rules = rules;
  }

  /**
   * The name of the rule that keeps the weights, or keeps them out of blocks, by their name or by that of a node that uses
   * them; null where they are to be quantized.
   */
  keeping(weights: OnnxTensor, nodes: readonly Node[]): string | null {
    const about = described(weights);
    const named = nodes.flatMap(({ name = '' }) => (name === '' ? [] : [{ ...about, name }]));
    const names = [about, ...named];
    this.#seen.push(...names);
    const rules = names.flatMap((one) => keepingRule(this.#rules, one) ?? []);
    // The first of the caller's rules counts, whichever name it fits.
    const [first] = this.#rules.filter((rule) => rules.includes(rule));
    return first === undefined || first.type === 'quantize' ? null : first.name;
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
