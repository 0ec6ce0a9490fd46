/** Which operators give floats of 32 bits: facts of ONNX's and ONNX Runtime's schemas (onnx 1.23, onnxruntime 1.32). */

import { DataType } from '../../containers/onnx/data-types.js';
import { floatOf, isOnnxDomain, type Attribute, type Node } from '../../containers/onnx/graph.js';

/**
 * What an output is: `float` of 32 bits (or a sequence of such), `other`, the same as an input (its index), or what an
 * attribute says; undefined where it cannot be known.
 */
export type OutputKind = 'float' | 'other' | number | undefined;

/** What the outputs are, the last for all that follow: `f` float, `o` other, or the index of an input. */
const OUTPUTS: readonly (readonly [outputs: string, operators: string])[] = [
  [
    '0',
    'Abs Acos Acosh Add AffineGrid Asin Asinh Atan Atanh Attention AveragePool BatchNormalization BitShift BitwiseAnd ' +
      'BitwiseNot BitwiseOr BitwiseXor CausalConvWithState Ceil Celu CenterCropPad Clip Col2Im Compress Concat ' +
      'ConcatFromSequence Conv ConvTranspose Cos Cosh CumProd CumSum DFT DeformConv DepthToSpace Det Div Einsum Elu Erf ' +
      'Exp Expand Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool ' +
      'GlobalMaxPool GridSample GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization LRN ' +
      'LSTM LeakyRelu LinearAttention Log LogSoftmax LpNormalization LpPool MatMul Max MaxRoiPool MaxUnpool Mean ' +
      'MeanVarianceNormalization Min Mish Mod Mul Neg NegativeLogLikelihoodLoss Optional OptionalGetElement PRelu Pad ' +
      'Pow RNN Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ' +
      'ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence RoiAlign RotaryEmbedding Round STFT ' +
      'Scatter ScatterElements ScatterND Selu SequenceAt SequenceConstruct SequenceErase SequenceInsert Shrink Sigmoid ' +
      'Sign SimplifiedLayerNormalization Sin Sinh Slice Softmax SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth ' +
      'Split SplitToSequence Sqrt Squeeze Sub Sum SwiGLU Swish Tan Tanh TensorScatter ThresholdedRelu Tile Transpose ' +
      'Trilu Unsqueeze Upsample',
  ],
  [
    'o',
    'And ArgMax ArgMin ConvInteger Equal Greater GreaterOrEqual ImageDecoder IsInf IsNaN Less LessOrEqual ' +
      'MatMulInteger Multinomial NonMaxSuppression NonZero Not OptionalHasElement Or QLinearConv QLinearMatMul ' +
      'QuantizeLinear RegexFullMatch SequenceLength Shape Size StringConcat StringNormalizer StringSplit Xor',
  ],
  ['1', 'CastLike DequantizeLinear RMSNormalization Where'],
  ['2', 'OneHot'],
  ['f', 'TfIdfVectorizer'],
  ['0 o', 'Dropout MaxPool TopK Unique'],
  ['0 f', 'LayerNormalization'],
  ['o f o', 'DynamicQuantizeLinear'],
];

/** The same for operators of ONNX Runtime (com.microsoft). */
const MICROSOFT_OUTPUTS: typeof OUTPUTS = [
  [
    '0',
    'Attention BiasAdd BiasGelu BiasSoftmax BiasSplitGelu DecoderAttention DecoderMaskedMultiHeadAttention ' +
      'DecoderMaskedSelfAttention FastGelu FusedConv FusedGemm FusedMatMul FusedMatMulActivation GatedRelativePositionBias ' +
      'Gelu GemmaRotaryEmbedding GridSample GroupNorm GroupQueryAttention Inverse LongformerAttention MatMulBnb4 ' +
      'MatMulFpQ4 MatMulNBits MoE MultiHeadAttention NhwcConv NhwcMaxPool PackedAttention PackedMultiHeadAttention ' +
      'QMoE QuickGelu RelativePositionBias RestorePadding RotaryEmbedding SkipGroupNorm SparseAttention Trilu',
  ],
  ['0 f f 0', 'SkipLayerNormalization SkipSimplifiedLayerNormalization'],
  ['2', 'GatherBlockQuantized'],
  ['2 o 2', 'EmbedLayerNormalization'],
  ['f', 'DynamicQuantizeLSTM DynamicQuantizeMatMul MatMulIntegerToFloat QAttention'],
  ['f o', 'QEmbedLayerNormalization'],
  ['o', 'QLinearAdd QLinearConcat QLinearMul'],
];

/** The same for those of classical learning (ai.onnx.ml). */
const LEARNING_OUTPUTS: typeof OUTPUTS = [
  ['0', 'ArrayFeatureExtractor Binarizer Imputer'],
  ['f', 'FeatureVectorizer LinearRegressor Normalizer OneHotEncoder SVMRegressor Scaler TreeEnsembleRegressor'],
  ['o f', 'LinearClassifier SVMClassifier TreeEnsembleClassifier'],
  ['o', 'CategoryMapper ZipMap'],
];

/** Attributes that say what the output is, and what it is without: a float, or the same as the first input. */
const ATTRIBUTES: ReadonlyMap<string, readonly [attribute: string, without: OutputKind]> = new Map([
  ['Bernoulli', ['dtype', 0]],
  ['BlackmanWindow', ['output_datatype', 'float']],
  ['Cast', ['to', undefined]],
  ['ConstantOfShape', ['value', 'float']],
  ['EyeLike', ['dtype', 0]],
  ['HammingWindow', ['output_datatype', 'float']],
  ['HannWindow', ['output_datatype', 'float']],
  ['MelWeightMatrix', ['output_datatype', 'float']],
  ['RandomNormal', ['dtype', 'float']],
  ['RandomNormalLike', ['dtype', 0]],
  ['RandomUniform', ['dtype', 'float']],
  ['RandomUniformLike', ['dtype', 0]],
  ['SequenceEmpty', ['dtype', 'float']],
]);

const byOperator = (table: typeof OUTPUTS): ReadonlyMap<string, readonly string[]> =>
  new Map(table.flatMap(([outputs, operators]) => operators.split(' ').map((it) => [it, outputs.split(' ')] as const)));

const BY_DOMAIN: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>> = new Map([
  ['', byOperator(OUTPUTS)],
  ['com.microsoft', byOperator(MICROSOFT_OUTPUTS)],
  ['ai.onnx.ml', byOperator(LEARNING_OUTPUTS)],
]);

/** What output `index` of a node is; branches and loops are not for this function to know. */
export function outputKind(node: Node, index: number): OutputKind {
  const { opType, domain } = node;
  if (isOnnxDomain(domain) && opType === 'Constant') return constantKind(node.attributes);
  const attribute = isOnnxDomain(domain) ? ATTRIBUTES.get(opType) : undefined;
  if (attribute !== undefined) return attributeKind(node, ...attribute);
  const outputs = BY_DOMAIN.get(isOnnxDomain(domain) ? '' : (domain ?? ''))?.get(opType);
  const token = outputs?.[Math.min(index, outputs.length - 1)];
  if (token === undefined) return undefined;
  return token === 'f' ? 'float' : token === 'o' ? 'other' : Number(token);
}

function attributeKind({ attributes }: Node, name: string, without: OutputKind): OutputKind {
  const attribute = attributes.find((it) => it.name === name);
  if (attribute === undefined) return without;
  return kindOf(attribute.tensor?.dataType ?? Number(attribute.int ?? 0n));
}

function constantKind(attributes: readonly Attribute[]): OutputKind {
  const [value] = attributes;
  if (value === undefined || value.name === 'sparse_value') return undefined;
  if (value.tensor !== undefined) return kindOf(value.tensor.dataType);
  return value.name === 'value_floats' || floatOf(value) !== undefined ? 'float' : 'other';
}

export const kindOf = (type: DataType): 'float' | 'other' => (type === DataType.float ? 'float' : 'other');
