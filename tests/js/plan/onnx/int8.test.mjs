import { describe, expect, test } from '@jest/globals';
import { int8Pass, signOfQ8 } from '../../support/internals.mjs';
import { bool, float, graph, int64, line, lines, model, node, value, weights } from '../../support/onnx/build.mjs';

const kAll = { sign: 'int8', onnxRuntime: '1.20', decide: () => ({ quantized: true, rule: null }) };
const quantize = (parts, options = {}, about = {}) => int8Pass(model(parts, about), { ...kAll, ...options }).graph;
const namesOf = ({ initializers }) => initializers.map(({ name }) => name);
const linesWith = (made, text) => lines(made).filter((one) => one.includes(text));
const inOut = { inputs: [value('x')], outputs: [value('y')] };

/** What an initializer is made of: weights, codec, how they are seen, and which plane. */
const encodingsOf = ({ initializers }) =>
  Object.fromEntries(
    initializers.flatMap(({ name, dims, data }) => {
      if (data.kind !== 'plane') return [];
      const { weights: from, codec, view, rule } = data.encoding;
      return [[name, [from.name, codec.name, view, data.plane, dims, rule]]];
    }),
  );

describe('products', () => {
  test('of integers are scaled to floats', () => {
    const parts = { nodes: [node('MatMul', ['x', 'w'], ['y'])], initializers: [weights('w', [3, 5])], ...inOut };
    const made = quantize(parts, { decide: () => ({ quantized: true, rule: 'mine' }) });
    expect(lines(made)).toEqual([
      'DynamicQuantizeLinear x_QuantizeLinear x > x_quantized x_scale x_zero_point',
      'MatMulInteger /MatMul_quant x_quantized w_quantized x_zero_point w_zero_point > y_output_quantized',
      'Cast y_output_quantized_cast y_output_quantized > y_output_quantized_cast_output to=1',
      'Mul /MatMul_quant_scales_mul x_scale w_scale > /MatMul_quant_scales_mul:0',
      'Mul /MatMul_quant_output_scale_mul y_output_quantized_cast_output /MatMul_quant_scales_mul:0 > y',
    ]);
    expect(encodingsOf(made)).toEqual({
      w_quantized: ['w', 'onnx_int8', 'stored', 'levels', [3, 5], 'mine'],
      w_scale: ['w', 'onnx_int8', 'stored', 'scales', [], 'mine'],
      w_zero_point: ['w', 'onnx_int8', 'stored', 'zero_points', [], 'mine'],
    });
    expect(new Set(made.initializers.map(({ data }) => data.encoding)).size).toBe(1);
  });

  test('share what they have in common', () => {
    const nodes = ['a', 'b'].map((name) => node('MatMul', ['x', 'w'], [name], { name: '' }));
    const made = quantize({
      nodes: [...nodes, node('Add', ['a', 'b'], ['y'])],
      initializers: [weights('w', [3, 3])],
      ...inOut,
    });
    expect(linesWith(made, 'DynamicQuantizeLinear')).toHaveLength(1);
    expect(linesWith(made, '_mul:0')).toEqual([
      'Mul x_scale_w_scale_mul x_scale w_scale > x_scale_w_scale_mul:0',
      'Mul - a_output_quantized_cast_output x_scale_w_scale_mul:0 > a',
      'Mul - b_output_quantized_cast_output x_scale_w_scale_mul:0 > b',
    ]);
  });

  test('of nodes with the same name keep their own scales', () => {
    const nodes = [node('MatMul', ['x', 'w'], ['a']), node('MatMul', ['a', 'v'], ['y'])];
    const made = quantize({ nodes, initializers: [weights('w', [3, 3]), weights('v', [3, 3])], ...inOut });
    expect(linesWith(made, '/MatMul_quant_scales_mul')).toContain(
      'Mul /MatMul_quant_scales_mul_1 a_scale v_scale > /MatMul_quant_scales_mul_1:0',
    );
  });

  test('with what the model computes, or other types, stay', () => {
    const nodes = [
      node('MatMul', ['x', 'x'], ['a'], { name: '/one' }),
      node('MatMul', ['a', 'half'], ['b'], { name: '/two' }),
      node('MatMul', ['b', 'none'], ['c'], { name: '/three' }),
      node('MatMul', ['c', 'kept'], ['y'], { name: '/four' }),
    ];
    const initializers = [weights('half', [3, 3], 10), weights('none', [0, 3]), weights('kept', [3, 3])];
    const made = quantize({ nodes, initializers, ...inOut }, { decide: () => ({ quantized: false, rule: 'kept' }) });
    expect(made.nodes).toEqual(nodes);
    expect(namesOf(made)).toEqual(['half', 'none', 'kept']);
  });

  test('a convolution adds its bias in a shape of its own', () => {
    const initializers = [weights('w', [8, 3, 3]), weights('b', [8])];
    const made = quantize({ nodes: [node('Conv', ['x', 'w', 'b'], ['y'], { group: 1 })], initializers, ...inOut });
    expect(lines(made).slice(-3)).toEqual([
      'Mul /Conv_quant_output_scale_mul y_output_quantized_cast_output /Conv_quant_scales_mul:0 > yquant_scaled_output',
      'Reshape - b y_bias_reshape_shape > y_bias_reshape_output',
      'Add y_bias_add yquant_scaled_output y_bias_reshape_output > y',
    ]);
    expect(linesWith(made, 'ConvInteger')[0]).toMatch(/ group=1$/);
    const shape = made.initializers.find(({ name }) => name === 'y_bias_reshape_shape');
    expect([...new BigInt64Array(shape.data.bytes.buffer)]).toEqual([1n, -1n, 1n]);
  });

  test('a convolution with computed weights is quantized without a bias only', () => {
    const conv = (inputs) => [node('Relu', ['x'], ['w']), node('Conv', inputs, ['y'])];
    expect(linesWith(quantize({ nodes: conv(['x', 'w']), ...inOut }), 'DynamicQuantizeLinear')).toHaveLength(2);
    const biased = { nodes: conv(['x', 'w', 'b']), initializers: [weights('b', [8])], ...inOut };
    expect(quantize(biased).nodes).toEqual(biased.nodes);
  });
});

describe('Gemm', () => {
  const gemm = (attributes = {}) => node('Gemm', ['x', 'w', 'b'], ['y'], attributes);
  const initializers = [weights('w', [3, 5]), weights('b', [3])];

  test('becomes a MatMul and an Add; transposed weights keep their name', () => {
    const made = quantize({ nodes: [gemm({ transB: 1 })], initializers, ...inOut });
    expect(line(made.nodes.at(-1))).toBe('Add /Gemm_Add y_MatMul b > y');
    expect(linesWith(made, 'MatMulInteger')[0]).toMatch(/^MatMulInteger \/Gemm_MatMul_quant x_quantized w_quantized/);
    expect(encodingsOf(made).w_quantized).toEqual(['w', 'onnx_int8', 'transposed', 'levels', [5, 3], null]);
  });

  test('gives its weights a name of their own in ONNX Runtime 1.32', () => {
    const made = quantize({ nodes: [gemm({ transB: 1 })], initializers, ...inOut }, { onnxRuntime: '1.32' });
    expect(namesOf(made).sort()).toEqual([
      'b',
      'w_Transposed_quantized',
      'w_Transposed_scale',
      'w_Transposed_zero_point',
    ]);
  });

  test('leaves weights to others that take them the other way round', () => {
    const nodes = [gemm({ transB: 1 }), node('Gather', ['w', 'ids'], ['g'])];
    const made = quantize({
      nodes,
      initializers,
      inputs: [value('x'), value('ids', int64)],
      outputs: [value('y'), value('g')],
    });
    const encodings = encodingsOf(made);
    expect(encodings.w_Transposed_quantized[2]).toBe('transposed');
    expect(encodings.w_quantized).toEqual(['w', 'onnx_uint8_f32', 'stored', 'levels', [3, 5], null]);
  });

  test.each([{ alpha: { float: 0.5 } }, { beta: { float: 2 } }, { transA: 1 }])('stays with %j', (attributes) => {
    const nodes = [gemm(attributes)];
    expect(quantize({ nodes, initializers, ...inOut }).nodes).toEqual(nodes);
  });

  test('with computed weights turns them when the model runs', () => {
    const nodes = [node('Gemm', ['x', 'x'], ['y'], { transB: 1, alpha: { float: 1 } })];
    expect(lines(quantize({ nodes, ...inOut }))).toEqual([
      'Transpose /Gemm_Transpose x > x_Transposed',
      'MatMul /Gemm_MatMul x x_Transposed > y',
    ]);
  });

  test('stays with weights that a rule keeps', () => {
    const nodes = [gemm({ transB: 1 })];
    const made = quantize({ nodes, initializers, ...inOut }, { decide: () => ({ quantized: false, rule: 'kept' }) });
    expect(made.nodes).toEqual(nodes);
  });
});

describe('rows of embeddings', () => {
  const parts = {
    nodes: [node('Gather', ['w', 'ids'], ['g']), node('Transpose', ['g'], ['t']), node('Relu', ['t'], ['y'])],
    initializers: [weights('w', [7, 4])],
    inputs: [value('ids', int64)],
    outputs: [value('y')],
  };

  test('stay uint8 until a node takes floats', () => {
    const made = quantize(parts);
    expect(lines(made)).toEqual([
      'Gather /Gather w_quantized ids > g_quantized',
      'Transpose /Transpose g_quantized > t_quantized',
      'DequantizeLinear t_DequantizeLinear t_quantized w_scale w_zero_point > t',
      'Relu /Relu t > y',
    ]);
    expect(encodingsOf(made).w_quantized[1]).toBe('onnx_uint8_f32');
    expect(encodingsOf(quantize(parts, { onnxRuntime: '1.32' })).w_quantized[1]).toBe('onnx_uint8');
  });

  test('are restored for outputs', () => {
    const made = quantize({ ...parts, outputs: [value('g')] });
    expect(lines(made)).toContain('DequantizeLinear g_DequantizeLinear g_quantized w_scale w_zero_point > g');
  });

  test('are restored for branches that take them, in front of the branches', () => {
    const inner = graph({ nodes: [node('Relu', ['g'], ['r'])], outputs: [value('r')] });
    const nodes = [parts.nodes[0], node('If', ['c'], ['y'], { then_branch: inner, else_branch: inner })];
    const made = quantize({ ...parts, nodes, inputs: [value('ids', int64), value('c', bool)] });
    expect(lines(made).slice(1)).toEqual([
      'DequantizeLinear g_DequantizeLinear g_quantized w_scale w_zero_point > g',
      'If /If c > y',
    ]);
  });

  test('weights that were taken as floats before stay for who takes floats after', () => {
    const nodes = [
      node('Add', ['x', 'w'], ['a'], { name: '/one' }),
      node('MatMul', ['a', 'w'], ['m']),
      node('Add', ['m', 'w'], ['y'], { name: '/two' }),
    ];
    const made = quantize({ nodes, initializers: [weights('w', [4, 4])], ...inOut });
    expect(linesWith(made, 'DequantizeLinear')).toEqual([]);
    expect(namesOf(made)).toContain('w');
    const after = quantize({
      nodes: nodes.slice(1),
      initializers: [weights('w', [4, 4])],
      inputs: [value('a')],
      outputs: [value('y')],
    });
    expect(linesWith(after, 'DequantizeLinear')).toEqual([
      'DequantizeLinear w_DequantizeLinear w_quantized w_scale w_zero_point > w',
    ]);
    expect(namesOf(after)).not.toContain('w');
  });
});

describe('branches', () => {
  const inner = (suffix) =>
    graph({
      nodes: [node('MatMul', ['x', 'w'], [`o${suffix}`], { name: `/${suffix}` })],
      outputs: [value(`o${suffix}`)],
    });
  const parts = {
    nodes: [node('If', ['c'], ['y'], { then_branch: inner('t'), else_branch: inner('e') })],
    initializers: [weights('w', [3, 3])],
    inputs: [value('x'), value('c', bool)],
    outputs: [value('y')],
  };
  const branchesOf = (made) => made.nodes.at(-1).attributes.map((attribute) => attribute.graph);

  test('share quantized weights and activations of the graph around them', () => {
    const made = quantize(parts);
    expect(lines(made)).toEqual([
      'DynamicQuantizeLinear x_QuantizeLinear x > x_quantized x_scale x_zero_point',
      'If /If c > y',
    ]);
    expect(namesOf(made)).toEqual(['w_scale', 'w_zero_point', 'w_quantized']);
    for (const branch of branchesOf(made)) {
      expect(branch.initializers).toEqual([]);
      expect(lines(branch)).toHaveLength(4);
    }
  });

  test('are left alone by ONNX Runtime 1.32', () => {
    const made = quantize(parts, { onnxRuntime: '1.32' });
    expect(made.nodes).toEqual(parts.nodes);
    expect(namesOf(made)).toEqual(['w']);
  });

  test('a name that a branch gives again is its own', () => {
    const own = graph({
      nodes: [node('Relu', ['x'], ['w']), node('MatMul', ['x', 'w'], ['o'])],
      outputs: [value('o')],
    });
    const made = quantize({ ...parts, nodes: [node('If', ['c'], ['y'], { then_branch: own, else_branch: own })] });
    expect(branchesOf(made)[0].nodes).toEqual(own.nodes);
  });
});

describe('LSTM', () => {
  const lstm = (attributes = {}) =>
    node('LSTM', ['x', 'w', 'r', 'b', '', 'h'], ['y'], { hidden_size: 2, ...attributes });
  const of = (directions) => [
    weights('w', [directions, 8, 3]),
    weights('r', [directions, 8, 2]),
    weights('b', [directions, 16]),
  ];
  const parts = (nodes, directions = 1) => ({
    ...{ nodes, initializers: of(directions), inputs: [value('x'), value('h')], outputs: [value('y')] },
  });

  test('of one direction has its matrices turned, as int8 whatever is asked for', () => {
    const made = quantize(parts([lstm({ layout: 0 })]), { sign: 'uint8' });
    expect(lines(made)).toEqual([
      'DynamicQuantizeLSTM /LSTM_quant x w_quantized r_quantized b - h - - w_scale w_zero_point r_scale r_zero_point > y hidden_size=2',
    ]);
    const encodings = encodingsOf(made);
    expect(encodings.w_quantized).toEqual(['w', 'onnx_int8', 'transposed', 'levels', [1, 3, 8], null]);
    expect(encodings.r_scale).toEqual(['r', 'onnx_int8', 'transposed', 'scales', [1], null]);
    expect(encodings.r_zero_point[4]).toEqual([1]);
    expect(made.nodes[0].domain).toBe('com.microsoft');
  });

  test.each([
    ['of two directions', [lstm({ direction: 2 })], 2],
    ['with batches first', [lstm({ layout: 1 })], 1],
  ])('%s stays', (_, nodes, directions) => {
    expect(quantize(parts(nodes, directions)).nodes).toEqual(nodes);
  });

  test('leaves its weights as they are to others', () => {
    const nodes = [lstm(), node('Add', ['y', 'w'], ['z']), node('MatMul', ['z', 'w'], ['p'])];
    const made = quantize({ ...parts(nodes), outputs: [value('p')] });
    expect(lines(made).slice(1)).toEqual(['Add /Add y w > z', 'MatMul /MatMul z w > p']);
    expect(namesOf(made)).toContain('w');
  });

  test('shares its weights with another', () => {
    const nodes = [lstm(), node('LSTM', ['y', 'w', 'r'], ['z'], { name: '/other' })];
    const made = quantize({ ...parts(nodes), outputs: [value('z')] });
    expect(linesWith(made, 'DynamicQuantizeLSTM')).toHaveLength(2);
    expect(namesOf(made).filter((name) => name.startsWith('w'))).toHaveLength(3);
  });
});

describe("ONNX Runtime's own operators", () => {
  test('Attention becomes QAttention', () => {
    const attention = node('Attention', ['x', 'w', 'b', 'mask'], ['y'], { domain: 'com.microsoft', num_heads: 2 });
    const initializers = [weights('w', [4, 12]), weights('b', [12])];
    const source = model({
      nodes: [attention],
      initializers,
      inputs: [value('x'), value('mask', int64)],
      outputs: [value('y')],
    });
    const made = int8Pass(source, kAll);
    expect(line(made.graph.nodes.at(-1))).toBe(
      'QAttention /Attention_quant x_quantized w_quantized b x_scale w_scale mask x_zero_point w_zero_point - > y num_heads=2',
    );
    expect(made.opsetImports.map(({ domain, version }) => [domain, version])).toEqual([
      ['', 17],
      ['com.microsoft', 1],
    ]);
  });

  test("ONNX's Attention is another operator", () => {
    const nodes = [node('Attention', ['x', 'w', 'x'], ['y'])];
    expect(quantize({ nodes, initializers: [weights('w', [4, 4])], ...inOut }).nodes).toEqual(nodes);
  });

  test('EmbedLayerNormalization has its tables and its scales quantized', () => {
    const inputs = ['ids', '', 'words', 'places', '', 'gamma', 'beta'];
    const nodes = [node('EmbedLayerNormalization', inputs, ['y', 'mask'], { domain: 'com.microsoft' })];
    const initializers = ['words', 'places', 'gamma', 'beta'].map((name) => weights(name, [4, 4]));
    const made = quantize({ nodes, initializers, inputs: [value('ids', int64)], outputs: [value('y')] });
    const of = (suffix) =>
      ['words', 'places', '', 'gamma', 'beta'].map((name) => (name === '' ? '-' : name + suffix)).join(' ');
    expect(lines(made)).toEqual([
      `QEmbedLayerNormalization /EmbedLayerNormalization_quant ids - ${of('_quantized')} - ${of('_scale')} ${of('_zero_point')} > y mask`,
    ]);
  });
});

describe('models', () => {
  const nodes = [node('MatMul', ['x', 'w'], ['y'])];
  const initializers = [weights('w', [3, 3])];

  test('of an older opset are refused', () => {
    expect(() => quantize({ nodes, initializers, ...inOut }, {}, { opset: 10 })).toThrow(
      expect.objectContaining({
        code: 'unsupported_model',
        message: expect.stringMatching(/version 10; export it with version 11 or newer/),
      }),
    );
  });

  test('keep values of names that quantization gives', () => {
    const own = ['x_scale', 'w_quantized', 'w_zero_point', 'y_output_quantized', 'y_output_quantized_cast_output'];
    const taken = own.map((name) => node('Relu', ['x'], [name]));
    const made = quantize({ nodes: [...taken, ...nodes], initializers, ...inOut });
    const names = [...made.nodes.flatMap(({ outputs }) => outputs), ...made.initializers.map(({ name }) => name)];
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(own.map((name) => `${name}_1`)));
    expect(made.nodes.find(({ opType }) => opType === 'MatMulInteger').inputs[1]).toBe('w_quantized_1');
  });

  test('keep constants of names that the bias of a Conv gives', () => {
    const own = ['y_bias_reshape_shape', 'y_bias_reshape_output', 'yquant_scaled_output'];
    const made = quantize({
      nodes: [node('Conv', ['x', 'w', 'b'], ['y']), ...own.map((name) => node('Relu', [name], [`r_${name}`]))],
      initializers: [weights('w', [2, 2, 3]), weights('b', [2]), ...own.map((name) => weights(name, [2]))],
      ...inOut,
    });
    const kept = made.initializers.filter(({ dataType, data }) => dataType === float && data.kind === 'bytes');
    expect(kept.map(({ name }) => name)).toEqual(expect.arrayContaining(own));
    expect(made.nodes.find(({ opType }) => opType === 'Reshape')).toMatchObject({
      inputs: ['b', 'y_bias_reshape_shape_1'],
      outputs: ['y_bias_reshape_output_1'],
    });
  });

  test('lose inputs that only name initializers which are gone', () => {
    const made = quantize({ nodes, initializers, inputs: [value('x'), value('w')], outputs: [value('y')] });
    expect(made.inputs.map(({ name }) => name)).toEqual(['x']);
  });

  test('have uint8 weights for q8 where int8 does not run everywhere', () => {
    const inner = graph({ nodes: [node('Conv', ['x', 'w'], ['o'])], outputs: [value('o')] });
    expect(signOfQ8(model({ nodes }))).toBe('int8');
    expect(signOfQ8(model({ nodes: [node('GroupQueryAttention', [], [])] }))).toBe('uint8');
    expect(signOfQ8(model({ nodes: [node('If', ['c'], ['y'], { then_branch: inner, else_branch: inner })] }))).toBe(
      'uint8',
    );
  });

  test('are not changed themselves', () => {
    const source = model({ nodes, initializers, ...inOut });
    const before = structuredClone(source);
    int8Pass(source, kAll);
    expect(source).toEqual(before);
    expect(source.graph.initializers[0].dataType).toBe(float);
  });
});
