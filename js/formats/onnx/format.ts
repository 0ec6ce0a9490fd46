import { mostEffortOf } from '../../codecs/codec.js';
import type { Model as Graphs, Node, OnnxTensor } from '../../containers/onnx/graph.js';
import { MOST_MODEL_BYTES } from '../../containers/onnx/write/lay-out.js';
import { tensorsOfModel } from '../../containers/onnx/tensors.js';
import { QuantizeError } from '../../errors.js';
import type { Model } from '../../models/model.js';
import { quantizeBnb4 } from '../../plan/onnx/blocks/bnb4.js';
import { quantizeBlocks } from '../../plan/onnx/blocks/pass.js';
import { fp16Pass } from '../../plan/onnx/fp16/fp16.js';
import { Halving } from '../../plan/onnx/halved.js';
import { int8Pass, signOfQ8 } from '../../plan/onnx/int8/int8.js';
import { withImportance } from '../../plan/importance.js';
import { planOnnx } from '../../plan/onnx/plan.js';
import { usersOf } from '../../plan/onnx/subgraphs.js';
import type { ConversionPlan } from '../../plan/plan.js';
import { warningsAbout } from '../../plan/warnings.js';
import type { Format, FormatPlanner, FormatQuantization } from '../format.js';
import { isHalved, readOnnxOptions, type OnnxOptions } from './options.js';
import { GraphRules } from './rules.js';

/** ONNX models that ONNX Runtime runs, and transformers.js by way of it. */
export const format: Format = {
  name: 'onnx',
  title: 'an ONNX model',
  options: [
    ...(['type', 'bits', 'groupSize', 'symmetric', 'effort', 'importance', 'rules'] as const),
    ...(['accuracyLevel', 'embeddings', 'onnxForm', 'onnxRuntime', 'externalData'] as const),
  ],
  plannerFor: (quantization): FormatPlanner => {
    const options = readOnnxOptions(quantization);
    return (model) => Promise.resolve(plan(model, quantization, options));
  },
};

function plan(model: Model, quantization: FormatQuantization, options: OnnxOptions): ConversionPlan {
  const rules = new GraphRules(quantization.rules, options.type);
  const made = planOnnx(model, {
    type: labelOf(options),
    rewrite: (graphs, kept) => rewritten(graphs, { options, rules, kept, file: model.name }),
    fillsWithZeroPoints: options.runtime === '1.20',
    form: { externalData: options.externalData, mostBytes: MOST_MODEL_BYTES },
    notes: [],
  });
  const { importance } = quantization;
  const { effort } = options;
  const steps =
    importance === null
      ? made.steps.map((step) => ({ ...step, effort: Math.min(effort, mostEffortIn(step)) }))
      : withImportance(made.steps, { importance, effort }, model);
  return { ...made, steps, warnings: warningsAbout(steps, model.tensors, rules.idle) };
}

/** How hard what encodes it can search. */
const mostEffortIn = ({ planned: { target } }: ConversionPlan['steps'][number]): number =>
  target.kind === 'codec' ? mostEffortOf(target.codec) : 0;

/** What a model is rewritten with. */
interface Rewriting {
  readonly options: OnnxOptions;
  readonly rules: GraphRules;
  /** Why weights stay as they are, or stay out of blocks. */
  readonly kept: Map<OnnxTensor, string>;
  readonly file: string;
}

/** Asks the rules, and notes what they keep. */
function keptBecause({ rules, kept }: Rewriting, weights: OnnxTensor, nodes: readonly Node[]): string | null {
  const rule = rules.keeping(weights, nodes);
  if (rule !== null) kept.set(weights, rule);
  return rule;
}

/** Throws `unsupported_model` where no weights of the model would change. */
function rewritten(graphs: Graphs, work: Rewriting): Graphs {
  const { options, kept, file } = work;
  const output = quantized(graphs, work);
  if (!tensorsOfModel(output).some(({ tensor }) => tensor.data.kind === 'plane')) {
    const detail = `it has no weights that ${options.type} would change: constants of floats that a MatMul multiplies with`;
    throw new QuantizeError('unsupported_model', { file, detail });
  }
  return isHalved(options.type) ? fp16Pass(output, new Halving(kept).halve) : output;
}

function quantized(graphs: Graphs, work: Rewriting): Graphs {
  const { options, kept, file } = work;
  const { type, blockSize } = options;
  const keeps = (weights: OnnxTensor, node: Node): string | null => keptBecause(work, weights, [node]);
  switch (type) {
    case 'q4':
    case 'q2':
    case 'nbits':
    case 'q4f16':
    case 'q2f16':
      return quantizeBlocks(graphs, { ...options, keeps }, file);
    case 'fp16':
      return fp16Pass(graphs, new Halving(kept).halve);
    case 'bnb4':
    case 'nf4':
    case 'fp4':
      return quantizeBnb4(graphs, { kind: type === 'fp4' ? 'fp4' : 'nf4', blockSize, keeps });
    case 'int8':
    case 'uint8':
    case 'q8':
      return quantizedTo8Bits(graphs, work, type);
  }
}

function quantizedTo8Bits(graphs: Graphs, work: Rewriting, type: 'int8' | 'uint8' | 'q8'): Graphs {
  const users = usersOf(graphs.graph);
  const decisions = new Map<OnnxTensor, string | null>();
  const ruleFor = (weights: OnnxTensor): string | null => {
    const known = decisions.get(weights);
    if (known !== undefined) return known;
    const rule = keptBecause(work, weights, users.get(weights) ?? []);
    decisions.set(weights, rule);
    return rule;
  };
  return int8Pass(graphs, {
    sign: type === 'q8' ? signOfQ8(graphs) : type,
    onnxRuntime: work.options.runtime === '1.32' ? '1.32' : '1.20',
    decide: (weights) => {
      const rule = ruleFor(weights);
      return { quantized: rule === null, rule };
    },
  });
}

function labelOf({ type, bits, blockSize, symmetric }: OnnxOptions): string {
  if (bits === 0) return type;
  const what = type === 'nbits' ? `${bits} bits` : type;
  return `${what} g${blockSize}${symmetric ? '' : ' asymmetric'}`;
}
