/** Which nodes keep computing in f32 in a model of float16. */

import { isOnnxDomain, type Node } from '../../../containers/onnx/graph.js';
import { outputKind } from '../operator-types.js';

/** What transformers.js' float16.py never converts, in whatever domain. */
const BLOCKED: ReadonlySet<string> = new Set(
  (
    'ArrayFeatureExtractor Binarizer Cast CastMap CategoryMapper CumSum DictVectorizer FeatureVectorizer Imputer ' +
    'LabelEncoder LinearClassifier LinearRegressor Max Min NonMaxSuppression Normalizer OneHotEncoder RandomNormalLike ' +
    'RandomUniformLike Resize RoiAlign SVMClassifier SVMRegressor Scaler TopK TreeEnsembleClassifier ' +
    'TreeEnsembleRegressor Upsample ZipMap'
  ).split(' '),
);

/** Since which opset operators of ONNX take float16; those that never do have none. */
const TAKES_HALVES_SINCE: ReadonlyMap<string, number> = new Map([
  ['Celu', 28],
  ['DequantizeLinear', 19],
  ['DynamicQuantizeLinear', Infinity],
  ['IsInf', 20],
  ['QLinearConv', Infinity],
  ['QLinearMatMul', 21],
  ['QuantizeLinear', 19],
  ['Range', 27],
]);

/**
 * Whether a node keeps f32, with conversions before and after it: those that float16.py leaves out, and those that it makes a
 * file of that does not open: operators without float16, and those that give f32 whatever they take.
 *
 * @param opset version of ONNX's own operators
 */
export function isBlocked(node: Node, opset: number): boolean {
  if (BLOCKED.has(node.opType)) return true;
  if (isOnnxDomain(node.domain) && (TAKES_HALVES_SINCE.get(node.opType) ?? 0) > opset) return true;
  if (isEmptySequence(node)) return false;
  // The value of a constant is converted itself.
  const hasTensor = node.attributes.some(({ name, tensor }) => name === 'value' && tensor !== undefined);
  return !hasTensor && node.outputs.some((name, index) => name !== '' && outputKind(node, index) === 'float');
}

/** Whether a node makes an empty list of f32 tensors, which no Cast could convert. */
export const isEmptySequence = (node: Node): boolean =>
  node.opType === 'SequenceEmpty' && isOnnxDomain(node.domain) && outputKind(node, 0) === 'float';
