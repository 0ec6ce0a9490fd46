import { describe, expect, test } from '@jest/globals';
import { fp16Pass } from '../../support/internals.mjs';
import {
  bool,
  float,
  float16,
  graph,
  int64,
  lines,
  model,
  node,
  typesOf,
  value,
  weights,
} from '../../support/onnx/build.mjs';

const halve = (tensor) => ({ ...tensor, dataType: float16 });
const convert = (parts, about) => fp16Pass(model(parts, about), halve).graph;
const refusalOf = (parts, about) => {
  try {
    convert(parts, about);
  } catch ({ code, message }) {
    return `${code}: ${message}`;
  }
  return 'nothing';
};

describe('inputs and outputs', () => {
  test('stay f32, with conversions named after them', () => {
    const made = convert({
      nodes: [
        node('Add', ['x', 'w'], ['y']),
        node('Split', ['y'], ['one', 'two'], { axis: 0 }),
        node('Exp', ['two'], ['z']),
      ],
      initializers: [weights('w', [4])],
      inputs: [value('x'), value('ids', int64), value('unused')],
      outputs: [value('two'), value('z')],
    });
    expect(lines(made)).toEqual([
      'Cast x_fp16 x > x_fp16 to=10',
      'Add /Add x_fp16 w > y',
      'Split /Split y > one two_fp16 axis=0',
      'Exp /Exp two_fp16 > z_fp16',
      'Cast two_fp16_input_cast1 two_fp16 > two to=1',
      'Cast z_fp16_input_cast0 z_fp16 > z to=1',
    ]);
    expect(typesOf(made.inputs)).toEqual({ x: float, ids: int64, unused: float });
    expect(typesOf(made.outputs)).toEqual({ two: float, z: float });
    expect(typesOf(made.initializers)).toEqual({ w: float16 });
  });

  test('an output that a node in f32 gives is float16, as float16.py leaves it', () => {
    const made = convert({
      nodes: [node('Cast', ['ids'], ['y'], { to: 1 }), node('Max', ['y', 'y'], ['z'])],
      inputs: [value('ids', int64)],
      outputs: [value('y')],
    });
    expect(lines(made)).toEqual([
      'Cast /Cast ids > /Cast_output_cast_0 to=1',
      'Cast /Cast_output_cast0 /Cast_output_cast_0 > y to=10',
      'Cast /Max_input_cast0 y > /Max_input_cast_0 to=1',
      'Cast /Max_input_cast1 y > /Max_input_cast_1 to=1',
      'Max /Max /Max_input_cast_0 /Max_input_cast_1 > /Max_output_cast_0',
      'Cast /Max_output_cast0 /Max_output_cast_0 > z to=10',
    ]);
    expect(typesOf(made.outputs)).toEqual({ y: float16 });
  });

  test('that are initializers or inputs themselves are right, too', () => {
    const made = convert({
      nodes: [node('Add', ['x', 'w'], ['y'])],
      initializers: [weights('w', [4]), weights('named', [4])],
      inputs: [value('x'), value('w')],
      outputs: [value('x'), value('w'), value('y')],
    });
    expect(lines(made)).toEqual([
      'Cast x_fp16 x > x_fp16 to=10',
      'Cast w_fp16_input_cast0 w_fp16 > w to=1',
      'Add /Add x_fp16 w_fp16 > y_fp16',
      'Cast y_fp16_input_cast0 y_fp16 > y to=1',
    ]);
    expect(typesOf(made.initializers)).toEqual({ w_fp16: float16 });
  });
});

describe('nodes in f32', () => {
  test('get conversions only where there are floats', () => {
    const made = convert({
      nodes: [node('Relu', ['x'], ['r']), node('TopK', ['r', 'k'], ['values', 'places'], { axis: 1 })],
      initializers: [weights('k', [1], int64)],
      inputs: [value('x')],
      outputs: [value('places', int64)],
    });
    expect(lines(made).slice(2)).toEqual([
      'Cast /TopK_input_cast0 r > /TopK_input_cast_0 to=1',
      'TopK /TopK /TopK_input_cast_0 k > /TopK_output_cast_0 places axis=1',
      'Cast /TopK_output_cast0 /TopK_output_cast_0 > values to=10',
    ]);
  });

  test('keep their weights, unless others take them as well', () => {
    const made = convert({
      nodes: [
        node('Resize', ['x', '', 'scales'], ['r'], { name: '/one' }),
        node('Max', ['r', 'shared'], ['m'], { name: '/two' }),
        node('Add', ['m', 'shared'], ['y']),
      ],
      initializers: [weights('scales', [4]), weights('shared', [4])],
      inputs: [value('x')],
      outputs: [value('y')],
    });
    expect(typesOf(made.initializers)).toEqual({ scales: float, shared: float16 });
    expect(lines(made)).toContain('Max /two /two_input_cast_0 /two_input_cast_1 > /two_output_cast_0');
    expect(lines(made)).toContain('Cast /two_input_cast1 shared > /two_input_cast_1 to=1');
  });

  test('of ONNX Runtime give values that a Cast takes as they are, unless the file tells their type', () => {
    const parts = {
      nodes: [
        node('MatMulNBits', ['x', 'q', 's'], ['y'], { domain: 'com.microsoft' }),
        node('Relu', ['y'], ['r']),
        node('Cast', ['r'], ['whole'], { to: int64 }),
      ],
      initializers: [weights('s', [4])],
      inputs: [value('x')],
      outputs: [value('whole', int64)],
    };
    expect(lines(convert(parts))).toContain('Cast /Cast r > whole to=7');
    const told = lines(convert({ ...parts, valueInfos: [value('r')] }));
    expect(told).toContain('Cast /Cast_input_cast0 r > /Cast_input_cast_0 to=1');
    expect(told).toContain('Cast /Cast /Cast_input_cast_0 > whole to=7');
  });

  const kWithoutHalves = [
    ['Range', 17, [node('Range', ['x', 'x', 'x'], ['y'])]],
    ['IsInf', 17, [node('IsInf', ['x'], ['b']), node('Where', ['b', 'x', 'x'], ['y'])]],
    ['DequantizeLinear', 17, [node('DequantizeLinear', ['q', 'x'], ['y'])]],
    ['RandomNormal', 17, [node('RandomNormal', [], ['n'], { dtype: 1 }), node('Add', ['x', 'n'], ['y'])]],
    ['EyeLike', 17, [node('EyeLike', ['ids'], ['e'], { dtype: 1 }), node('Add', ['x', 'e'], ['y'])]],
    ['ConstantOfShape', 17, [node('ConstantOfShape', ['ids'], ['c']), node('Add', ['x', 'c'], ['y'])]],
    ['Constant', 17, [node('Constant', [], ['c'], { value_float: { float: 0.5 } }), node('Add', ['x', 'c'], ['y'])]],
    [
      'LayerNormalization',
      17,
      [node('LayerNormalization', ['x', 'x'], ['l', 'mean']), node('Add', ['l', 'mean'], ['y'])],
    ],
  ];
  test.each(kWithoutHalves)('%s has no float16 in opset %d', (opType, opset, nodes) => {
    const parts = { nodes, inputs: [value('x'), value('ids', int64), value('q', 2)], outputs: [value('y')] };
    expect(lines(convert(parts, { opset })).join('\n')).toMatch(new RegExp(`/${opType}_(input|output)_cast_0`));
  });

  test.each([
    ['Range', 27],
    ['IsInf', 20],
    ['DequantizeLinear', 19],
  ])('%s has float16 since opset %d', (opType, opset) => {
    const nodes = opType === 'IsInf' ? kWithoutHalves[1][2] : [node(opType, ['x', 'x', 'x'], ['y'])];
    const made = convert({ nodes, inputs: [value('x')], outputs: [value('y')] }, { opset });
    expect(lines(made).join('\n')).not.toMatch(/_cast_/);
  });

  test('tensors in attributes become float16', () => {
    const made = convert({
      nodes: [
        node('Constant', [], ['c'], { value: weights('', [1]) }),
        node('ConstantOfShape', ['ids'], ['s'], { value: weights('', [1]) }),
        node('Add', ['c', 's'], ['y']),
      ],
      inputs: [value('ids', int64)],
      outputs: [value('y')],
    });
    const types = made.nodes.flatMap(({ attributes }) => attributes.map(({ tensor }) => tensor?.dataType));
    expect(types).toEqual([float16, float16, undefined]);
  });

  test('lists of tensors become lists of float16', () => {
    const made = convert({
      nodes: [
        node('SequenceEmpty', [], ['none']),
        node('SequenceInsert', ['none', 'x'], ['list']),
        node('ConcatFromSequence', ['list'], ['y'], { axis: 0 }),
      ],
      inputs: [value('x')],
      outputs: [value('y')],
    });
    expect(lines(made)).toContain('SequenceEmpty /SequenceEmpty > none dtype=10');
  });

  test('without names of their own get names that differ', () => {
    const nodes = ['a', 'b', 'c'].map((name, index) =>
      node('Min', [['x', 'a', 'b'][index]], [name], { name: undefined }),
    );
    const made = convert({ nodes, inputs: [value('x')], outputs: [value('c')] });
    const outputs = made.nodes.flatMap((one) => one.outputs);
    expect(outputs.length).toBe(10);
    expect(new Set(outputs).size).toBe(outputs.length);
  });
});

describe('branches', () => {
  const branch = (nodes, outputs, initializers = []) => graph({ nodes, outputs, initializers });
  const condition = (one, other, outputs = ['y']) =>
    node('If', ['c'], outputs, { then_branch: one, else_branch: other });
  const innerOf = (made) =>
    made.nodes.find(({ opType }) => opType === 'If').attributes.map(({ graph: inner }) => inner);

  test('take the converted inputs of the model, and give float16', () => {
    const made = convert({
      nodes: [
        condition(
          branch([node('Relu', ['x'], ['t'])], [value('t')]),
          branch([node('Cast', ['ids'], ['f'], { to: 1 }), node('Add', ['f', 'x'], ['e'])], [value('e', null)]),
        ),
      ],
      inputs: [value('x'), value('ids', int64), value('c', bool)],
      outputs: [value('y')],
    });
    const [one, other] = innerOf(made);
    expect(lines(one)).toEqual(['Relu /Relu x_fp16 > t']);
    expect(typesOf(one.outputs)).toEqual({ t: float16 });
    expect(lines(other)).toEqual([
      'Cast /Cast ids > /Cast_output_cast_0 to=1',
      'Cast /Cast_output_cast0 /Cast_output_cast_0 > f to=10',
      'Add /Add f x_fp16 > e',
    ]);
    expect(lines(made).at(-1)).toBe('Cast y_fp16_input_cast0 y_fp16 > y to=1');
  });

  test('with nodes in f32 convert what comes from outside', () => {
    const made = convert({
      nodes: [
        node('Relu', ['x'], ['r']),
        condition(
          branch([node('Max', ['r', 'w'], ['t'])], [value('t')]),
          branch([node('Identity', ['r'], ['e'])], [value('e')]),
        ),
      ],
      initializers: [weights('w', [1])],
      inputs: [value('x'), value('c', bool)],
      outputs: [value('y')],
    });
    expect(lines(innerOf(made)[0])).toEqual([
      'Cast /Max_input_cast0 r > /Max_input_cast_0 to=1',
      'Cast /Max_input_cast1 w > /Max_input_cast_1 to=1',
      'Max /Max /Max_input_cast_0 /Max_input_cast_1 > /Max_output_cast_0',
      'Cast /Max_output_cast0 /Max_output_cast_0 > t to=10',
    ]);
  });

  test('hold the weights that they alone use, once', () => {
    const add = (name, out) => node('Add', ['x', name], [out]);
    const made = convert({
      nodes: [
        add('outside', 'o'),
        condition(
          branch(
            [add('one', 't'), add('both', 't2'), add('outside', 't3'), add('own', 't4')],
            [value('t')],
            [weights('own', [1])],
          ),
          branch([add('both', 'e')], [value('e')]),
        ),
      ],
      initializers: ['unused', 'both', 'one', 'outside'].map((name) => weights(name, [1])),
      inputs: [value('x'), value('c', bool)],
      outputs: [value('y')],
    });
    const [one, other] = innerOf(made);
    expect(made.initializers.map(({ name }) => name)).toEqual(['outside', 'both']);
    expect(one.initializers.map(({ name }) => name)).toEqual(['one', 'own']);
    expect(other.initializers).toEqual([]);
  });
});

describe('models that are refused', () => {
  const relu = { nodes: [node('Relu', ['x'], ['y'])], inputs: [value('x')], outputs: [value('y')] };
  const list = { name: 'y', type: { tensor: undefined, rest: [{ number: 4 }] }, rest: [] };
  const kCases = {
    'float16 weights': [{ ...relu, initializers: [weights('w', [2], float16)] }, /has float16 values already/],
    'a Cast to float16': [{ ...relu, nodes: [node('Cast', ['x'], ['y'], { to: 10 })] }, /has float16 values already/],
    'an output that is a list': [{ ...relu, outputs: [list] }, /y is no tensor/],
    'a value of unknown type at a node in f32': [
      { ...relu, nodes: [node('Mystery', ['x'], ['m'], { domain: 'there' }), node('Max', ['m'], ['y'])] },
      /type of "m" at the Max "\/Max" is not known/,
    ],
  };
  test.each(Object.entries(kCases))('%s', (_, [parts, expected]) => {
    expect(refusalOf(parts)).toMatch(/^unsupported_model: /);
    expect(refusalOf(parts)).toMatch(expected);
  });

  test('functions', () => {
    expect(refusalOf(relu, { functions: [{ nodes: [], rest: [] }] })).toMatch(/has functions of its own/);
  });

  test('sparse tensors', () => {
    const sparse = model(relu);
    expect(() => fp16Pass({ ...sparse, graph: { ...sparse.graph, rest: [{ number: 15 }] } }, halve)).toThrow(/sparse/);
  });

  test('a value of unknown type elsewhere is no reason', () => {
    const nodes = [node('Mystery', ['x'], ['m'], { domain: 'there' }), node('Relu', ['m'], ['y'])];
    expect(lines(convert({ ...relu, nodes }))).toHaveLength(4);
  });
});

test('graphs deeper than any stack are sorted', () => {
  const depth = 50_000;
  const nodes = Array.from({ length: depth }, (_, index) => node('Relu', [`v${index}`], [`v${index + 1}`]));
  const made = convert({ nodes: nodes.reverse(), inputs: [value('v0')], outputs: [value(`v${depth}`)] });
  expect(made.nodes).toHaveLength(depth + 2);
  expect(lines(made).slice(0, 2)).toEqual(['Cast v0_fp16 v0 > v0_fp16 to=10', 'Relu /Relu v0_fp16 > v1']);
});
